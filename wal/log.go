package wal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Log is an open log. Its methods may be called from any goroutine, except that calls of Append, SetEpoch and Reset are
// serialised by the caller.
//
// Two roles do the I/O, each held by at most one goroutine and always without a lock: the writer role (mu.writing) writes
// groups, and owns writer; the sync role (mu.syncing) fsyncs, one at a time. A role is taken by whoever waits and finds it
// free (see wait).
//
// Lock order: fileOps (a semaphore, held during I/O on purpose: it only keeps DropBefore and Reset apart), then mu, then segment.mu.
type Log struct {
	o      Options
	fs     vfs.FS
	logger *slog.Logger
	recov  Recovery

	start, end, written, synced atomic.Uint64
	generation                  atomic.Uint64
	pending                     atomic.Int64 // file bytes appended and not yet written
	failed                      atomic.Bool  // mu.failed != nil
	full                        atomic.Bool  // mu.full != nil
	reported                    atomic.Bool  // the failure is in the server's log
	count                       counters

	fileOps chan struct{} // capacity 1: one DropBefore or Reset at a time

	// writer belongs to the holder of the writer role.
	writer writer

	mu struct {
		sync.Mutex
		rolesFree *sync.Cond // a role was given back

		pend  group  // appended, not taken by a writer
		spare []byte // the other of the two group buffers

		epoch   uint32 // of the records appended next
		history HistoryID

		writing      bool // the writer role is held
		retrying     bool // ... by nobody but the retry goroutine's timer: the disk is full
		syncing      bool // the sync role is held
		writerWanted int  // Reset or Close wait for the writer role
		syncerWanted int  // a writer, Reset or Close wait for the sync role

		writeWaiters, syncWaiters, roomWaiters waiterHeap

		failed error // sticky, wraps ErrFailed
		full   error // transient, wraps ErrDiskFull
		closed bool  // Close has begun

		syncRequest uint64 // RequestSync's highest offset

		segs []*segment // oldest first, the live one last; the slice is replaced, never changed in place
	}

	background struct {
		sync.WaitGroup
		ctx   context.Context
		stop  context.CancelFunc
		flush chan struct{} // capacity 1: RequestSync
		retry chan struct{} // capacity 1: the disk is full
	}
}

// Open recovers the log in o.Dir, creating the directory and the first segment when there is none, and cuts a torn tail. It
// returns a *CorruptionError, or an error wrapping ErrVersion or ErrGeneration, having changed nothing, when the log is not
// one that it may append to. What a crash leaves at each step of it: see the package comment.
func Open(o Options) (*Log, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Log{o: o, fs: o.FS, logger: o.Logger, fileOps: make(chan struct{}, 1)}
	l.mu.rolesFree = sync.NewCond(&l.mu.Mutex)
	if err := l.recover(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", o.Dir, err)
	}
	l.background.ctx, l.background.stop = context.WithCancel(context.Background())
	l.background.flush = make(chan struct{}, 1)
	l.background.retry = make(chan struct{}, 1)
	if !o.ReadOnly {
		l.background.Add(2)
		go l.flushLoop()
		go l.retryLoop()
	}
	return l, nil
}

// Start is the first retained offset.
func (l *Log) Start() uint64 { return l.start.Load() }

// End is the offset after the last appended byte.
func (l *Log) End() uint64 { return l.end.Load() }

// Written is the offset up to which the bytes were handed to the operating system. Synced() <= Written() <= End(), if they
// are asked in this order.
func (l *Log) Written() uint64 { return l.written.Load() }

// Synced is the offset up to which the bytes were fsynced.
func (l *Log) Synced() uint64 { return l.synced.Load() }

// PendingBytes is the number of file bytes (headers included) that are appended and not yet written. See WaitRoom.
func (l *Log) PendingBytes() int64 { return l.pending.Load() }

// Recovery says what Open found and did.
func (l *Log) Recovery() Recovery { return l.recov }

// Health is nil, or wraps ErrDiskFull (transient) or ErrFailed (final), with the cause.
func (l *Log) Health() error {
	if !l.failed.Load() && !l.full.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.healthLocked()
}

func (l *Log) healthLocked() error {
	if l.mu.failed != nil {
		return l.mu.failed
	}
	return l.mu.full
}

// unhealthyLocked is why no record is accepted, or nil.
func (l *Log) unhealthyLocked() error {
	switch {
	case l.mu.failed != nil:
		return l.mu.failed
	case l.mu.closed:
		return ErrClosed
	default:
		return l.mu.full
	}
}

// failLocked makes the log fail for good. From here on nothing is reported written or synced.
func (l *Log) failLocked(cause error) {
	if l.mu.failed != nil {
		return
	}
	l.mu.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
	l.failed.Store(true)
	l.wakeAllLocked()
}

// Segments describes the segments, oldest first, the live one last.
func (l *Log) Segments() []SegmentInfo {
	segs := l.segments()
	infos := make([]SegmentInfo, len(segs))
	for i, s := range segs {
		infos[i] = s.info()
	}
	return infos
}

func (l *Log) segments() []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.segs
}

// Close writes and fsyncs everything appended and ends the goroutines. It returns the log's failure, if it has failed, or an
// error wrapping ErrDiskFull if the disk is full and what was queued is lost (nobody was told that it was written). Waiters
// whose offset is not reached get ErrClosed. Readers stay usable.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.mu.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.mu.closed = true
	l.mu.Unlock()
	l.background.stop()
	l.background.Wait()
	if l.o.ReadOnly {
		return nil
	}

	l.mu.Lock()
	l.takeWriterLocked()
	err := l.mu.failed
	l.mu.Unlock()
	if err == nil {
		err = l.finish()
	}

	l.mu.Lock()
	l.takeSyncerLocked()
	l.mu.Unlock()
	err = errors.Join(err, l.writer.closeFiles())

	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.writing, l.mu.syncing = false, false
	l.wakeAllLocked()
	return err
}

// finish writes what is left, fsyncs it, and then writes and fsyncs a mark that says so. The caller has the writer role and
// keeps it.
//
// A crash before the first fsync leaves what any crash leaves; after it, everything; a mark that is torn or missing costs
// nothing but the proof that the record before it had been safe.
func (l *Log) finish() error {
	w := &l.writer
	for l.takeGroup() {
		if err := w.write(l, false); err != nil {
			if isSpaceError(err) {
				return fmt.Errorf("close log: %w: %d bytes are lost that nobody was told were written: %w",
					ErrDiskFull, l.PendingBytes(), err)
			}
			return l.fail(fmt.Errorf("close log: %w", err))
		}
		l.mu.Lock()
		failed := l.mu.failed
		l.groupDoneLocked()
		l.mu.Unlock()
		if failed != nil {
			return failed
		}
	}
	l.mu.Lock()
	l.takeSyncerLocked()
	l.mu.Unlock()
	l.syncOnce()
	if err := l.writeMark(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failed
}

// writeMark writes a mark and fsyncs it. Everything written is synced.
func (l *Log) writeMark() error {
	w := &l.writer
	if w.records == 0 || w.marked || l.failed.Load() {
		return nil
	}
	end := w.seg.end.Load()
	rec := appendRecord(nil, recordHeader{
		start: end, timeMs: w.seg.lastMs.Load(), epoch: w.seg.head.epoch, kind: kindMark,
	}, nil)
	sealRecord(rec, w.seg.seed, end)
	if _, err := w.file.WriteAt(rec, w.seg.pos.Load()); err != nil {
		if isSpaceError(err) {
			return nil // the data is safe; the mark only helps to judge damage
		}
		return l.fail(fmt.Errorf("close log: write mark to segment %s: %w", w.seg.path, err))
	}
	w.marked = true
	if err := l.syncData(w.sync, w.seg); err != nil {
		return l.fail(err)
	}
	return nil
}

// fail makes the log fail for good and returns its failure.
func (l *Log) fail(cause error) error {
	defer l.reportFailure()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failLocked(cause)
	return l.mu.failed
}

// reportFailure logs a failure, once, without a lock.
func (l *Log) reportFailure() {
	if !l.failed.Load() || !l.reported.CompareAndSwap(false, true) {
		return
	}
	l.logger.Error("the write-ahead log has failed; nothing is acknowledged any more; check the disk and restart the server",
		"err", l.Health(), "written", l.Written(), "synced", l.Synced())
}
