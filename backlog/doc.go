// Package backlog gives the log an identity and a reach. The wal package knows bytes at offsets; backlog knows whose bytes
// they are (histories), answers whether a replica at (id, offset) can be continued, hands out the stream through cursors,
// and decides how long the log is kept (retention, pins, notes of named replicas). The facts that must outlive the process
// are in meta.db, a small bbolt file. Nobody else imports bbolt.
//
// # Promises
//
//   - A position is accepted if and only if the replica's bytes are a prefix of ours and all that follow are retained (Check).
//   - A cursor delivers the stream's bytes exactly, each once, never past Safe, and never bytes of another generation.
//   - An id never names two different byte streams: whoever may have lost bytes that others saw, or leads on somebody else's
//     history, is told to begin a new one (LostTailPossible, MustStartHistory).
//   - Log that the keyspace needs for recovery is never dropped; log that somebody else needs is dropped only for MaxBytes,
//     with an event.
//   - One process at a time: the file LOCK beside meta.db is flocked for the life of the process and names its pid.
//
// # Histories
//
// A history is a line of succession: a random id that names the stream's bytes from its Start to the next history's Start.
// The list is the node's lineage. Starts never fall, and ids never repeat. Two histories may share a start: the first ended
// where it began, yet peers may have heard of it. The last entries may begin past the log's end: an upstream has announced
// them, and the bytes up to there still belong to the history before. Each history has an epoch number, never reset, that
// tags its log records. Histories that ended before the first retained byte are forgotten, except the last two.
//
// # meta.db
//
// Bucket "meta":
//
//	key         body
//	format      u8 version of the whole file (1). Another one: ErrUnsupported, nothing is read
//	node        40 hex digits, the node id
//	generation  u64 generation (from 1), u64 start offset of the generation's log
//	histories   u8 flags (1: own, the last one was begun here and this node was no follower since),
//	            u32 next epoch, u16 n, n times: u32 epoch, u64 start, 40 hex digits; oldest first
//	run         u8 state (1 running, 2 clean), u8 role (0 none, 1 leader, 2 follower),
//	            u8 flags (1: unsafe shipping, 2: lost tail, 4: led), u64 floor
//
// Bucket "replicas", by node id (40 hex digits):
//
//	u64 ack, i64 last seen (Unix milliseconds), the rest: address
//
// Integers are little-endian. Every value is framed as: u8 value version (1), body, u32 CRC32C (Castagnoli) over key, version
// and body: bbolt checks only its own header pages, and a value under a wrong key must not pass either.
//
// What is rebuildable, and what is ordered how with the log's fsyncs:
//
//	format      written once
//	node        written once; not rebuildable. Losing it costs the node its notes on upstreams, no data
//	generation  before wal.Reset, which it describes: Open hands it to wal.Open, which finishes the reset
//	histories   before the first byte of a new history is appended; no log fsync needs to precede it, as a list changes only
//	            at or past the log's end, and one that begins past the end found after a crash is an announced one. Not
//	            rebuildable as a whole; every segment header names its history, so that a meta.db that is older than the log is
//	            noticed (ErrMetaStale)
//	run         running: after wal.Open, before anything can be appended; floor is what the log had fsynced by then.
//	            role, unsafe: before what they describe begins. clean: after the log's last fsync; floor is its end
//	replicas    no order with the log; rebuilt as replicas acknowledge. A damaged note is left out, with a warning
//
// Everything but a replica's note must be whole: guessing identity is how two nodes come to write different bytes under one
// name. meta.db missing beside log segments or a keyspace is refused for the same reason (ErrMetaMissing).
//
// # Crashes
//
// bbolt commits are atomic: a crash within one leaves the contents before or after it. So it is enough to say what a crash
// between the steps leaves.
//
// Open of a new directory: LOCK is made; meta.db is written as meta.db.tmp, fsynced, renamed, the directory fsynced; the log
// is opened; the run is marked. Crash before the rename: nothing but a meta.db.tmp that the next Open replaces. Before the log:
// an empty log is made at the generation's start. Before the mark: a directory that was closed clean, which it was.
//
// Open of a used directory: the log is recovered (its torn tail cut, the rest fsynced); its end is compared with the floor
// (ErrLogShort); the run is marked running, with the verdict on the run before folded in as "lost tail". A crash before the
// mark leaves the old record, hence the same verdict next time; after it, the folded flag stands until StartHistory or
// BeginGeneration, whose commits clear it.
//
// SetRole, SetUnsafeShipping, StartHistory, AdoptHistories: one commit each, before the state it describes begins.
//
// BeginGeneration: one commit {generation, start, histories, run, no replica notes}, then wal.Reset. Crash before the commit:
// the old generation. After: Open gives wal.Open the new generation and start, and it removes the segments of the old one.
//
// Retention: whole segments, oldest first. Crash within: fewer segments, no hole.
//
// Close(true): the log is written and fsynced, then the run is marked clean with the log's end. Crash before: unclean.
//
// # Failing meta.db
//
// A failed commit leaves the old state in effect in memory, is returned, and shows in Health. After want of space it may be
// tried again; after any other error, and after a panic of bbolt, meta.db is left alone until a restart, as nobody can tell
// what the file holds.
//
// # Locks
//
// keeper.pass, then changes, then pins.mu, then replicas.mu; the wal's and the tail's come last. The first two are held
// across I/O, see there; neither is taken by Append, Safe, WaitSafe, Check, cursors or pins.
package backlog
