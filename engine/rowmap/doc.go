// Package rowmap is the keyspace's cache of rows: a map from rows to values, or to the knowledge that there is no such row, in a bounded piece of memory outside Go's heap, which costs the
// collector nothing.
//
// A Region is that memory, cut into pages of 32 KiB; each Map, a shard of the cache, takes pages from it as it fills, up to its share. A page
// holds slots of one size. A row that is written again with a value of about the same size stays where it is: a key that is overwritten all
// the time keeps to the same few cache lines, instead of wandering through the whole memory. When a Map has used up its share, the page that
// it has had for the longest is emptied and takes new rows: what was put in first goes first.
//
// # A slot
//
//	0  2  length of the row, little-endian; 0: the slot is free
//	2  2  length of the value; 1<<15: there is no such row; in a free slot the number of the next free one of its page, plus one
//	4     the row, then the value
//
// Ghosts are what is remembered of rows that went: that they are there.
//
// Nothing here locks: a Map may be read by many goroutines while nobody writes it.
package rowmap
