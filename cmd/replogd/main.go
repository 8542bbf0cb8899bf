// Command replogd is a durable, replicated key-value server that speaks the Redis protocol.
//
//	replogd [file.conf|-] [--directive value ...]   run the server
//	replogd check DIR                               look whether a data directory is whole
//	replogd logdump DIR|SEGMENT [--from offset]     print the log's commands
//	replogd import FILE.rdb|appendonlydir DIR       make a data directory of what Redis has saved
//	replogd --version | --help
//
// Exit codes: 0 a polite end (SIGTERM, SIGINT, SHUTDOWN) or a healthy directory; 1 a start that was refused, a failure, or damage
// found; 2 wrong usage, or a directory that check and logdump cannot read.
//
// # Order of start and stop
//
// Start: configuration, log, lock on the data directory with recovery of the log, listening sockets (everything is answered
// -LOADING), keyspace with replay of the log, replication in the configured role, ready (parent of a daemon released, systemd
// told). Each step is undone in reverse order when a later one fails. Stop: writes are held back until the replicas have
// everything (at most shutdown-timeout), connections end, replication ends, the keyspace is flushed and closed, the log is fsynced
// and marked clean, the pidfile goes. A crash at any point leaves an unclean directory, which the next start recovers.
package main

import "os"

func main() {
	spareProcessors()
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
