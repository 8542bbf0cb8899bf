package config

import (
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// Config is one consistent set of settings. It is immutable once published: CONFIG SET publishes a new one, so a
// reader that needs several fields to agree calls [Manager.Current] once and keeps the pointer for that long.
//
// Every field is named after its directive. Sizes are bytes, periods are time.Duration.
type Config struct {
	// Network.
	Bind           []string      // addresses to listen on; "*" all IPv4, "-::*" all IPv6 if the machine has it ("-" = optional)
	BindSourceAddr string        // source address of outgoing connections (replica links); "" = the system's choice
	Port           int           // 0 = no TCP listener
	UnixSocket     string        // "" = none; relative to Dir
	UnixSocketPerm uint32        // file mode of the socket; 0 = leave it to umask
	ProtectedMode  bool          // refuse strangers while there is no password
	TCPBacklog     int           // length of the accept queue
	TCPKeepAlive   time.Duration // 0 = off
	Timeout        time.Duration // idle clients are closed after this; 0 = never
	MaxClients     int

	// Process.
	Daemonize       bool
	Supervised      string // "no", "upstart", "systemd", "auto"
	PidFile         string // "" = none; relative to Dir
	LogFile         string // "" or "stdout" = standard output; relative to Dir
	LogLevel        string // "debug", "verbose", "notice", "warning", "nothing"
	ShutdownTimeout time.Duration
	HZ              int // 1..500: how often periodic jobs run, per second

	// Access.
	RequirePass        string
	RenameCommands     []Rename
	EnableDebugCommand string // "no", "yes", "local" (default: DEBUG from loopback and the Unix socket only)

	// Data.
	Dir                string // the data directory, absolute
	DirGiven           bool   // false: Dir is the default
	DBFilename         string // what BGSAVE and SAVE write, in Dir
	AppendOnly         bool   // what the user asked for; the log is always written
	AppendFilename     string
	AppendFsync        string // "always", "everysec", "no"
	Databases          int
	BlockCacheSize     int64
	RowCacheSize       int64 // 0 = none
	RowGhostsSize      int64 // 0 = none
	RowFilterSize      int64 // 0 = none
	MemTableSize       int64
	NotifyKeyspace     string // notify-keyspace-events, normalised
	ActiveExpireEffort int    // 1..10

	// Log and backlog.
	ReplBacklogSize      int64         // log bytes kept at least
	ReplBacklogRetention time.Duration // log younger than this is kept too; 0 = no age hold
	ReplBacklogMaxSize   int64         // hard cap: beyond it neither age nor pins hold log; 0 = none
	WALSegmentSize       int64

	// Replication.
	ReplicaOf                *Addr // nil = master
	MasterUser, MasterAuth   string
	ReplicaReadOnly          bool
	ReplicaServeStaleData    bool
	ReplPingReplicaPeriod    time.Duration
	ReplTimeout              time.Duration
	ReplSnapshotMaxTransfers int
	ReplAcceptEmptyMaster    bool  // a replica with data follows a master that has none and that it does not know
	ReplSnapshotRateLimit    int64 // bytes per second; 0 = unlimited
	ReplDisklessSyncDelay    time.Duration
	ReplDisableTCPNoDelay    bool
	MinReplicasToWrite       int           // 0 = off
	MinReplicasMaxLag        time.Duration // 0 = off
	ReplicaPriority          int
	ReplicaAnnounced         bool
	ReplicaAnnounceIP        string
	ReplicaAnnouncePort      int // 0 = Port

	// Client limits.
	ProtoMaxBulkLen         int64
	ClientQueryBufferLimit  int64
	ClientOutputBufferLimit OutputLimits

	// From where on OBJECT ENCODING no longer answers the compact encoding: elements, and bytes of an element.
	HashMaxListpackEntries, HashMaxListpackValue int64
	ZSetMaxListpackEntries, ZSetMaxListpackValue int64
	SetMaxIntsetEntries                          int64
	HLLSparseMaxBytes                            int64 // from where on a HyperLogLog has room for every register

	// Observability.
	SlowlogLogSlowerThan    time.Duration // negative = off, 0 = every command
	SlowlogMaxLen           int
	LatencyTracking         bool
	LatencyPercentiles      []float64 // latency-tracking-info-percentiles
	LatencyMonitorThreshold time.Duration
	ACLLogMaxLen            int
}

// Addr names a host and a TCP port.
type Addr struct {
	Host string // a name or an address, without brackets
	Port int
}

// String is "host:port", with brackets where IPv6 needs them.
func (a Addr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// Rename is one rename-command directive; To == "" disables the command.
type Rename struct{ From, To string }

// OutputLimit bounds the replies queued for one client: it is closed beyond Hard bytes at once, and beyond Soft bytes
// after SoftFor. Zero means no limit.
type OutputLimit struct {
	Hard, Soft int64
	SoftFor    time.Duration
}

// OutputLimits are the limits of client-output-buffer-limit by client class. Replica has no effect: a replica reads
// the log, nothing is queued for it.
type OutputLimits struct{ Normal, Replica, PubSub OutputLimit }

// Path resolves the name of a file in the configuration (pidfile, logfile, unixsocket): relative names lie in Dir, as
// in Redis, which changes its working directory to dir. The empty name stays empty.
func (c *Config) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.Dir, name)
}
