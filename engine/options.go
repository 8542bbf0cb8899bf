package engine

import (
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
)

// Options says where the keyspace lives and what it may use. Zero sizes mean the defaults, which fit a machine of 1 GB.
type Options struct {
	FS      vfs.FS           // all file access; nil: the operating system's
	Dir     string           // server directory: data/<generation>, checkpoints/<id> and incoming/<id> lie below it
	Backlog *backlog.Backlog // the log of this keyspace; the engine never closes it

	Databases       int   // number of databases, 1 to 65536; default 16. A keyspace that has more keeps them
	BlockCacheBytes int64 // cache of table blocks; default 64 MiB
	RowCacheBytes   int64 // cache of rows of keys and fields in front of the store; default 256 MiB, at least 32, negative: none
	RowGhostBytes   int64 // memory of rows that the row cache has given up; default 64 MiB, good for four million; negative: none
	RowFilterBytes  int64 // filter that knows which rows there are not; default 16 MiB, good for 16 million rows; negative: none, and nothing warms the row cache after Open
	PageCacheBytes  int64 // size up to which the store's files are expected to stay in the system's memory, see TryExec; default BlockCacheBytes / 2
	MemTableBytes   int64 // size of one memtable, of which up to four exist (maxFrozen); default 32 MiB

	// WriteGuard returns the error that refuses a client's writes just now (NOREPLICAS ...), or "". It is called with the
	// sequencer held and must neither block nor call the engine. nil: no guard.
	WriteGuard func() string

	// HoldExpiry reports that the node must not remove expired keys of its own accord just now (CLIENT PAUSE). They stay hidden.
	// nil: never.
	HoldExpiry func() bool

	// Recovering is told how far Open has got with the log: offsets done and to do. It must not block. nil: nobody asks.
	Recovering func(done, total uint64)

	// Published gets the messages that the followed stream publishes (PUBLISH, SPUBLISH), in order, once what came before them shows. It is
	// called by the applier without locks; the slices are the callee's. nil: nobody listens.
	Published func(shard bool, channel, message []byte)

	// AcceptEmpty says whether Adopt may replace keys by an empty keyspace of a stranger: ErrEmptyMaster. nil: always.
	AcceptEmpty func() bool

	// Limits is read afresh for every command that needs it. nil: DefaultLimits.
	Limits func() Limits

	Logger *slog.Logger // nil: nothing is logged

	// Fatal is called when the store can no longer run (its files cannot be written); it must not return. Default: log, exit 1.
	Fatal func(error)
}

// Limits of the engine. Every queue and buffer in the package is bounded by one of them.
const (
	maxDatabases = 1 << 16

	// maxRunCommands and maxRunBytes bound what one client executes while it holds the sequencer.
	maxRunCommands = 128
	maxRunBytes    = 256 << 10

	// maxApplyRows and maxApplyBytes bound one batch of the applier.
	maxApplyRows  = 1024
	maxApplyBytes = 1 << 20

	// maxUnitBytes bounds one unit of the stream: a value of 512 MiB and what surrounds it.
	maxUnitBytes = 1 << 30

	// maxValueArena is where a command that reads many rows begins another arena for their values.
	maxValueArena = 64 << 10

	// keptValueArena is how much of it an idle client keeps.
	keptValueArena = 16 << 10

	// l0CompactAt is the number of sublevels of level 0 from which it is compacted into the next. With half as many a random overwrite (SET -P16,
	// a million keys) costs a sixth more CPU; with twelve it costs no less. Reads past the caches look through some more files, by their
	// Bloom filters: a few per cent of their CPU.
	l0CompactAt = 8

	memTableStopWrites = 4 // Pebble stops writers at this many memtables of its own, which only the reclaimer writes to
	storeMemTableBytes = 4 << 20
	l0StopWrites       = 1000 // likewise for sublevels of level 0
	maxManifestBytes   = 10 << 20
	maxOpenTables      = 1000
)

func (o *Options) ensureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Databases <= 0 {
		o.Databases = 16
	}
	if o.BlockCacheBytes <= 0 {
		o.BlockCacheBytes = 64 << 20
	}
	if o.PageCacheBytes <= 0 {
		o.PageCacheBytes = o.BlockCacheBytes / 2
	}
	if o.RowFilterBytes == 0 {
		o.RowFilterBytes = 16 << 20
	}
	if o.RowGhostBytes == 0 {
		o.RowGhostBytes = 64 << 20
	}
	if o.RowCacheBytes == 0 {
		o.RowCacheBytes = 256 << 20
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = 32 << 20
	}
	if o.WriteGuard == nil {
		o.WriteGuard = func() string { return "" }
	}
	if o.Recovering == nil {
		o.Recovering = func(uint64, uint64) {}
	}
	if o.HoldExpiry == nil {
		o.HoldExpiry = func() bool { return false }
	}
	if o.Limits == nil {
		limits := DefaultLimits()
		o.Limits = func() Limits { return limits }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		logger := o.Logger
		o.Fatal = func(err error) {
			logger.Error("FATAL: the keyspace cannot go on; the log is whole, restart the server once the cause is removed", "err", err)
			os.Exit(1)
		}
	}
}
