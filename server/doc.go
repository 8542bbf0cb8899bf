// Package server is the front door: it listens, reads commands, decides whether they may run, runs them, and writes the replies.
// Keyspace commands are executed by package engine, replication by package replica; every other command lives here.
//
// # What it promises
//
//   - Replies in the order of the commands, in the words of Redis 7.0.15, in RESP2 or (after HELLO 3) RESP3.
//   - No reply leaves before the log is as safe as appendfsync says: the engine notes in its Session which offset the replies
//     written so far rest on, and a connection waits for that offset before each write to its socket.
//   - A client can hurt only itself. Arguments, bulk lengths, the query buffer, accumulated replies, idle and stalled time are
//     bounded per connection (limits.go); memory grows with bytes that have arrived, never with a number a client has sent; a
//     panic in one command closes one connection and leaves its stack in the log.
//   - Nothing here is durable, so a crash loses only connections: run_id, client ids and statistics start afresh at each boot.
//
// # One connection
//
// Every connection goes through this, over and over:
//
//	read  ->  parse every complete command  ->  admit  ->  run  ->  wait until safe  ->  one write
//
// Consecutive keyspace commands go to the engine as one run; a server command ends the run before it, so that each command sees
// what those before it did (AUTH, SELECT, REPLICAOF ...). Replies are written in portions when they grow large.
//
// Who does it is one of two (Linux; elsewhere always the second):
//
//   - A loop (loop.go), a goroutine that serves many connections and takes each step for all that are ready: so the writes of a round share a
//     write of the log, and nobody is woken for any of it. A loop runs only what is short and waits for nothing (loop_conn.go). The wait for
//     an fsync is the committer's (committer.go); meanwhile the loop serves others.
//   - A goroutine of the connection's own (readloop.go), as soon as it asks for more than that: a command that may wait or run for long, a
//     transaction, a subscription, long arguments or replies, a row that may have to come from the disk, a store that is behind. After a
//     while of ordinary commands it joins a loop again.
//
// A command that waits (WAIT, a pause; later BLPOP and its kin) does so in its connection's own goroutine through conn.block: what is
// owed to the client is written first, CLIENT LIST shows the flag b, a change of role or CLIENT UNBLOCK can end it (a pause only
// CLIENT UNPAUSE or its own end), and the housekeeper notices when the peer has gone. PSYNC and SYNC hand the connection to replica.Node in the same way.
//
// MULTI queues admitted commands (transaction.go); EXEC runs them through engine.Transact, in one hold of the sequencer and one unit of the
// log. Server commands that take part in nothing of the keyspace (PING, SELECT, PUBLISH ...) run within; the others (a change of role, CONFIG
// SET, INFO, CLIENT PAUSE ...) divide a transaction into parts that are atomic each for itself.
//
// Messages of publishers reach a subscriber through its outbox (outbox.go), whose goroutine writes them; its replies go the same way. The hub
// (hub.go) knows who has subscribed. A PUBLISH on a master goes into the log as a record that changes no key, for the replicas' subscribers.
//
// State that other goroutines read (CLIENT LIST, INFO) is published in atomics of conn; everything else belongs to the
// goroutine or the loop.
// A handler gets the connection and the arguments and appends one reply to conn.w, so a transaction runs the same handlers later, and a
// script can run them with a connection of its own.
//
// # Admission
//
// The checks of processCommand in Redis 7.0.15, in its order (admission.go): unknown command, arity, DEBUG not allowed, NOAUTH,
// MISCONF, NOREPLICAS, READONLY, a subscriber's context, MASTERDOWN, LOADING, pause. The engine repeats the checks that protect data under its own lock.
//
// # Start and stop
//
// New and Listen come before recovery: until Attach every command without the flag "loading" is answered -LOADING. SHUTDOWN does
// not stop the process; it sends a ShutdownRequest to whoever owns it, who calls PrepareShutdown, Shutdown and closes the rest.
package server
