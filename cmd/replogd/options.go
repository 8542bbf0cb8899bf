package main

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/config"
	"replogd/engine"
	"replogd/replica"
	"replogd/server"
	"replogd/wal"
)

// The words of appendfsync.
const (
	policyAlways = "always"
	policyNo     = "no"
)

func syncPolicy(appendfsync string) wal.SyncPolicy {
	switch appendfsync {
	case policyAlways:
		return wal.SyncAlways
	case policyNo:
		return wal.SyncNo
	}
	return wal.SyncEverySecond
}

// backlogOptions reads what can change at run time afresh each time it is asked for.
func backlogOptions(cfg *config.Manager, log *slog.Logger) backlog.Options {
	c := cfg.Current()
	return backlog.Options{
		FS: vfs.Default, Dir: c.Dir, SegmentSize: c.WALSegmentSize, Logger: log,
		Policy:   func() wal.SyncPolicy { return syncPolicy(cfg.Current().AppendFsync) },
		MinBytes: func() int64 { return cfg.Current().ReplBacklogSize },
		MaxAge:   func() time.Duration { return cfg.Current().ReplBacklogRetention },
		MaxBytes: func() int64 { return cfg.Current().ReplBacklogMaxSize },
	}
}

func limits(c *config.Config) engine.Limits {
	return engine.Limits{
		HashEntries: c.HashMaxListpackEntries, HashValue: c.HashMaxListpackValue, SetIntset: c.SetMaxIntsetEntries,
		ZSetEntries: c.ZSetMaxListpackEntries, ZSetValue: c.ZSetMaxListpackValue,
		HLLSparseBytes: c.HLLSparseMaxBytes,
	}
}

func engineOptions(cfg *config.Manager, b *backlog.Backlog, writeRefusal func() string, front *server.Server, log *slog.Logger) engine.Options {
	c := cfg.Current()
	orNone := func(n int64) int64 {
		if n == 0 {
			return -1 // 0 means the default there
		}
		return n
	}
	return engine.Options{
		FS: vfs.Default, Dir: c.Dir, Backlog: b, Databases: c.Databases,
		BlockCacheBytes: c.BlockCacheSize, RowCacheBytes: orNone(c.RowCacheSize), RowGhostBytes: orNone(c.RowGhostsSize), RowFilterBytes: orNone(c.RowFilterSize),
		MemTableBytes: c.MemTableSize, PageCacheBytes: int64(min(server.SystemMemory(), memoryLimit()) / pageCacheShare), //nolint:gosec // far from 2^63
		WriteGuard: writeRefusal, HoldExpiry: front.WritesHeld, Published: front.Deliver, Recovering: front.Recovering, Logger: log,
		AcceptEmpty: func() bool { return cfg.Current().ReplAcceptEmptyMaster },
		Limits:      func() engine.Limits { return limits(cfg.Current()) },
	}
}

func replicaSettings(c *config.Config) replica.Settings {
	return replica.Settings{
		MasterUser: c.MasterUser, MasterAuth: c.MasterAuth,
		PingPeriod: c.ReplPingReplicaPeriod, Timeout: c.ReplTimeout,
		MinReplicasToWrite: c.MinReplicasToWrite, MinReplicasMaxLag: c.MinReplicasMaxLag,
		DisableTCPNoDelay: c.ReplDisableTCPNoDelay, AnnounceIP: c.ReplicaAnnounceIP, AnnouncePort: c.ReplicaAnnouncePort,
		SnapshotMaxTransfers: c.ReplSnapshotMaxTransfers, SnapshotRateLimit: c.ReplSnapshotRateLimit,
		DisklessSyncDelay: c.ReplDisklessSyncDelay, TCPKeepAlive: c.TCPKeepAlive, BindSource: c.BindSourceAddr,
	}
}
