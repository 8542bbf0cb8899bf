// Package config reads the configuration of a server, keeps it while it runs, and writes it back.
//
// It speaks redis.conf: names, aliases, defaults, ranges, sizes (1k = 1000, 1kb = 1024), quoting and the error texts of
// CONFIG SET are those of Redis 7.0.15, as measured on it. One table (directives.go, directives_inert.go) drives
// everything: loading, CONFIG GET, SET and REWRITE, suggestions and warnings.
//
// # Sources
//
// Strongest first: the command line (--directive value), the environment (REPLOGD_<DIRECTIVE>, with _ for -), one file
// and what it includes, the defaults. Files have redis.conf syntax, or YAML or TOML by their extension; viper decodes
// and layers them and is used nowhere else.
//
// In a file the last occurrence of a directive counts, except that save, rename-command and user add up and that each
// client-output-buffer-limit line replaces the classes it names. A stronger source replaces the occurrences of a weaker
// one. One argument may hold several words (--replicaof "127.0.0.1 6379") where a directive takes several.
//
// A relative include is looked for beside the including file, then in the working directory. A relative dir is
// relative to the working directory at start; relative pidfile, logfile and unixsocket lie in dir.
//
// # What is refused, what is ignored
//
// A name that is no directive stops the start with the nearest known one; so does a bad value, with what is allowed.
// A directive of redis.conf that has no meaning here is accepted with one warning that says why. Where ignoring it
// would leave a server less protected than its configuration reads (ACL users, tls-port, cluster-enabled, modules), the start is
// refused instead.
//
// # Reading and changing
//
// [Manager.Current] returns one immutable [Config]. [Manager.Set] changes several directives or none: it asks the
// callbacks of [Manager.OnChange], then publishes. [Manager.Rewrite] makes a change last.
//
// # The data directory
//
// dir is the data directory of one server: log, keyspace and meta.db lie directly in it. Redis servers may share a dir
// and keep apart by dbfilename and appendfilename; here each server needs a dir of its own, and a second server on the
// same one is refused by its lock.
package config
