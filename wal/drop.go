package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DropBefore removes the whole closed segments with End <= off, oldest first, and returns them; the live one always stays. A
// reader that has one open keeps reading it. On an error the segments already removed are returned with it.
//
// Each removal is made durable before the next, so that a crash at any point leaves segments without a gap between them.
func (l *Log) DropBefore(off uint64) (dropped []SegmentInfo, err error) {
	if l.o.ReadOnly {
		return nil, ErrReadOnly
	}
	l.fileOps <- struct{}{}
	defer func() { <-l.fileOps }()
	for {
		s := l.popSegment(off)
		if s == nil {
			return dropped, nil
		}
		if err := removeDurably(l.fs, l.o.Dir, s.path); err != nil {
			l.unpopSegment(s)
			return dropped, fmt.Errorf("drop segment %s: %w", s.path, err)
		}
		dropped = append(dropped, s.info())
	}
}

// popSegment takes the oldest segment off the list if it is closed and ends at or before off.
func (l *Log) popSegment(off uint64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed || len(l.mu.segs) < 2 || l.mu.segs[0].end.Load() > off {
		return nil
	}
	s := l.mu.segs[0]
	l.mu.segs = l.mu.segs[1:]
	l.start.Store(l.mu.segs[0].head.start)
	return s
}

// unpopSegment puts a segment back whose file could not be removed.
func (l *Log) unpopSegment(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.segs = append([]*segment{s}, l.mu.segs...)
	l.start.Store(s.head.start)
}

// Reset discards every segment and pending byte and starts an empty log of a higher generation at offset start. Callers
// serialise it with Append. Waiters and readers of the old log get ErrTrimmed. It ends the disk-full state; it is refused
// after a failure.
//
// The new segment is made durable first, then the old ones are removed. A crash before leaves the old log, after it the new
// one with remains of the old: Open with the new generation removes them, with the old one it refuses. When Reset returns an
// error that wraps ErrDiskFull's cause the old log goes on; any other makes the log fail.
func (l *Log) Reset(generation, start uint64, epoch uint32, id HistoryID) error {
	if l.o.ReadOnly {
		return ErrReadOnly
	}
	if generation <= l.generation.Load() {
		return fmt.Errorf("reset log: generation %d is not above the current %d", generation, l.generation.Load())
	}
	l.fileOps <- struct{}{}
	defer func() { <-l.fileOps }()

	l.mu.Lock()
	l.takeWriterLocked()
	l.takeSyncerLocked()
	refused := l.mu.failed
	if l.mu.closed {
		refused = ErrClosed
	}
	l.mu.Unlock()
	var next *segment
	var file, sync vfs.File
	err := refused
	if err == nil {
		next, file, sync, err = l.newLive(segmentHeader{generation: generation, start: start, epoch: epoch, history: id})
	}
	if err != nil {
		var final *syncError
		if refused == nil && (!isSpaceError(err) || errors.As(err, &final)) {
			err = l.fail(fmt.Errorf("reset log: %w", err))
		}
		l.abortReset()
		return fmt.Errorf("reset log: %w", err)
	}
	closeErr := l.writer.closeFiles() // of files that are about to be removed: nothing depends on it
	old := l.install(next, file, sync)
	l.removeSuperseded(old, next.path, closeErr)
	return nil
}

// abortReset gives the roles back. If the disk is full the writer role returns to the retry goroutine.
func (l *Log) abortReset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.full != nil && l.mu.failed == nil {
		l.mu.retrying = true
		signal(l.background.retry)
	} else {
		defer l.releaseWriterLocked()
	}
	l.releaseSyncerLocked()
}

// install makes next the only segment and returns the former ones. The caller holds both roles and loses them.
func (l *Log) install(next *segment, file, sync vfs.File) (old []*segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := next.head.start
	old = l.mu.segs
	l.writer = writer{
		seg: next, epoch: next.head.epoch, history: next.head.history,
		file: file, sync: sync, size: segmentHeaderSize, indexed: -indexInterval,
	}
	l.mu.pend, l.mu.spare = group{}, nil
	l.mu.epoch, l.mu.history = next.head.epoch, next.head.history
	l.mu.segs = []*segment{next}
	l.mu.full = nil
	l.mu.syncRequest = 0
	l.full.Store(false)
	l.pending.Store(0)
	l.generation.Store(next.head.generation) // first: who sees the new offsets must see that they are of another log
	l.start.Store(start)
	l.synced.Store(start)
	l.written.Store(start)
	l.end.Store(start)
	l.wakeAllLocked()
	l.releaseSyncerLocked()
	l.releaseWriterLocked()
	return old
}

// removeSuperseded removes the files of a replaced log. What cannot be removed is left to the next Open and only logged.
func (l *Log) removeSuperseded(old []*segment, keep string, closeErr error) {
	errs := []error{closeErr}
	for _, s := range old {
		if s.path != keep {
			errs = append(errs, removeIfExists(l.fs, s.path))
		}
	}
	errs = append(errs, syncDir(l.fs, l.o.Dir))
	if err := errors.Join(errs...); err != nil {
		l.logger.Warn("remains of the replaced log could not be removed; the next start will try again", "dir", l.o.Dir, "err", err)
	}
}

// removeDurably removes a file and its directory entry for good.
func removeDurably(fsys vfs.FS, dir, path string) error {
	if err := removeIfExists(fsys, path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// removeIfExists removes a file that may not be there.
func removeIfExists(fsys vfs.FS, path string) error {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
