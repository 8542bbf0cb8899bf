package rdb

import "hash/crc64"

// crcTable is that of the Jones polynomial, bits reversed as hash/crc64 wants it.
var crcTable = crc64.MakeTable(0x95ac9329ac4bc9b5)

// crcUpdate continues Redis' CRC-64, which neither begins nor ends with an inversion, unlike that of hash/crc64.
func crcUpdate(crc uint64, p []byte) uint64 { return ^crc64.Update(^crc, crcTable, p) }
