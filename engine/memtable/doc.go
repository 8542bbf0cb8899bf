// Package memtable holds the rows that are newer than the keyspace's files: an ordered table in memory, written by one goroutine,
// with views that stay as they were while it goes on being written.
//
// A row is a key and a value, or a key and the note that the row is deleted (a tombstone): it hides what older tables and the files
// hold. A row that was written fresh (nothing older had it) needs no tombstone when it is deleted: it just goes. Queues and other
// short-lived rows so die in memory.
//
// The table is a B-tree with copy-on-write: View costs nothing by itself, the first changes behind it copy the nodes they touch.
// Nodes compare by the first 16 bytes of a key, held in the node as two integers: the keyspace's keys differ in them (a hash is
// part of each), so a look-up touches few cache lines.
//
// Nothing here locks. A Table may be read by many goroutines while nobody writes it; a view may be read for ever.
package memtable
