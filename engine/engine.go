package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// role is who may change the keyspace.
type role uint8

const (
	roleStarting role = iota // nobody: Open has returned, no role was taken yet
	roleLeader               // clients
	roleFollower             // the applier, from the log
	roleClosed
)

// Engine is the keyspace of one server. All methods may be called from any goroutine.
type Engine struct {
	o          Options
	blockCache *pebble.Cache

	ds      atomic.Pointer[dataset]
	dirty   dirtyTable
	watches watches

	applied    atomic.Uint64 // offset the visible rows reflect
	committing atomic.Uint64 // offset of the commit that is becoming visible, or of the last one: bounds what a reader can see
	commitSeq  atomic.Uint64 // odd while a commit becomes visible
	durable    atomic.Uint64 // offset the store's files hold
	leading    atomic.Bool

	expired, hits, misses, writes, flushes atomic.Uint64

	advanced broadcast
	throttle throttle
	expiry   expiryHint
	yields   atomic.Int64 // callers of YieldCompactions

	// roles serialises changes of role, checkpoints' start and adoption; it is taken before seq. See the lock order in doc.go.
	roles struct {
		sync.Mutex
		applier *applier // running while a follower
	}

	// seq is the sequencer: its holder is the only one who changes the keyspace. Under it there is no fsync, no network and no
	// waiting for either.
	seq struct {
		sync.Mutex
		role    role
		state   state
		tx      tx
		toucher toucher
		hints   placeHints
		aheads
	}

	frozen    chan struct{} // kick for the drainer: a memtable is full
	drainTurn drainTurn     // of those who write one to files
	reclaim   chan struct{} // kick for the reclaimer: something was flushed
	failure   atomic.Pointer[error]

	running context.Context // of the background work: ends with Close
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Open opens the keyspace's current generation and replays the log behind it, which blocks for as long as that takes (progress is
// logged) or until ctx ends. Client writes are refused until BecomeLeader. Errors wrap ErrCorrupt or ErrLogGap where a person
// has to decide.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o.ensureDefaults()
	if o.Databases > maxDatabases {
		return nil, fmt.Errorf("open keyspace: %d databases are more than %d", o.Databases, maxDatabases)
	}
	e := &Engine{
		o:          o,
		blockCache: pebble.NewCache(o.BlockCacheBytes),
		frozen:     make(chan struct{}, 1),
		reclaim:    make(chan struct{}, 1),
	}
	e.throttle.memTableBytes = o.MemTableBytes
	e.running, e.stop = context.WithCancel(context.Background())
	e.run(e.runDrain) // a replay fills memtables
	if err := e.recover(ctx); err != nil {
		e.stop()
		e.done.Wait()
		if ds := e.ds.Load(); ds != nil {
			_ = ds.closeFiles()
		}
		e.blockCache.Unref()
		return nil, err
	}
	for _, work := range []func(context.Context){e.watchStore, e.runExpiry, e.runReclaim} {
		e.run(work)
	}
	return e, nil
}

// run starts background work, which ends with Close. The caller holds roles, or is Open.
func (e *Engine) run(work func(context.Context)) {
	e.done.Add(1)
	go func() {
		defer e.done.Done()
		work(e.running)
	}()
}

// BecomeFollower refuses client writes from now on and applies what is appended to the backlog from outside. Calling it on a
// follower does nothing.
func (e *Engine) BecomeFollower(_ context.Context) error {
	e.roles.Lock()
	defer e.roles.Unlock()
	if e.roles.applier != nil {
		return nil
	}
	if err := e.setRole(roleFollower); err != nil {
		return err
	}
	return e.startApplierLocked()
}

// BecomeLeader applies all that the log holds, then calls startHistory (nil: the history goes on) and takes client writes. When it
// fails, the engine stays a follower. It blocks until the log is applied or ctx ends.
func (e *Engine) BecomeLeader(ctx context.Context, startHistory func() error) error {
	e.roles.Lock()
	defer e.roles.Unlock()
	if e.roles.applier != nil {
		if err := e.WaitApplied(ctx, e.o.Backlog.End()); err != nil {
			return fmt.Errorf("become leader: %w", err)
		}
		e.stopApplierLocked()
	}
	if startHistory != nil {
		if err := startHistory(); err != nil {
			return e.resumeFollowingLocked(fmt.Errorf("become leader: %w", err))
		}
	}
	return e.setRole(roleLeader)
}

// resumeFollowingLocked goes back to following after a failed promotion.
func (e *Engine) resumeFollowingLocked(cause error) error {
	e.seq.Lock()
	following := e.seq.role == roleFollower
	e.seq.Unlock()
	if following && e.roles.applier == nil {
		if err := e.startApplierLocked(); err != nil {
			return fmt.Errorf("%w (and the applier did not start again: %w)", cause, err)
		}
	}
	return cause
}

func (e *Engine) setRole(r role) error {
	e.seq.Lock()
	defer e.seq.Unlock()
	if e.seq.role == roleClosed {
		return ErrClosed
	}
	e.seq.role = r
	e.leading.Store(r == roleLeader)
	return nil
}

// Leading reports whether client writes are taken. Lock-free.
func (e *Engine) Leading() bool { return e.leading.Load() }

// Applied returns the offset that the visible keyspace reflects. Lock-free.
func (e *Engine) Applied() uint64 { return e.applied.Load() }

// advance shows a new applied offset and wakes who waits for it.
func (e *Engine) advance(to uint64) {
	e.applied.Store(to)
	e.advanced.wake()
}

// WaitApplied returns once Applied() >= off, or with ctx's error, or with what keeps the applier from going on (ErrApply).
func (e *Engine) WaitApplied(ctx context.Context, off uint64) error {
	for {
		changed := e.advanced.next()
		if e.applied.Load() >= off {
			return nil
		}
		if err := e.ApplyError(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait until offset %d is applied (at %d): %w", off, e.applied.Load(), ctx.Err())
		}
	}
}

// ApplyError returns what stopped the applier for good, wrapping ErrApply, or nil.
func (e *Engine) ApplyError() error {
	if p := e.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Close stops everything, flushes and closes the keyspace; the backlog stays open. When the log has failed nothing may be flushed
// behind it: the files stay as they are, whole, and ErrFailed is returned. ctx bounds the wait.
func (e *Engine) Close(ctx context.Context) error {
	e.roles.Lock()
	defer e.roles.Unlock()
	if err := e.setRole(roleClosed); err != nil {
		return err
	}
	if e.roles.applier != nil {
		e.stopApplierLocked()
	}
	err := e.o.Backlog.Health()
	if err != nil {
		err = fmt.Errorf("close keyspace without a flush: %w", err)
	} else {
		err = e.Flush(ctx)
	}
	e.stop()
	e.done.Wait()
	defer e.blockCache.Unref()
	return errors.Join(err, e.ds.Load().retire(ctx))
}
