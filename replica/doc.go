// Package replica is both ends of replication: the feeds of a node's replicas and the link to its master, over Redis' own
// protocol (PSYNC2), plus the transfer of whole data sets between replogd nodes.
//
// # What it promises
//
//   - The log is the stream. A replica is fed by copying the log from its offset on; a follower appends the bytes it receives, as
//     whole units, at the same offsets. Nothing is rewritten on the way, so (replid, offset) means the same on every node.
//   - A position that is retained is continued, whoever restarted in between. A position is accepted only when it lies on
//     this node's lineage (Backlog.Check) and between two units; every refusal has a reason that is counted, logged and in INFO.
//   - Transient conditions are answered with -NOMASTERLINK or -LOADING, never with -ERR.
//   - A slow or absent replica costs disk. An online one costs feedBufferBytes; a transfer costs one chunk.
//   - A stream that is not busy is sent at once; a busy one in pieces half a millisecond apart (pace.go).
//   - A full sync cannot lose data: the log is pinned from the checkpoint's offset until the replica has a cursor of its own, and the
//     replica keeps and serves its old data until the new is complete, verified and durable, and its master has confirmed that it can
//     be continued. Only repl-backlog-max-size can take a pinned log. Then the transfer stops, both sides log why, the checkpoint is
//     given to nobody any more, and the replica comes again for a fresh one with its old data in place.
//   - Every read and write has a deadline (repl-timeout), every goroutine ends with Close.
//
// A stock replica whose position is retained is fed; one that needs a full sync gets the data set as an RDB of one offset (PSYNC and SYNC,
// between marks with "capa eof", else behind its size), and the stream from there: rdb_serve.go. A stock master whose stream continues ours
// is followed; of one that answers +FULLRESYNC the RDB is received to disk, loaded beside the old data, and adopted: rdb_fetch.go.
//
// # Handshake
//
// The follower sends PING and waits. Then, in one packet, [AUTH [user] password] and
//
//	REPLCONF listening-port <port>
//	REPLCONF ip-address <ip>                        with replica-announce-ip
//	REPLCONF capa eof capa psync2 capa replogd
//	REPLCONF node-id <40 hex>                       names it across restarts: its acks hold the log while it is away
//	REPLCONF snapshot <checkpoint id>               when it has a part of that checkpoint
//	REPLCONF lineage 1                              last; 1 is the version of the native protocol
//
// An error to AUTH ends the try; errors to the others mean that the master does not know the option. A replogd answers the last with a
// bulk string, which makes it a native master; all else means a stock one:
//
//	replogd 1\n
//	path <node id> [<node id> ...]\n                the master, its master, ... as far as it knows
//	history <40 hex> <start>\n                      one per history, oldest first; offsets are decimal
//
// A follower that finds its own id in the path stops: it would wait for itself.
//
// Then PSYNC <id> <offset+1>, where id is the newest of the follower's histories that both lineages follow up to offset (its current
// one with a stock master), or PSYNC ? -1 from a node that never had data, or, to a native master only, PSYNC ? -2 to be given
// everything although it has data. Answers:
//
//	\n                                              wait
//	+CONTINUE [<id>]                                the stream follows; id is the master's current history
//	+CHECKPOINT <checkpoint id> <replid> <offset>   native: a full sync, see below
//	+FULLRESYNC <id> <offset>                       stock: an RDB follows, between marks or behind its size, then the stream
//	-NOMASTERLINK ..., -LOADING ..., other errors   try again
//
// On +CONTINUE the follower makes the master's list of histories its own, durably, before it appends the first byte. With a native
// master the id must be the last one of the lineage it sent, or the try is repeated. When the follower's replid changes with that, it
// disconnects its own replicas; they come back with a partial sync.
//
// A leader whose current history has changed since it answered REPLCONF lineage on the connection does not answer a position that it refuses
// with a full sync, but with -NOMASTERLINK: told of the present lineage, the follower may ask for another one.
//
// # Rewinding
//
// A follower whose log goes on behind the point where the master's lineage left it, with nothing but PINGs, GETACKs and published messages (a
// former master that went on for a while; a replica that heard more than the one that was promoted), gives that tail up before it asks
// (rewind.go): its keyspace is the one of that point, for no record of the tail changes a key. With data in the tail the answer is a full sync.
//
// # Planned failover
//
// FAILOVER (failover.go) holds writes back, waits until a replica has acknowledged the log's very end, follows it, and asks it to take over
// with a fourth word in its PSYNC, as Redis does, with stock nodes on either side:
//
//	PSYNC <id> <offset+1> FAILOVER                  the asked node, whose current history is id, becomes a master and then answers as ever
//
// # Stream
//
// RESP arrays of bulk strings; anything else ends the link. The follower answers "REPLCONF ACK <applied>" when the stream
// begins, every second, and, once everything before it is applied, on REPLCONF GETACK; to a native master with " FACK <fsynced>".
//
// # Keep-alives
//
// Before the answer to PSYNC either side may send bare line feeds. In the stream every byte counts, so the leader keeps it alive with PINGs
// that are part of the log. A follower makes no PINGs of its own, and when its master is silent its replicas hear nothing: to
// a native replica it then sends, every ping period and only where it has sent the whole log, so between two units,
//
//	*2\r\n$8\r\nREPLCONF\r\n$9\r\nKEEPALIVE\r\n
//
// which the replica neither counts nor stores. A stock replica would count it; it hears nothing, times out, and continues with a
// partial sync, as below a stock replica.
//
// # Checkpoint transfer
//
// After +CHECKPOINT the follower sends commands (arrays of bulk strings) and the leader answers:
//
//	MANIFEST               a bulk string, below
//	FETCH <index> <byte>   a stream of frames: all files in the manifest's order from that byte of that file on. Once per connection
//	READY                  all is received and durable: +OK if the log behind the checkpoint is still held, and only then the follower
//	                       adopts it, else -NOMASTERLINK and the end
//	PSYNC <id> <offset>    ends the transfer; answered as above, but never with another checkpoint
//
// and between these, bare line feeds as keep-alives while it works. The manifest is lines of text:
//
//	replogd-checkpoint 1\n
//	id <checkpoint id>\n                            1 to 64 of 0-9 A-Z a-z - _
//	replid <40 hex>\n                               the last history's id
//	offset <n>\n                                    where the data stands, in stream bytes
//	stream-db <n>\n                                 database the stream has selected there
//	histories <count>\n
//	history <40 hex> <start>\n                      count times
//	files <count>\n
//	file <size> <name>\n                            count times; names as Engine.ValidCheckpointName has them, none twice
//	crc32c <8 hex>\n                                of all bytes before this line
//
// A frame begins with its type. Numbers are little-endian; a CRC is CRC-32C (Castagnoli) of the frame's other bytes.
//
//	chunk   offset 0 size 1  'C'
//	               1      4  n, length of the payload, 1 to 1048576
//	               5      4  CRC of bytes 0..4 and the payload
//	               9      n  payload: the next bytes of the current file, never of two files
//	file    offset 0 size 1  'F': the current file is complete
//	               1      4  its index
//	               5      8  xxh64 (seed 0) of the whole file, its bytes before the start of this FETCH included
//	              13      4  CRC of bytes 0..12
//	end     offset 0 size 1  'E': all files are complete
//	               1      8  content bytes of the whole checkpoint
//	               9      4  CRC of bytes 0..8
//	stop    offset 0 size 1  'S': the transfer cannot be completed; what was received is of no use. The last frame
//	               1      4  n, length of the reason, 1 to 255
//	               5      4  CRC of bytes 0..4 and the reason
//	               9      n  the reason, for the follower's log
//
// The receiver ends the link on any mismatch. It stores below Dir/incoming/<checkpoint id>: "manifest" (the text), "files/<name>",
// and "progress", a line per file that is whole, verified and fsynced. When the link breaks, the next handshake names the checkpoint
// (REPLCONF snapshot); a leader that still has it offers the same one, and FETCH goes on at the file and byte where it
// stopped. A file whose hash does not match, or whose fsync has failed, is removed and fetched again. Files are fsynced while the next
// ones come. When all is there and durable, the directories too, and the leader has confirmed it, Engine.Adopt switches to them.
//
// The leader makes one checkpoint at a time. Replicas that come while it is made, or within a minute after, share it, unless so much has been written since that a new one is less work for them. It keeps it,
// and with it the log from its offset on, while it has users and for a minute more, unless it is older than six hours or has lost that
// log. At most
// repl-snapshot-max-transfers are sent at once, at repl-snapshot-rate-limit together; others are told -NOMASTERLINK and come again.
//
// # Roles and crashes
//
// The crash argument of each durable step stands at the method that takes it: Node.Start, Node.ReplicaOf (follow), Node.Promote,
// Node.Failover, rewind, adoptLineage, stream and fullSync.
//
// Locks: failover.mu is held while the feeds are looked at; feedSet.mu, feed.mu, link.mu, snapshotPool.mu, ackHub.mu and counters.mu are leaves: none is held while another is taken,
// nor across I/O. Node.roleChange is a one-slot channel, held across role changes, and taken before all of them.
package replica
