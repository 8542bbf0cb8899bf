// Package engine is the keyspace: it turns commands into rows of an LSM store and into effects for the log, and it can always
// say which prefix of the log its rows reflect.
//
// # What it promises
//
//   - Effects before rows: a change is in the log's memory before any reader can see it, in the order of the log.
//   - The rows on disk are exactly the keyspace at one offset of the log, `applied`, which comes to disk with them in one step.
//     A restart replays the log from there; nothing is inferred and nothing is applied twice.
//   - The store on disk never runs ahead of the log on disk (drain.go), so no crash leaves rows that no log explains.
//   - Replaying effects gives the same rows on every node. Keys expire by the leader's word alone: the leader logs DEL, everybody
//     else hides keys whose time is up.
//   - What cannot be read is an error that names it. It is never taken for absent.
//
// # Writing
//
// The sequencer (Engine.seq) orders all writes. Its holder executes a bounded run of one client's commands into a tx, appends
// the run's effects to the backlog as one record (memory only), puts the rows into the active memtable, and lets go. The
// client's replies wait for the log outside (Session.Need). Reads wait for no writer: they see committed rows, and wait for the
// log only if what they touched is not as safe yet as the policy wants (dirty.go).
//
// Full memtables are frozen and drained, in the background, into files that Pebble takes in whole (memory.go, drain.go). Pebble's
// own memtables and WAL are not used: rows that are overwritten or removed while they are in memory never cost it anything, and a
// look-up of an absent key meets bloom filters instead of lists. A range read walks memtables and files as one (iterator.go).
//
// A follower has no clients that write: the link appends the master's stream to the backlog, and the applier, a cursor on the
// own log, executes it through the same handlers. Recovery is the applier run to the end of the log.
//
// # Rows
//
// One Pebble instance below data/<generation>, bytewise order, all integers big-endian. The first byte is the table. Databases
// have internal numbers (u32, never reused): FLUSHDB gives a database a fresh one and SWAPDB swaps two, so both touch the state
// row alone.
//
//	0x00 name                                    system; the only one is "state" (state.go)
//	0x10 db:u32 slot:u16 hash:u48 key            a key; value: type:4 encoding:4 flags:u8 [expire:u64] payload
//	0x20 uid:u64 hash:u48 field                  a field of a hash (its value), a member of a set (none) or of a sorted set (its score)
//	0x21 uid:u64 index:u64                       an element of a list
//	0x23 uid:u64 score:u64 member                a sorted set in order; empty value, or 01 if the score is -0
//	0x24 uid:u64 ms:u64 seq:u64                  an entry of a stream; value: each field and value behind its length (varint)
//	0x25 uid:u64 'G' name                        a consumer group: number:u64 last-id read:i64 pending:u64
//	0x25 uid:u64 'C' group:u64 name              a consumer: seen:i64 pending:u64
//	0x25 uid:u64 'P' group:u64 id                a pending entry: delivered:i64 count:u64 consumer
//	0x25 uid:u64 'Q' group:u64 len:u32 name id   the same in the order of consumers, empty value
//	0x30 db:u32                                  a flushed database whose rows wait to be removed
//	0x31 uid:u64                                 a collection that no key has any more, likewise; value: its type, for people
//	0x50 name                                    a library of functions, kept for others: its code
//	0x40 db:u32 expire:u64 key                   expiry index (milliseconds since 1970), empty value
//
// An id of a stream is ms:u64 seq:u64. The payload of a string is its bytes. That of a collection is its uid and its number of
// elements as unsigned varints, for a list also the index of its first element (u64): the others follow without gaps; for a stream its last id, the id of its first
// entry and the highest id deleted (16 bytes each), then the entries ever added and the next group's number (varints). A uid names the
// elements for as long as they exist and is never used again, so renaming, overwriting and deleting a collection, whatever its size,
// touch the key's row and at most 64 others. The score of a sorted set's member is its IEEE 754 bits; in the order of scores they are
// inverted if negative, else the first bit is, which makes bytewise order that of numbers.
//
// The encoding is what OBJECT ENCODING answers and nothing else: rows look alike under all of them. slot is Redis Cluster's CRC-16 slot, hash the upper 48 bits of the
// key's xxHash64. A SCAN cursor is (slot, hash) + 1: the order is that of the rows, so a cursor needs no memory in the server and
// holds after a restart and on every node of a chain. Flag bit 0: an expiry follows. Other flags, types and encodings are refused
// as damage or a newer format.
//
// # Lock order of the process
//
// Top to bottom; nobody takes a lock while holding one further down. No fsync, no network and no callback under any but roles.
//
//	conn.mu, line.mu            server: which end of the wire a connection has, and whether it is still open
//	loop.mu, poller.mu          server: a loop's inbox, and how to wake it
//	replica.Node's role lock    changes of role call BecomeLeader, BecomeFollower and Adopt
//	Engine.roles                one change of role or adoption at a time; waits for the applier and for meta.db
//	Engine.seq                  the sequencer; appends to the backlog and commits to the memtable under it
//	watches.mu                  who is told of changed keys; rows are looked up under it
//	backlog, wal                their own short locks (memory only)
//	memory.mu                   the memtables; Pebble's own short locks may be taken under it (iterators, snapshots)
//	drainTurn.turn              a leaf between the workers of a drain alone: they write to their files under it, and fsync behind it
//	rowCache shard, broadcast   leaves; several shards are taken for reading only, in their order (touch.go)
package engine
