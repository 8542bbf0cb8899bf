package keys

import "bytes"

// Slots is the number of hash slots of Redis Cluster.
const Slots = 16384

var crc16Table = makeCRC16Table()

// makeCRC16Table builds the table of CRC-16/XMODEM (polynomial 0x1021), which Redis Cluster's specification names.
func makeCRC16Table() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}

// Slot returns the hash slot of key: the CRC-16 of the text between its first '{' and the next '}', if there is any, else of
// the whole key, modulo Slots.
func Slot(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	var crc uint16
	for _, b := range key {
		crc = crc<<8 ^ crc16Table[byte(crc>>8)^b]
	}
	return crc % Slots
}
