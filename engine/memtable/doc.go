// Package memtable holds the rows that are newer than the keyspace's files: a table in memory, written by one goroutine, with views that
// stay as they were while it goes on being written.
//
// A row is a key and a value, or a key and the note that the row is deleted (a tombstone): it hides what older tables and the files
// hold. A row that was written fresh (nothing older had it) needs no tombstone when it is deleted: it just goes. Queues and other
// short-lived rows so die in memory.
//
// A table has parts, told apart by a key's first byte (Layout). Of each part it keeps either a tree or a hash table:
//
//   - The tree is a B-tree with copy-on-write: View costs nothing by itself, the first changes behind it copy the nodes they touch.
//     Nodes compare by the first 16 bytes of a key, held in the node as two integers: the keyspace's keys differ in them (a hash is
//     part of each), so a look-up touches few cache lines. What is written in order is written fast.
//   - The hash table knows no order: to write a row anywhere costs a sixth of what it costs in the tree. A view shares it, and the rows
//     that it shows are kept beside the ones that replace them for as long as somebody holds it. Once the table is written no more, or as
//     soon as somebody wants an order (Order), the rows are sorted: all at once for a fraction of what it would have cost one by one.
//
// A part that was ordered stays a tree. Commands that read rows in order keep coming back, so if one has said so (Ask), the next table's part
// is a tree from the beginning (Next).
//
// Nothing here locks. A Table may be read by many goroutines while nobody writes it; View says what holds for views.
package memtable
