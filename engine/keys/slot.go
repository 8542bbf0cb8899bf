package keys

import "bytes"

// Slots is the number of hash slots of Redis Cluster.
const Slots = 16384

// crc16Tables are of CRC-16/XMODEM (polynomial 0x1021), which Redis Cluster's specification names: the n'th has the CRCs of a byte with n zero
// bytes behind it. With eight of them the bytes of a word need not wait for each other.
var crc16Tables = makeCRC16Tables()

func makeCRC16Tables() (tables [8][256]uint16) {
	for i := range tables[0] {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		tables[0][i] = crc
	}
	for n := 1; n < len(tables); n++ {
		for i, crc := range tables[n-1] {
			tables[n][i] = crc<<8 ^ tables[0][crc>>8]
		}
	}
	return tables
}

func crc16(p []byte) (crc uint16) {
	t := &crc16Tables
	for ; len(p) >= 8; p = p[8:] {
		crc = t[7][p[0]^byte(crc>>8)] ^ t[6][p[1]^byte(crc)] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]]
	}
	for _, b := range p {
		crc = crc<<8 ^ t[0][byte(crc>>8)^b]
	}
	return crc
}

// Slot returns the hash slot of key: the CRC-16 of the text between its first '{' and the next '}', if there is any, else of
// the whole key, modulo Slots.
func Slot(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	return crc16(key) % Slots
}
