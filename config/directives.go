package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Limits shared by rows of the table.
const (
	maxPort    = 65535
	maxInt32   = math.MaxInt32
	maxInt64   = math.MaxInt64
	unlimited  = -1 // max of memory: anything, up to what 64 unsigned bits hold
	maxNameLen = 64 // longer words are not worth a suggestion

	minReplBacklogSize = 16 << 10 // Redis raises smaller values silently, so do we
	minWALSegmentSize  = 64 << 10
	maxWALSegmentSize  = 1 << 30
)

// directive is one row of the table that everything in this package is driven by.
type directive struct {
	name    string
	aliases []string // other names, shown by CONFIG GET beside the first
	kind    *kind
	def     string // default, as it would stand in a file
	min     int64
	max     int64
	// Values outside clampMin..clampMax are accepted and moved inside, as Redis does for a few. clampMax 0 = no clamp.
	clampMin, clampMax int64
	words              []string // of enum and flags

	fixed     bool // CONFIG SET refuses: immutable while the server runs
	protected bool // CONFIG SET refuses unless enable-protected-configs says yes
	hidden    bool // CONFIG GET does not show it
	secret    bool // its value is masked in errors

	// inert says why the directive has no meaning here: a complete clause for the warning. Empty: it works.
	inert string
	// warn is the same for a value; it overrides inert. "" = no warning.
	warn func(v value) string
	// check refuses values that parse.
	check func(v value) error
	// bind copies the value into the typed struct.
	bind func(c *Config, v value)

	index int
}

// warning is "" or the clause to warn with when v was given.
func (d *directive) warning(v value) string {
	if d.warn != nil {
		return d.warn(v)
	}
	return d.inert
}

// parse reads one occurrence's arguments on top of prev.
func (d *directive) parse(args []string, prev value) (value, error) {
	if d.kind.multi {
		// One argument may carry all words: --replicaof "127.0.0.1 6379". "" stays: it means "none".
		if len(args) == 1 {
			if words := strings.Fields(args[0]); len(words) > 0 {
				args = words
			}
		}
	} else if len(args) != 1 {
		return value{}, errArgCount
	}
	v, err := d.kind.parse(d, args, prev)
	if err == nil && d.check != nil {
		err = d.check(v)
	}
	return v, err
}

// allowed is the remedy for a bad value.
func (d *directive) allowed() string {
	if d.kind.allowed == nil {
		return ""
	}
	return d.kind.allowed(d)
}

func seconds(v value) time.Duration {
	return time.Duration(min(v.n, int64(math.MaxInt64/time.Second))) * time.Second
}

// table lists the directives that mean something here. Names, defaults, ranges and mutability were measured on
// redis-server 7.0.15 unless the row says "own".
func table() []*directive {
	return slices.Concat(networkRows(), processRows(), dataRows(), replicationRows(), clientRows(), encodingRows(), inertRows())
}

func networkRows() []*directive {
	return []*directive{
		{name: "bind", kind: list, def: "* -::*", bind: func(c *Config, v value) { c.Bind = v.words }},
		{name: "bind-source-addr", kind: text, bind: func(c *Config, v value) { c.BindSourceAddr = v.text }},
		{name: "port", kind: integer, def: "6379", max: maxPort, bind: func(c *Config, v value) { c.Port = int(v.n) }},
		{name: "unixsocket", kind: text, fixed: true, bind: func(c *Config, v value) { c.UnixSocket = v.text }},
		{name: "unixsocketperm", kind: octal, def: "0", max: 0o777, fixed: true, bind: func(c *Config, v value) { c.UnixSocketPerm = uint32(v.n) }},
		{name: "protected-mode", kind: boolean, def: "yes", bind: func(c *Config, v value) { c.ProtectedMode = v.n != 0 }},
		{name: "tcp-backlog", kind: integer, def: "511", max: maxInt32, fixed: true, inert: "the accept queue is as long as the system allows (net.core.somaxconn on Linux)", bind: func(c *Config, v value) { c.TCPBacklog = int(v.n) }},
		{name: "tcp-keepalive", kind: integer, def: "300", max: maxInt32, bind: func(c *Config, v value) { c.TCPKeepAlive = seconds(v) }},
		{name: "timeout", kind: integer, def: "0", max: maxInt32, bind: func(c *Config, v value) { c.Timeout = seconds(v) }},
		{name: "maxclients", kind: integer, def: "10000", min: 1, max: math.MaxUint32, bind: func(c *Config, v value) { c.MaxClients = int(v.n) }},
	}
}

func processRows() []*directive {
	return []*directive{
		{name: "daemonize", kind: boolean, def: "no", fixed: true, bind: func(c *Config, v value) { c.Daemonize = v.n != 0 }},
		{
			name: "supervised", kind: enum, def: "no", words: []string{"upstart", "systemd", "auto", "no"}, fixed: true,
			warn: only("upstart", "upstart is not supported; systemd and auto are"),
			bind: func(c *Config, v value) { c.Supervised = v.text },
		},
		{name: "pidfile", kind: text, fixed: true, bind: func(c *Config, v value) { c.PidFile = v.text }},
		{name: "logfile", kind: text, fixed: true, bind: func(c *Config, v value) { c.LogFile = v.text }},
		{
			name: "loglevel", kind: enum, def: "notice", words: []string{"debug", "verbose", "notice", "warning", "nothing"},
			bind: func(c *Config, v value) { c.LogLevel = v.text },
		},
		{name: "shutdown-timeout", kind: integer, def: "10", max: maxInt32, bind: func(c *Config, v value) { c.ShutdownTimeout = seconds(v) }},
		{name: "hz", kind: integer, def: "10", max: maxInt32, clampMin: 1, clampMax: 500, inert: "periodic jobs adapt by themselves", bind: func(c *Config, v value) { c.HZ = int(v.n) }},
		{name: "requirepass", kind: text, secret: true, bind: func(c *Config, v value) { c.RequirePass = v.text }},
		{name: "rename-command", kind: lineOf(2), fixed: true, hidden: true, bind: bindRenames},
		{name: "user", kind: lineOf(0), fixed: true, hidden: true, secret: true, check: checkUsers, inert: "there are no ACL users: requirepass guards the default user"},
		{name: "loadmodule", kind: lineOf(0), fixed: true, hidden: true, check: refuse("modules cannot be loaded")},
		{name: "aclfile", kind: text, fixed: true, check: refuseUnless("", "ACL users are not supported; use requirepass"), warn: silent},
		{
			name: "enable-debug-command", kind: enum, def: "local", words: []string{"no", "yes", "local"}, fixed: true,
			bind: func(c *Config, v value) { c.EnableDebugCommand = v.text },
		},
		{name: "enable-protected-configs", kind: enum, def: "no", words: []string{"no", "yes", "local"}, fixed: true},
		{name: "enable-module-command", kind: enum, def: "no", words: []string{"no", "yes", "local"}, fixed: true, inert: "modules cannot be loaded"},
		{name: "slowlog-log-slower-than", kind: integer, def: "10000", min: -1, max: maxInt64, inert: whyNotYet, bind: func(c *Config, v value) {
			c.SlowlogLogSlowerThan = time.Duration(min(v.n, int64(math.MaxInt64/time.Microsecond))) * time.Microsecond
		}},
		{name: "slowlog-max-len", kind: integer, def: "128", max: maxInt64, inert: whyNotYet, bind: func(c *Config, v value) { c.SlowlogMaxLen = int(v.n) }},
		{name: "latency-tracking", kind: boolean, def: "yes", inert: whyNotYet, bind: func(c *Config, v value) { c.LatencyTracking = v.n != 0 }},
		{name: "latency-tracking-info-percentiles", kind: percentiles, def: "50 99 99.9", inert: whyNotYet, bind: bindPercentiles},
		{name: "latency-monitor-threshold", kind: integer, def: "0", max: maxInt64, inert: whyNotYet, bind: func(c *Config, v value) {
			c.LatencyMonitorThreshold = time.Duration(min(v.n, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
		}},
		{name: "acllog-max-len", kind: integer, def: "128", max: maxInt64, inert: "there are no ACL users", bind: func(c *Config, v value) { c.ACLLogMaxLen = int(v.n) }},
	}
}

func dataRows() []*directive {
	return []*directive{
		{name: "dir", kind: directory, def: defaultDir, protected: true, check: checkDir, bind: func(c *Config, v value) { c.Dir = v.text }},
		{name: "databases", kind: integer, def: "16", min: 1, max: maxInt32, fixed: true, bind: func(c *Config, v value) { c.Databases = int(v.n) }},
		{
			name: "dbfilename", kind: text, def: "dump.rdb", protected: true, check: checkDBFilename,
			bind: func(c *Config, v value) { c.DBFilename = v.text },
		},
		{
			name: "appendonly", kind: boolean, def: "yes",
			warn: only("no", "every write is logged here, always; appendfsync says how safely"),
			bind: func(c *Config, v value) { c.AppendOnly = v.n != 0 },
		},
		{
			name: "appendfilename", kind: text, def: "appendonly.aof", fixed: true, check: checkBareName("appendfilename can't be a path, just a filename"),
			inert: "there is no append-only file: the log lies in dir/wal, and each server needs a dir of its own",
			bind:  func(c *Config, v value) { c.AppendFilename = v.text },
		},
		{
			name: "appenddirname", kind: text, def: "appendonlydir", fixed: true, check: checkBareName("appenddirname can't be a path, just a dirname"),
			inert: "there is no append-only file: the log lies in dir/wal",
		},
		{
			name: "appendfsync", kind: enum, def: "everysec", words: []string{"everysec", "always", "no"},
			bind: func(c *Config, v value) { c.AppendFsync = v.text },
		},
		{name: "notify-keyspace-events", kind: notify, warn: unless("", "keyspace events need pub/sub, which is not supported yet"), bind: func(c *Config, v value) { c.NotifyKeyspace = v.text }},
		{name: "active-expire-effort", kind: integer, def: "1", min: 1, max: 10, inert: "keys are found by their time in an index, not by sampling", bind: func(c *Config, v value) { c.ActiveExpireEffort = int(v.n) }},
		// Own: sizes for a machine with 1 GB of memory. Up to four memtables may exist.
		{name: "block-cache-size", kind: memory, def: "64mb", min: 1 << 20, max: maxInt64, fixed: true, bind: func(c *Config, v value) { c.BlockCacheSize = v.n }},
		{name: "row-cache-size", kind: memory, def: "256mb", max: maxInt64, fixed: true, bind: func(c *Config, v value) { c.RowCacheSize = v.n }},
		{name: "row-ghosts-size", kind: memory, def: "64mb", max: 64 << 30, fixed: true, bind: func(c *Config, v value) { c.RowGhostsSize = v.n }},
		{name: "row-filter-size", kind: memory, def: "16mb", max: 4 << 30, fixed: true, bind: func(c *Config, v value) { c.RowFilterSize = v.n }},
		{name: "memtable-size", kind: memory, def: "32mb", min: 256 << 10, max: 2 << 30, fixed: true, bind: func(c *Config, v value) { c.MemTableSize = v.n }},
		{name: "wal-segment-size", kind: memory, def: "64mb", min: minWALSegmentSize, max: maxWALSegmentSize, fixed: true, bind: func(c *Config, v value) { c.WALSegmentSize = v.n }},
	}
}

func replicationRows() []*directive {
	return []*directive{
		{name: "replicaof", aliases: []string{"slaveof"}, kind: address, fixed: true, bind: func(c *Config, v value) { c.ReplicaOf = v.addr }},
		{name: "masteruser", aliases: []string{"primaryuser"}, kind: text, bind: func(c *Config, v value) { c.MasterUser = v.text }},
		{name: "masterauth", aliases: []string{"primaryauth"}, kind: text, secret: true, bind: func(c *Config, v value) { c.MasterAuth = v.text }},
		{name: "replica-read-only", aliases: []string{"slave-read-only"}, kind: boolean, def: "yes", warn: only("no", "a replica never takes writes of clients: its log is its master's stream, byte by byte"), bind: func(c *Config, v value) { c.ReplicaReadOnly = v.n != 0 }},
		{
			name: "replica-serve-stale-data", aliases: []string{"slave-serve-stale-data"}, kind: boolean, def: "yes",
			bind: func(c *Config, v value) { c.ReplicaServeStaleData = v.n != 0 },
		},
		{
			name: "repl-ping-replica-period", aliases: []string{"repl-ping-slave-period"}, kind: integer, def: "10", min: 1, max: maxInt32,
			bind: func(c *Config, v value) { c.ReplPingReplicaPeriod = seconds(v) },
		},
		{name: "repl-timeout", kind: integer, def: "60", min: 1, max: maxInt32, bind: func(c *Config, v value) { c.ReplTimeout = seconds(v) }},
		{
			// Redis' name, our meaning: bytes of log kept on disk at least. Redis' default is 1mb of memory.
			name: "repl-backlog-size", kind: memory, def: "1gb", min: 1, max: maxInt64, clampMin: minReplBacklogSize, clampMax: maxInt64,
			bind: func(c *Config, v value) { c.ReplBacklogSize = v.n },
		},
		// Own.
		{name: "repl-backlog-retention", kind: duration, def: "7d", bind: func(c *Config, v value) { c.ReplBacklogRetention = v.d }},
		{name: "repl-backlog-max-size", kind: memory, def: defaultReplBacklogMax, max: maxInt64, bind: func(c *Config, v value) { c.ReplBacklogMaxSize = v.n }},
		{name: "repl-accept-empty-master", kind: boolean, def: "no", bind: func(c *Config, v value) { c.ReplAcceptEmptyMaster = v.n != 0 }},
		{name: "repl-snapshot-max-transfers", kind: integer, def: "2", min: 1, max: 1000, bind: func(c *Config, v value) { c.ReplSnapshotMaxTransfers = int(v.n) }},
		{name: "repl-snapshot-rate-limit", kind: memory, def: "0", max: maxInt64, bind: func(c *Config, v value) { c.ReplSnapshotRateLimit = v.n }},

		{name: "repl-diskless-sync-delay", kind: integer, def: "5", max: maxInt32, inert: "replicas share a checkpoint that exists already, none waits for others", bind: func(c *Config, v value) { c.ReplDisklessSyncDelay = seconds(v) }},
		{name: "repl-disable-tcp-nodelay", kind: boolean, def: "no", bind: func(c *Config, v value) { c.ReplDisableTCPNoDelay = v.n != 0 }},
		{
			name: "min-replicas-to-write", aliases: []string{"min-slaves-to-write"}, kind: integer, def: "0", max: maxInt32,
			bind: func(c *Config, v value) { c.MinReplicasToWrite = int(v.n) },
		},
		{
			name: "min-replicas-max-lag", aliases: []string{"min-slaves-max-lag"}, kind: integer, def: "10", max: maxInt32,
			bind: func(c *Config, v value) { c.MinReplicasMaxLag = seconds(v) },
		},
		{
			name: "replica-priority", aliases: []string{"slave-priority"}, kind: integer, def: "100", max: maxInt32,
			bind: func(c *Config, v value) { c.ReplicaPriority = int(v.n) },
		},
		{name: "replica-announced", kind: boolean, def: "yes", bind: func(c *Config, v value) { c.ReplicaAnnounced = v.n != 0 }},
		{name: "replica-announce-ip", aliases: []string{"slave-announce-ip"}, kind: text, bind: func(c *Config, v value) { c.ReplicaAnnounceIP = v.text }},
		{
			name: "replica-announce-port", aliases: []string{"slave-announce-port"}, kind: integer, def: "0", max: maxPort,
			bind: func(c *Config, v value) { c.ReplicaAnnouncePort = int(v.n) },
		},
	}
}

func clientRows() []*directive {
	return []*directive{
		{name: "proto-max-bulk-len", kind: memory, def: "512mb", min: 1 << 20, max: maxInt64, bind: func(c *Config, v value) { c.ProtoMaxBulkLen = v.n }},
		{name: "client-query-buffer-limit", kind: memory, def: "1gb", min: 1 << 20, max: maxInt64, bind: func(c *Config, v value) { c.ClientQueryBufferLimit = v.n }},
		{
			name: "client-output-buffer-limit", kind: outputLimits, def: "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
			bind: func(c *Config, v value) { c.ClientOutputBufferLimit = v.limits },
		},
	}
}

// encodingRows decide what OBJECT ENCODING answers.
func encodingRows() []*directive {
	return []*directive{
		{
			name: "hash-max-listpack-entries", aliases: []string{"hash-max-ziplist-entries"}, kind: integer, def: "512", max: maxInt64,
			bind: func(c *Config, v value) { c.HashMaxListpackEntries = v.n },
		},
		{
			name: "hash-max-listpack-value", aliases: []string{"hash-max-ziplist-value"}, kind: memory, def: "64", max: maxInt64,
			bind: func(c *Config, v value) { c.HashMaxListpackValue = v.n },
		},
		{
			name: "zset-max-listpack-entries", aliases: []string{"zset-max-ziplist-entries"}, kind: integer, def: "128", max: maxInt64,
			bind: func(c *Config, v value) { c.ZSetMaxListpackEntries = v.n },
		},
		{
			name: "zset-max-listpack-value", aliases: []string{"zset-max-ziplist-value"}, kind: memory, def: "64", max: maxInt64,
			bind: func(c *Config, v value) { c.ZSetMaxListpackValue = v.n },
		},
		{name: "hll-sparse-max-bytes", kind: memory, def: "3000", max: maxInt64, bind: func(c *Config, v value) { c.HLLSparseMaxBytes = v.n }},
		{name: "set-max-intset-entries", kind: integer, def: "512", max: maxInt64, bind: func(c *Config, v value) { c.SetMaxIntsetEntries = v.n }},
	}
}

// Defaults that code outside the table refers to.
const (
	defaultDir            = "./replogd-data"
	defaultReplBacklogMax = "8gb"
)

// only warns for one value.
func only(val, why string) func(value) string {
	return func(v value) string {
		if v.text == val {
			return why
		}
		return ""
	}
}

// unless warns for every value but one.
func unless(val, why string) func(value) string {
	return func(v value) string {
		if v.text != val {
			return why
		}
		return ""
	}
}

func silent(value) string { return "" }

// refuse rejects every value: to ignore the directive would leave a server less safe than the user believes.
func refuse(why string) func(value) error {
	return func(value) error { return errors.New(why) }
}

func refuseUnless(val, why string) func(value) error {
	return func(v value) error {
		if v.text != val {
			return errors.New(why)
		}
		return nil
	}
}

func checkBareName(problem string) func(value) error {
	return func(v value) error {
		if strings.ContainsAny(v.text, `/\`) {
			return errors.New(problem)
		}
		return nil
	}
}

// ownNames are what a data directory holds: an RDB file must not take the place of one.
var ownNames = []string{"meta.db", "wal", "data", "drain", "checkpoints", "incoming", "LOCK"}

func checkDBFilename(v value) error {
	if err := checkBareName("dbfilename can't be a path, just a filename")(v); err != nil {
		return err
	}
	if v.text == "" || strings.HasPrefix(v.text, ".") {
		return errors.New("dbfilename must be the name of a visible file")
	}
	for _, name := range ownNames {
		if strings.EqualFold(v.text, name) {
			return fmt.Errorf("dbfilename can't be %q: the data directory has one of its own", name)
		}
	}
	return nil
}

// checkUsers lets the line pass that Redis' own CONFIG REWRITE adds to every file, and refuses any that restricts:
// ignoring it would open the server to whom it was closed.
func checkUsers(v value) error {
	for _, line := range v.words {
		words := strings.Fields(line)
		if words[0] != "default" || !slices.Contains(words, "on") || !slices.Contains(words, "+@all") || !slices.Contains(words, "~*") {
			return errors.New("ACL users are not supported; use requirepass and remove this line")
		}
	}
	return nil
}

func bindRenames(c *Config, v value) {
	c.RenameCommands = nil
	for _, line := range v.words {
		words, err := splitArgs(line)
		if err != nil || len(words) != 2 {
			panic("BUG: rename-command " + line)
		}
		c.RenameCommands = append(c.RenameCommands, Rename{From: words[0], To: words[1]})
	}
}

func bindPercentiles(c *Config, v value) {
	c.LatencyPercentiles = make([]float64, len(v.words))
	for i, w := range v.words {
		if _, err := fmt.Sscan(w, &c.LatencyPercentiles[i]); err != nil {
			panic("BUG: percentile " + w)
		}
	}
}

// directory is dir: made absolute, so that nothing depends on the working directory later.
var directory = &kind{
	parse: func(_ *directive, args []string, _ value) (value, error) {
		if args[0] == "" {
			return value{}, errors.New("dir can't be empty")
		}
		abs, err := filepath.Abs(args[0])
		return value{text: abs}, err
	},
	lines: asQuoted,
}

// checkDir accepts a directory, or a name at which one can be made.
func checkDir(v value) error {
	info, err := os.Stat(v.text)
	switch {
	case err == nil && !info.IsDir():
		return errors.New("not a directory")
	case errors.Is(err, fs.ErrNotExist):
		if parent, perr := os.Stat(filepath.Dir(v.text)); perr != nil || !parent.IsDir() {
			return errors.New("No such file or directory; make its parent first: mkdir -p " + filepath.Dir(v.text))
		}
	case err != nil:
		return err
	}
	return nil
}

var (
	directives = numbered(table())
	byName     = indexNames(directives)
	byEnv      = indexEnv(byName)
	allNames   = sortedNames(byName)
)

func numbered(ds []*directive) []*directive {
	for i, d := range ds {
		d.index = i
	}
	return ds
}

func indexNames(ds []*directive) map[string]*directive {
	m := make(map[string]*directive, 2*len(ds))
	for _, d := range ds {
		for _, name := range append([]string{d.name}, d.aliases...) {
			if m[name] != nil {
				panic("BUG: directive listed twice: " + name)
			}
			m[name] = d
		}
	}
	return m
}

func sortedNames(m map[string]*directive) []string {
	names := make([]string, 0, len(m)+1)
	for name := range m {
		names = append(names, name)
	}
	names = append(names, includeDirective)
	slices.Sort(names)
	return names
}

func lookup(name string) *directive { return byName[strings.ToLower(name)] }
