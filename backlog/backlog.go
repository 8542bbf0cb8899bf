package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	bolt "go.etcd.io/bbolt"

	"replogd/wal"
)

// Defaults of Options.
const (
	DefaultSegmentSize = 64 << 20
	DefaultMinBytes    = 1 << 30
	DefaultMaxAge      = 7 * 24 * time.Hour
	DefaultTailBytes   = 4 << 20
)

// walDir is the directory of the segments below Options.Dir, dataDir that of the keyspace's generations.
const (
	walDir   = "wal"
	dataDir  = "data"
	metaName = "meta.db"
)

// Options of Open. The funcs are asked afresh each time, so that settings can change at run time; they must be safe for
// concurrent use and must not block.
type Options struct {
	// FS holds the log segments; nil is the operating system's. meta.db is always a real file.
	FS vfs.FS
	// Dir is the server's directory on FS; segments are in Dir/wal.
	Dir string
	// MetaPath is the real path of meta.db; "" is Dir/meta.db. The file LOCK beside it keeps a second process out.
	MetaPath string
	// SegmentSize in bytes; 0 is DefaultSegmentSize.
	SegmentSize int64
	// Policy is appendfsync; nil is wal.SyncEverySecond. Before it turns from always to another policy call SetUnsafeShipping.
	Policy func() wal.SyncPolicy
	// MinBytes is how much log is always kept (repl-backlog-size), whatever its age; nil is DefaultMinBytes.
	MinBytes func() int64
	// MaxAge is how long pins apart the log is kept beyond MinBytes (repl-backlog-retention), and how long a named replica that
	// is away still holds its part; nil is DefaultMaxAge, 0 means that age holds nothing.
	MaxAge func() time.Duration
	// MaxBytes is the size in file bytes beyond which pins and age hold the log no longer (repl-backlog-max-size); nil or 0
	// is no limit. What the keyspace needs for recovery, and MinBytes, are kept even so.
	MaxBytes func() int64
	// TailBytes is the size of the shared in-memory tail; 0 is DefaultTailBytes.
	TailBytes int
	// Logger may be nil.
	Logger *slog.Logger
	// ReadOnly is for tools: no lock is taken, nothing is written, cut or created, and everything that changes something
	// returns ErrReadOnly. A running server's directory is refused (*LockedError).
	ReadOnly bool

	nowForTesting         func() time.Time
	keeperEveryForTesting time.Duration // negative: no keeper
}

func (o *Options) ensureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MetaPath == "" {
		o.MetaPath = o.FS.PathJoin(o.Dir, metaName)
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Policy == nil {
		o.Policy = func() wal.SyncPolicy { return wal.SyncEverySecond }
	}
	if o.MinBytes == nil {
		o.MinBytes = func() int64 { return DefaultMinBytes }
	}
	if o.MaxAge == nil {
		o.MaxAge = func() time.Duration { return DefaultMaxAge }
	}
	if o.MaxBytes == nil {
		o.MaxBytes = func() int64 { return 0 }
	}
	if o.TailBytes <= 0 {
		o.TailBytes = DefaultTailBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.nowForTesting == nil {
		o.nowForTesting = time.Now
	}
	if o.keeperEveryForTesting == 0 {
		o.keeperEveryForTesting = keeperEvery
	}
}

// Backlog is the log with its identity and reach. All methods are safe for concurrent use, except that Append, StartHistory,
// AdoptHistories and BeginGeneration must not overlap one another: they belong to the one that orders the stream.
type Backlog struct {
	o       Options
	logger  *slog.Logger
	log     *wal.Log
	meta    *metaStore
	lock    *dirLock // nil when read-only
	node    string
	prev    runRecord // what the last run left
	unclean bool
	keeper  keeper

	// Asked for every command, so kept lock-free. lineage is replaced whole and never changed in place.
	lineage    atomic.Pointer[lineage]
	generation atomic.Uint64
	lostTail   atomic.Bool
	unsafe     atomic.Bool // the run record says that bytes may be shipped before they are fsynced
	applied    atomic.Pointer[appliedMark]
	lastEpoch  atomic.Uint32 // highest epoch that tags records of the log
	metaErr    atomic.Pointer[MetaError]
	switchErr  atomic.Pointer[error] // sticky: BeginGeneration failed half-way

	appender appender
	tail     tail
	pins     pins
	replicas replicaNotes

	// changes serialises the rare durable changes. It is held across bbolt's commit (an fsync) on purpose: no two changes of
	// identity may interleave. Nothing that a command, a cursor or an Append does takes it.
	changes struct {
		sync.Mutex
		run    runRecord
		closed bool
	}
}

// appender is owned by whoever calls Append; see there.
type appender struct {
	lineage  *lineage // for which epoch and boundary hold
	epoch    uint32   // last given to wal.SetEpoch; 0: none yet
	boundary uint64   // where the active history ends
	unkicked int64    // bytes since retention was last kicked
}

// NodeID names this node as a replica: 40 hexadecimal digits, made once and kept for ever.
func (b *Backlog) NodeID() string { return b.node }

// Generation is the current dataset generation: the keyspace is in data/<generation>.
func (b *Backlog) Generation() uint64 { return b.generation.Load() }

// Histories is the lineage, oldest first, never empty. The last entries may begin past End: an upstream announced them and
// we have not got there yet. The caller owns the copy.
func (b *Backlog) Histories() []History {
	return append([]History(nil), b.lineage.Load().hs...)
}

// Current is the last history: what INFO calls master_replid. Lock-free.
func (b *Backlog) Current() History { return b.lineage.Load().current() }

// Position is where this node stands: the end of its log on the history that the bytes there belong to. It is what a
// follower sends with PSYNC. It differs from Current's id while announced histories lie ahead. Lock-free; exact while nobody
// appends.
func (b *Backlog) Position() Pos {
	end, l := b.End(), b.lineage.Load()
	return Pos{ID: l.hs[l.active(end)].ID, Offset: end}
}

// Append adds a record at the end of the log (memory only) and returns the offset after it. It never blocks on I/O; callers
// serialise. The payload is copied. kind is wal.KindNoop for bytes that change no key (PING, GETACK).
//
// Bytes before an announced history's start belong to the one before it: a payload across that boundary becomes two records.
// Should the second fail, the first stays; end always says how far the log goes.
func (b *Backlog) Append(kind wal.Kind, payload []byte) (end uint64, err error) {
	a := &b.appender
	end = b.log.End()
	if e := b.switchErr.Load(); e != nil {
		return end, *e
	}
	l := b.lineage.Load()
	if l != a.lineage || end >= a.boundary {
		b.enterHistory(l, end)
	}
	ms := b.o.nowForTesting().UnixMilli()
	for uint64(len(payload)) > a.boundary-end {
		n := a.boundary - end
		if end, err = b.appendRecord(kind, ms, payload[:n], end); err != nil {
			return end, err
		}
		payload = payload[n:]
		b.enterHistory(l, end)
	}
	return b.appendRecord(kind, ms, payload, end)
}

func (b *Backlog) appendRecord(kind wal.Kind, ms int64, payload []byte, at uint64) (uint64, error) {
	// The tail first: once wal.Append returns, another goroutine may have made the bytes safe, and cursors want them.
	b.tail.append(at, payload)
	end, err := b.log.Append(kind, ms, payload)
	if err != nil {
		b.tail.truncate(at)
		return at, err
	}
	a := &b.appender
	if a.unkicked += int64(len(payload)); a.unkicked >= b.o.SegmentSize {
		a.unkicked = 0
		b.keeper.kick()
	}
	return end, nil
}

// enterHistory tags the records from end on with the history they belong to. Owned by the appender.
func (b *Backlog) enterHistory(l *lineage, end uint64) {
	a := &b.appender
	i := l.active(end)
	if e := l.epochs[i]; e != a.epoch {
		b.log.SetEpoch(e, walID(l.hs[i].ID))
		a.epoch = e
		b.lastEpoch.Store(e)
	}
	a.lineage, a.boundary = l, l.boundary(end)
}

// Start is the offset of the first retained byte, End that after the last appended one, Written and Synced those up to which
// the log is handed to the operating system and fsynced. All are lock-free.
func (b *Backlog) Start() uint64 { return max(b.log.Start(), b.pins.floor.Load()) }

// End is the offset after the last appended byte. See Start.
func (b *Backlog) End() uint64 { return b.log.End() }

// Written is the offset up to which the log is handed to the operating system. See Start.
func (b *Backlog) Written() uint64 { return b.log.Written() }

// Synced is the offset up to which the log is fsynced. See Start.
func (b *Backlog) Synced() uint64 { return b.log.Synced() }

// Safe is the offset up to which the appendfsync policy lets replies be sent and bytes be shipped or applied by a follower:
// Synced with always, Written otherwise. Lock-free.
//
// Until the run record says that bytes may be shipped unsynced (SetUnsafeShipping), Safe stays with Synced whatever the
// policy: a crash would else go unnoticed.
func (b *Backlog) Safe() uint64 {
	if b.shipsUnsynced() {
		return b.log.Written()
	}
	return b.log.Synced()
}

func (b *Backlog) shipsUnsynced() bool {
	return b.o.Policy() != wal.SyncAlways && b.unsafe.Load()
}

// WaitSafe returns when Safe() >= off, when ctx ends, or when the log failed (wal.ErrFailed) or was closed. Waiters share the
// writes and fsyncs that get them there (group commit). off may lie past End.
func (b *Backlog) WaitSafe(ctx context.Context, off uint64) error {
	for {
		// Asked even when off is safe already: a log that has failed acknowledges nothing any more.
		var err error
		if b.shipsUnsynced() {
			err = b.log.WaitWritten(ctx, off)
		} else {
			err = b.log.WaitSynced(ctx, off)
		}
		if err != nil || b.Safe() >= off {
			return err
		}
		// The policy was made stricter meanwhile: wait by the new one.
	}
}

// WaitSynced returns when Synced() >= off, else as WaitSafe.
func (b *Backlog) WaitSynced(ctx context.Context, off uint64) error {
	return b.log.WaitSynced(ctx, off)
}

// WaitRoom blocks while too many bytes are appended and not yet written, and returns why when the log is unhealthy. Writers
// throttle with it before they take the lock under which they Append.
func (b *Backlog) WaitRoom(ctx context.Context) error { return b.log.WaitRoom(ctx) }

// HasRoom says whether WaitRoom would return at once.
func (b *Backlog) HasRoom() bool { return b.log.HasRoom() }

// TrySafe does for the records appended so far what can be done without waiting: under the policies that acknowledge what is written it
// writes them, unless somebody else is writing. The caller looks at Safe afterwards.
func (b *Backlog) TrySafe() {
	if b.shipsUnsynced() {
		b.log.TryWrite()
	}
}

// RequestSync starts the fsync of the bytes up to off in the background; it never blocks.
func (b *Backlog) RequestSync(off uint64) { b.log.RequestSync(off) }

// Health is nil, or why nothing more can be acknowledged: wal.ErrDiskFull (transient), wal.ErrFailed (until a restart), or a
// *MetaError after a failed change of meta.db (until one succeeds), or what BeginGeneration failed with half-way.
func (b *Backlog) Health() error {
	if err := b.log.Health(); err != nil {
		return err
	}
	if e := b.switchErr.Load(); e != nil {
		return *e
	}
	if e := b.metaErr.Load(); e != nil {
		return e
	}
	return nil
}

// appliedMark is how far the keyspace of one generation is durable.
type appliedMark struct{ gen, off uint64 }

// SetDurableApplied tells retention that the keyspace of the current generation is durable up to off: the log from there on
// is never dropped. Only a growing off counts, and none past End. See SetDurableAppliedOf.
func (b *Backlog) SetDurableApplied(off uint64) { b.SetDurableAppliedOf(b.Generation(), off) }

// SetDurableAppliedOf is SetDurableApplied for a caller that may be overtaken by a generation switch: news of another
// generation than the current one changes nothing.
func (b *Backlog) SetDurableAppliedOf(generation, off uint64) {
	for {
		was := b.applied.Load()
		if generation != was.gen || off <= was.off || off > b.End() {
			return
		}
		if b.applied.CompareAndSwap(was, &appliedMark{gen: generation, off: off}) {
			b.keeper.kick()
			return
		}
	}
}

// Log gives check and logdump the segments.
func (b *Backlog) Log() *wal.Log { return b.log }

// commit makes one durable change of meta.db; the caller holds changes.
func (b *Backlog) commitLocked(what string, fn func(*bolt.Bucket) error) error {
	return b.commitTxLocked(what, func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte(bucketMeta))) })
}

func (b *Backlog) commitTxLocked(what string, fn func(*bolt.Tx) error) error {
	if b.o.ReadOnly {
		return fmt.Errorf("%s: %w", what, ErrReadOnly)
	}
	if b.changes.closed {
		return fmt.Errorf("%s: %w", what, ErrClosed)
	}
	if e := b.switchErr.Load(); e != nil {
		return fmt.Errorf("%s: %w", what, *e) // meta.db is of another generation than the state in memory
	}
	err := b.meta.update(what, fn)
	if err == nil {
		b.metaErr.Store(nil)
		return nil
	}
	var me *MetaError
	if errors.As(err, &me) {
		b.metaErr.Store(me)
	}
	b.logger.Error("meta.db was not changed", "what", what, "err", err)
	return err
}

// Stats is a snapshot for INFO.
type Stats struct {
	Start, End, Written, Synced uint64
	Segments                    int
	DiskBytes                   int64
	OldestMs                    int64 // wall clock of the first retained record in milliseconds, 0 when the log is empty
	Pins                        []PinInfo
	PinsLost                    uint64 // pins and absent named replicas whose log MaxBytes took, since start
	Syncs, SyncNanos            uint64
}

// PinInfo is one pin: its name and the offset it holds the log from.
type PinInfo struct {
	Name   string
	Offset uint64
}

// Stats collects figures; it costs a walk over the list of segments.
func (b *Backlog) Stats() Stats {
	s := Stats{Start: b.Start(), End: b.End(), Written: b.Written(), Synced: b.Synced()}
	segs := b.log.Segments()
	s.Segments = len(segs)
	for i := range segs {
		s.DiskBytes += segs[i].FileBytes
		if s.OldestMs == 0 {
			s.OldestMs = segs[i].FirstTimeMs
		}
	}
	ws := b.log.Stats()
	s.Syncs, s.SyncNanos = ws.Syncs, ws.SyncNanos
	s.Pins, s.PinsLost = b.pins.list()
	return s
}

func isTrimmed(err error) bool { return errors.Is(err, wal.ErrTrimmed) }
