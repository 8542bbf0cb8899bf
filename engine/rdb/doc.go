// Package rdb reads and writes values in Redis' serialised form: what DUMP and RESTORE carry, and what RDB files are made of.
//
// The reader takes every encoding that Redis 1.2 to 7.2 wrote for strings, lists, sets, hashes, sorted sets and streams, and hands a value
// on element by element: its memory is one packed block, however large the value. Lengths are checked against what has arrived before
// anything is allocated, and damage is an Error with the position. The writer uses, for each value, the oldest form that carries all of it,
// so that every server which knows the type can load it.
//
// # Format
//
// A length is one to nine bytes:
//
//	00xxxxxx                 0 to 63
//	01xxxxxx yyyyyyyy        14 bits, big endian
//	10000000 + 4 bytes       32 bits, big endian
//	10000001 + 8 bytes       64 bits, big endian
//	11xxxxxx                 not a length: the string that follows is encoded
//
// A string is a length and its bytes, or an encoded one: 0, 1, 2 an integer of 1, 2, 4 bytes, little endian; 3 the length of the
// compressed bytes, the length of the string, and the bytes as LZF made them.
//
// A value is a type byte and
//
//	0  string            a string
//	1  list              length; strings
//	2  set               length; strings
//	3  sorted set        length; member, score as text: a byte of length and digits; 253 is nan, 254 inf, 255 -inf
//	4  hash              length; field, value
//	5  sorted set        length; member, score as a float64, little endian
//	9  hash              a string that is a zipmap
//	10 list              a string that is a ziplist
//	11 set               a string that is an intset
//	12 sorted set        a string that is a ziplist of members and scores
//	13 hash              a string that is a ziplist of fields and values
//	14 list              length; strings that are ziplists
//	15 stream            see stream.go
//	16 hash              a string that is a listpack of fields and values
//	17 sorted set        a string that is a listpack of members and scores
//	18 list              length; for each node 1 and a string that is an element, or 2 and a string that is a listpack
//	19 stream            15 with the first id, the highest deleted one and the number of entries ever added; groups have a read counter
//	20 set               a string that is a listpack
//	21 stream            19 with the time each consumer was last active
//
// What DUMP returns is a value, the version in two bytes and a CRC-64 (Jones) of all before it in eight bytes, both little endian.
//
// # Files
//
// An RDB file is "REDIS" and the version as four digits, or "VALKEY" and three (version 80); then, each with its opcode,
//
//	250 name, value: two strings about the file       251 how many keys the database has, how many of them expire
//	245 the code of a library of functions
//	254 number of a database: the keys that follow     252 milliseconds since 1970: when the next key expires
//	type, key, value
//	255 the end, and the CRC-64 of all before it in eight bytes, little endian
package rdb
