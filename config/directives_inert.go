package config

import "slices"

// Reasons why directives of redis.conf have no meaning here; each completes "<directive> has no effect: ".
const (
	whyNoSave      = "there are no save points: every write is in the log"
	whyNoAOF       = "there is no append-only file to rewrite or load: the log is checked and recovered at start"
	whyNoRDB       = "no RDB file is written here"
	whyNoFork      = "nothing is forked for snapshots or rewrites"
	whyNoEviction  = "nothing is evicted: data lies on disk; memory is bounded by block-cache-size, row-cache-size and memtable-size"
	whyNoLazyFree  = "deleting is always constant time, the space is reclaimed in the background"
	whyNoEncodings = "values are rows on disk, there is no in-memory encoding to tune"
	whyNoDefrag    = "there is no in-memory keyspace to defragment or rehash"
	whyNoThreads   = "connections run on as many cores as there are"
	whyNoTLS       = "TLS is not supported"
	whyNoCluster   = "there is no cluster mode"
	whyNoSyslog    = "there is no syslog output; use logfile, or standard output with systemd"
	whyNoKernel    = "the process leaves CPU lists, OOM scores, huge pages and its title to the system"
	whyNoScripts   = "there are no scripts to interrupt yet"
	whyNoTracking  = "client-side caching is not supported yet"
	whyNoDiskless  = "a full sync always ships table files, without fork or RDB"
	whyNoLogo      = "there is no start-up logo"
	whyNoChannels  = "pub/sub channels are not guarded by ACLs"
	whyStaysBack   = "the backlog is the log on disk: it is never freed while it is within repl-backlog-size or repl-backlog-retention"
	whyOldKept     = "old data is replaced at once, and freed in the background"
	whyStrict      = "a replica that cannot log or apply its master's stream stops applying, keeps its data and says so in INFO"
	whyNotYet      = "slow log and latency figures are not supported yet"
	whyFixedSignal = "SIGTERM and SIGINT always flush and mark the shutdown as clean"
)

// inertRows are the directives of redis.conf 7.0 without meaning here (and those of Redis 7.2, 8 and Valkey 8 that
// concern replication). They are accepted with one warning, validated as in Redis, and CONFIG GET shows them.
func inertRows() []*directive {
	return slices.Concat(inertReplicationRows(), inertPersistenceRows(), inertMemoryRows(), inertProcessRows(), inertClusterRows(),
		uniformRows(), stopRows())
}

func inertReplicationRows() []*directive {
	return []*directive{
		{name: "replica-ignore-maxmemory", aliases: []string{"slave-ignore-maxmemory"}, kind: boolean, def: "yes", inert: whyNoEviction},
		{name: "replica-lazy-flush", aliases: []string{"slave-lazy-flush"}, kind: boolean, def: "no", inert: whyOldKept},
		{name: "replica-ignore-disk-write-errors", kind: boolean, def: "no", inert: whyStrict},
		{name: "propagation-error-behavior", kind: enum, def: "ignore", words: []string{"ignore", "panic", "panic-on-replicas"}, inert: whyStrict},
		{name: "repl-backlog-ttl", kind: integer, def: "3600", max: maxInt64, inert: whyStaysBack},
		{name: "repl-diskless-sync", kind: boolean, def: "yes", warn: only("no", whyNoDiskless)},
		{name: "repl-diskless-sync-max-replicas", kind: integer, def: "0", max: maxInt32, inert: whyNoDiskless},
		{
			name: "repl-diskless-load", kind: enum, def: "disabled", inert: whyNoDiskless,
			words: []string{"disabled", "on-empty-db", "swapdb", "flush-before-load", "flushdb"},
		},
		{name: "dual-channel-replication-enabled", kind: boolean, def: "no", inert: whyNoDiskless},
		{name: "repl-rdb-channel", kind: boolean, def: "no", inert: whyNoDiskless},
		{name: "replica-full-sync-buffer-limit", kind: memory, def: "0", max: unlimited, inert: "a replica spools the stream to its log, not to memory"},
		{name: "rdb-del-sync-files", kind: boolean, def: "no", inert: whyNoRDB},
	}
}

func inertPersistenceRows() []*directive {
	return []*directive{
		{name: "save", kind: savePoints, def: "3600 1 300 100 60 10000", inert: whyNoSave},
		{name: "stop-writes-on-bgsave-error", kind: boolean, def: "yes", inert: "writes stop whenever the log cannot be written"},
		{name: "no-appendfsync-on-rewrite", kind: boolean, def: "no", inert: whyNoFork},
		{name: "auto-aof-rewrite-percentage", kind: integer, def: "100", max: maxInt32, inert: whyNoAOF},
		{name: "auto-aof-rewrite-min-size", kind: memory, def: "64mb", max: maxInt64, inert: whyNoAOF},
		{name: "aof-load-truncated", kind: boolean, def: "yes", warn: only("no", "a torn record at the end of the log is always cut off; damage elsewhere always stops the start")},
		{name: "rdbchecksum", kind: boolean, def: "yes", fixed: true, inert: whyNoRDB},
	}
}

func inertMemoryRows() []*directive {
	return []*directive{
		{name: "maxmemory", kind: memory, def: "0", max: unlimited, inert: whyNoEviction},
		{name: "maxmemory-policy", kind: enum, def: "noeviction", inert: whyNoEviction, words: []string{
			"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction",
		}},
		{name: "maxmemory-clients", kind: memoryOrPercent, def: "0", max: unlimited, inert: "clients are bounded one by one: client-query-buffer-limit, client-output-buffer-limit"},
		{name: "maxmemory-samples", kind: integer, def: "5", min: 1, max: maxInt32, inert: whyNoEviction},
		{name: "maxmemory-eviction-tenacity", kind: integer, def: "10", max: 100, inert: whyNoEviction},
		{name: "lfu-log-factor", kind: integer, def: "10", max: maxInt32, inert: whyNoEviction},
		{name: "lfu-decay-time", kind: integer, def: "1", max: maxInt32, inert: whyNoEviction},

		{name: "list-max-listpack-size", aliases: []string{"list-max-ziplist-size"}, kind: integer, def: "-2", min: -maxInt32 - 1, max: maxInt32, inert: whyNoEncodings},
		{name: "list-compress-depth", kind: integer, def: "0", max: maxInt32, inert: whyNoEncodings},
		{name: "list-max-ziplist-entries", kind: text, hidden: true, inert: whyNoEncodings},
		{name: "list-max-ziplist-value", kind: text, hidden: true, inert: whyNoEncodings},
		{name: "stream-node-max-bytes", kind: memory, def: "4096", max: maxInt64, inert: whyNoEncodings},
		{name: "stream-node-max-entries", kind: integer, def: "100", max: maxInt64, inert: whyNoEncodings},

		{name: "activedefrag", kind: boolean, def: "no", inert: whyNoDefrag},
		{name: "active-defrag-cycle-min", kind: integer, def: "1", min: 1, max: 99, inert: whyNoDefrag},
		{name: "active-defrag-cycle-max", kind: integer, def: "25", min: 1, max: 99, inert: whyNoDefrag},
		{name: "active-defrag-ignore-bytes", kind: memory, def: "100mb", min: 1, max: maxInt64, inert: whyNoDefrag},
		{name: "active-defrag-max-scan-fields", kind: integer, def: "1000", min: 1, max: maxInt64, inert: whyNoDefrag},
		{name: "active-defrag-threshold-lower", kind: integer, def: "10", max: 1000, inert: whyNoDefrag},
		{name: "active-defrag-threshold-upper", kind: integer, def: "100", max: 1000, inert: whyNoDefrag},
		{name: "dynamic-hz", kind: boolean, def: "yes", inert: "periodic jobs adapt by themselves"},
	}
}

func inertProcessRows() []*directive {
	return []*directive{
		{name: "io-threads", kind: integer, def: "1", min: 1, max: 128, fixed: true, inert: whyNoThreads},
		{name: "sanitize-dump-payload", kind: enum, def: "no", words: []string{"no", "yes", "clients"}, inert: "payloads are always checked"},
		{name: "acl-pubsub-default", kind: enum, def: "resetchannels", words: []string{"allchannels", "resetchannels"}, inert: whyNoChannels},
		{name: "tracking-table-max-keys", kind: integer, def: "1000000", max: maxInt64, inert: whyNoTracking},
		{name: "busy-reply-threshold", aliases: []string{"lua-time-limit"}, kind: integer, def: "5000", max: maxInt64, inert: whyNoScripts},
		{name: "socket-mark-id", kind: integer, def: "0", max: 1<<32 - 1, fixed: true, inert: "sockets are not marked"},
		{name: "always-show-logo", kind: boolean, def: "no", fixed: true, inert: whyNoLogo},
		{name: "ignore-warnings", kind: text, inert: "no start-up check needs silencing"},
		{name: "crash-log-enabled", kind: boolean, def: "yes", inert: "a crash always logs its stack"},
		{name: "crash-memcheck-enabled", kind: boolean, def: "yes", inert: "a crash always logs its stack"},
		{name: "proc-title-template", kind: text, def: "{title} {listen-addr} {server-mode}", inert: whyNoKernel},
		{name: "oom-score-adj", kind: enum, def: "no", words: []string{"no", "yes", "relative", "absolute"}, inert: whyNoKernel},
		{name: "oom-score-adj-values", kind: oomScores, def: "0 200 800", inert: whyNoKernel},
		{
			name: "syslog-facility", kind: enum, def: "local0", fixed: true, inert: whyNoSyslog,
			words: []string{"user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"},
		},
		{name: "syslog-ident", kind: text, def: "redis", fixed: true, inert: whyNoSyslog},
		{name: "syslog-enabled", kind: boolean, def: "no", fixed: true, warn: only("yes", whyNoSyslog)},
	}
}

func inertClusterRows() []*directive {
	return []*directive{
		{name: "cluster-enabled", kind: boolean, def: "no", fixed: true, check: refuseUnless("no", whyNoCluster+"; remove this line"), warn: silent},
		{name: "cluster-preferred-endpoint-type", kind: enum, def: "ip", words: []string{"ip", "hostname", "unknown-endpoint"}, inert: whyNoCluster},
		{name: "cluster-config-file", kind: text, def: "nodes.conf", fixed: true, inert: whyNoCluster},
		{name: "cluster-node-timeout", kind: integer, def: "15000", max: maxInt64, inert: whyNoCluster},
		{name: "cluster-migration-barrier", kind: integer, def: "1", max: maxInt32, inert: whyNoCluster},
		{name: "cluster-link-sendbuf-limit", kind: memory, def: "0", max: unlimited, inert: whyNoCluster},
		{name: "cluster-replica-validity-factor", aliases: []string{"cluster-slave-validity-factor"}, kind: integer, def: "10", max: maxInt32, inert: whyNoCluster},
		{name: "cluster-replica-no-failover", aliases: []string{"cluster-slave-no-failover"}, kind: boolean, def: "no", inert: whyNoCluster},
		{name: "cluster-port", kind: integer, def: "0", max: maxPort, fixed: true, inert: whyNoCluster},

		{name: "tls-port", kind: integer, def: "0", max: maxPort, check: refuseUnless("0", whyNoTLS+"; clients would have to talk in clear text: use port behind a TLS proxy or tunnel"), warn: silent},
		{name: "tls-replication", kind: boolean, def: "no", check: refuseUnless("no", whyNoTLS+"; the link would be in clear text: use a TLS proxy or tunnel"), warn: silent},
		{name: "tls-auth-clients", kind: enum, def: "yes", words: []string{"no", "yes", "optional"}, inert: whyNoTLS},
		{name: "tls-session-cache-size", kind: integer, def: "20480", max: maxInt32, inert: whyNoTLS},
		{name: "tls-session-cache-timeout", kind: integer, def: "300", max: maxInt32, inert: whyNoTLS},
	}
}

// stopRows are shutdown-on-sigterm and shutdown-on-sigint.
func stopRows() []*directive {
	var rows []*directive
	stops := []string{"default", "save", "nosave", "now", "force"}
	for _, n := range []string{"shutdown-on-sigterm", "shutdown-on-sigint"} {
		rows = append(rows, &directive{name: n, kind: flags, def: "default", words: stops, inert: whyFixedSignal})
	}
	return rows
}

// uniformRows are those that differ in nothing but their name.
func uniformRows() []*directive {
	var rows []*directive
	add := func(k *kind, def, why string, fixed bool, names ...string) {
		for _, n := range names {
			rows = append(rows, &directive{name: n, kind: k, def: def, max: maxPort, fixed: fixed, inert: why})
		}
	}
	add(boolean, "yes", whyNoAOF, false, "aof-use-rdb-preamble", "aof-rewrite-incremental-fsync")
	add(boolean, "no", whyNoAOF, false, "aof-timestamp-enabled", "aof-disable-auto-gc")
	add(boolean, "yes", whyNoRDB, false, "rdbcompression", "rdb-save-incremental-fsync")
	add(boolean, "yes", whyNoDefrag, false, "activerehashing", "jemalloc-bg-thread")
	add(boolean, "no", whyNoLazyFree, false, "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del",
		"lazyfree-lazy-user-del", "lazyfree-lazy-user-flush")
	add(boolean, "no", whyNoThreads, true, "io-threads-do-reads")
	add(boolean, "yes", whyNoKernel, true, "disable-thp", "set-proc-title")
	add(text, "", whyNoKernel, true, "server_cpulist", "bio_cpulist", "aof_rewrite_cpulist", "bgsave_cpulist")
	add(boolean, "yes", whyNoCluster, false, "cluster-allow-replica-migration", "cluster-require-full-coverage",
		"cluster-allow-pubsubshard-when-down")
	add(boolean, "no", whyNoCluster, false, "cluster-allow-reads-when-down")
	add(text, "", whyNoCluster, false, "cluster-announce-ip", "cluster-announce-hostname")
	add(integer, "0", whyNoCluster, false, "cluster-announce-port", "cluster-announce-bus-port", "cluster-announce-tls-port")
	add(boolean, "no", whyNoTLS, false, "tls-cluster", "tls-prefer-server-ciphers")
	add(boolean, "yes", whyNoTLS, false, "tls-session-caching")
	add(text, "", whyNoTLS, false, "tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-client-cert-file", "tls-client-key-file",
		"tls-client-key-file-pass", "tls-dh-params-file", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-protocols", "tls-ciphers", "tls-ciphersuites")
	return rows
}
