// Package hll counts distinct elements in at most 12 KB, in Redis' own representation: a value written by one is read, byte for byte, by
// the other, and after the same commands both hold the same bytes.
//
// # Format
//
// A sketch is a string:
//
//	offset  bytes  meaning
//	0       4      "HYLL"
//	4       1      encoding: 0 dense, 1 sparse
//	5       3      zero
//	8       8      the last count, little endian; bit 63 says that registers have changed since
//	16      ...    registers
//
// There are 16384 registers of 6 bits. Dense: 12288 bytes, register i in bits 6i to 6i+5, bit 0 being the lowest of the first byte.
// Sparse: a run-length encoding that must cover exactly all registers,
//
//	00xxxxxx             x+1 registers are 0                        "zero"
//	01xxxxxx yyyyyyyy    xy+1 registers are 0, x the high bits      "xzero"
//	1vvvvvxx             x+1 registers are v+1                      "val"
//
// so it holds values up to 32; a greater one, or a sketch longer than hll-sparse-max-bytes, makes it dense for good.
//
// An element's hash is MurmurHash64A with Redis' seed. Its low 14 bits name the register; the register keeps the greatest position, from
// 1, of the lowest bit set in the 50 bits that remain. The count is Ertl's improved estimator ("New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, algorithm 6).
package hll
