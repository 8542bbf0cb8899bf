package replica

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/engine"
)

// Settings are the runtime-changeable directives replication reads afresh each time it needs one.
type Settings struct {
	MasterUser, MasterAuth string // masteruser, masterauth; no AUTH is sent without a MasterAuth

	PingPeriod time.Duration // repl-ping-replica-period; 0 means 10 s
	Timeout    time.Duration // repl-timeout, the deadline of every read and write of a link; 0 means 60 s

	MinReplicasToWrite int           // min-replicas-to-write; 0 = no rule
	MinReplicasMaxLag  time.Duration // min-replicas-max-lag; 0 = no rule

	DisableTCPNoDelay bool   // repl-disable-tcp-nodelay
	AnnounceIP        string // replica-announce-ip, "" = not sent
	AnnouncePort      int    // replica-announce-port, 0 = ListenPort()

	SnapshotMaxTransfers int   // repl-snapshot-max-transfers: checkpoints being sent at the same time; 0 means 2
	SnapshotRateLimit    int64 // repl-snapshot-rate-limit: bytes per second over all transfers, 0 = none

	// DisklessSyncDelay (repl-diskless-sync-delay) is for replicas to share one fork of a stock Redis. A checkpoint is shared by
	// whoever comes while it is young, without anybody waiting, so the native transfer does not use it.
	DisklessSyncDelay time.Duration

	TCPKeepAlive time.Duration // tcp-keepalive of the link to the master; 0 = the system's
	BindSource   string        // bind-source-addr: local address of the link to the master, "" = any
}

// Options are what a Node is made of. All but Logger are required.
type Options struct {
	Backlog    *backlog.Backlog
	Engine     *engine.Engine
	FS         vfs.FS
	Dir        string // server directory; snapshots are received in Dir/incoming/<id>
	Settings   func() Settings
	ListenPort func() int
	Logger     *slog.Logger // nil discards

	// HoldWrites has clients' writes wait until resume is called, and returns when those that had begun are done, or ctx ends. nil: there are
	// no clients.
	HoldWrites func(ctx context.Context) (resume func())
	// RoleChanged is told of a role that FAILOVER has given to this node: a master's address, or "" when it is one. nil: nobody cares.
	RoleChanged func(host string, port int)
}

func (o *Options) ensureDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HoldWrites == nil {
		o.HoldWrites = func(context.Context) func() { return func() {} }
	}
	if o.RoleChanged == nil {
		o.RoleChanged = func(string, int) {}
	}
	if o.Settings == nil {
		o.Settings = func() Settings { return Settings{} }
	}
	if o.ListenPort == nil {
		o.ListenPort = func() int { return 0 }
	}
}

func (o *Options) validate() error {
	switch {
	case o.Backlog == nil:
		return errors.New("replica: Options.Backlog is required")
	case o.Engine == nil:
		return errors.New("replica: Options.Engine is required")
	case o.FS == nil:
		return errors.New("replica: Options.FS is required")
	case o.Dir == "":
		return errors.New("replica: Options.Dir is required")
	}
	return nil
}

// Limits that are not directives. Each bounds one queue, buffer, length, retry or wait.
const (
	defaultTimeout      = 60 * time.Second
	defaultPingPeriod   = 10 * time.Second
	defaultMaxTransfers = 2

	feedBufferBytes = 128 << 10 // memory of one online replica
	maxReplicaLine  = 4 << 10   // REPLCONF ACK, FETCH, PSYNC from a replica
	maxMasterReply  = 8 << 10   // a handshake reply other than the lineage
	maxPeerWord     = 255       // ip-address, version

	linkBufferBytes     = 16 << 10  // replies and frame headers; longer reads go past it
	linkReadBytes       = 256 << 10 // one read of the stream
	maxUnsettledFiles   = 8         // received files that wait for their fsync
	settleWorkers       = 4         // received files that are fsynced at a time
	spoolBuffers        = 4         // buffers of maxChunkBytes for received chunks
	maxRecordBytes      = 256 << 10 // data units of the stream that go into one log record together
	maxUnitBytes        = 1 << 30   // one MULTI..EXEC: Redis' own bound of a client's query buffer
	maxUnwrittenBytes   = 8 << 20   // bytes received but not yet written to the log
	maxLineagePath      = 16        // node ids in the path of a chain
	getAckWait          = time.Second
	ackPeriod           = time.Second
	progressLogPeriod   = 2 * time.Second
	keepAlivePeriod     = time.Second // newlines while the other side prepares something
	aheadGrace          = 60 * time.Second
	rdbRetryDelay       = 30 * time.Second // between tries with a master whose RDB cannot be loaded: each one costs it a fork
	brokenRetryDelay    = 30 * time.Second // between looks at an applier that has stopped
	diskFullRetryDelay  = 200 * time.Millisecond
	replicaNotePeriod   = time.Second
	incomingDir         = "incoming"
	boundaryWait        = 2 * time.Second
	minConnectTimeout   = 100 * time.Millisecond
	maxConnectTimeout   = 10 * time.Second
	stableStream        = time.Second // a stream that lasted longer resets the back-off
	pushedSignalBacklog = 1
	shareStreamPart     = 8 // see snapshotShareStream
)

// tuning holds what tests shorten.
type tuning struct {
	tick             time.Duration // of the housekeeping goroutine
	snapshotShareAge time.Duration // a replica gets an existing checkpoint when it is not older
	// snapshotShareStream, and an eighth of the checkpoint's bytes, is how much of the stream may be behind it. Making one costs about as much as
	// applying that.
	snapshotShareStream uint64

	snapshotLinger time.Duration // a checkpoint outlives its last user by that much, so that a broken transfer can be resumed
	snapshotMaxAge time.Duration // and is gone with its last user once it is older than this
	chunkBytes     int           // payload of one chunk frame
	handover       time.Duration // a FAILOVER's target may be out of reach for so long before this node takes its role back, unless it was asked
	backoffFirst   time.Duration
	backoffCap     time.Duration
}

func defaultTuning() tuning {
	return tuning{
		tick:                100 * time.Millisecond,
		snapshotShareAge:    time.Minute,
		snapshotShareStream: 16 << 20,

		snapshotLinger: time.Minute,
		snapshotMaxAge: 6 * time.Hour,
		chunkBytes:     maxChunkBytes,
		handover:       10 * time.Second,
		backoffFirst:   100 * time.Millisecond,
		backoffCap:     2 * time.Second,
	}
}

// settings returns the directives with their defaults filled in.
func (n *Node) settings() Settings {
	s := n.o.Settings()
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.PingPeriod <= 0 {
		s.PingPeriod = defaultPingPeriod
	}
	if s.SnapshotMaxTransfers <= 0 {
		s.SnapshotMaxTransfers = defaultMaxTransfers
	}
	return s
}

func (n *Node) timeout() time.Duration { return n.settings().Timeout }
