package wal

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer is the state of whoever holds the writer role; nobody else touches it.
type writer struct {
	group group // being written; empty between groups
	done  int   // bytes of group.buf that are written and published

	epoch   uint32 // of the record at done
	history HistoryID

	seg     *segment // the live one
	records uint64   // in seg
	marked  bool     // the last record in seg is a mark
	indexed int64    // file position of seg's last index entry
	size    int64    // of the file, as far as it is filled
	// Two handles of the live file, because vfs.File wants its writing operations one after another, and an fsync overlaps the
	// next group's write. Both are opened before the first write, so that either sees every write-back error.
	file vfs.File
	sync vfs.File
}

// run is a stretch of a group that goes to one segment in one write.
type run struct {
	bytes   []byte
	payload uint64
	records uint64
	firstMs uint64
	lastMs  uint64
	index   sparseIndex
}

// writeGroup takes everything pending and writes it; under SyncAlways it fsyncs right after. The caller has been given the
// writer role and loses it here, also when the disk is full: the role then waits with the retry goroutine.
func (l *Log) writeGroup() {
	defer l.reportFailure()
	always := l.o.Policy() == SyncAlways
	if always {
		// Whoever the last group's fsync has woken is ready to run: let them, before this goroutine blocks its processor in the next
		// one. Their replies leave earlier, and what they append at once still joins this group. Measured with 50 clients on 2 cores:
		// 14.9 records a group became 18.8, and 55 k writes a second 63 k.
		runtime.Gosched()
	}
	l.takeGroup()
	err := l.writer.write(l, always)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.writeFailedLocked(err)
		return
	}
	l.groupDoneLocked()
	if always && l.mu.failed == nil && l.synced.Load() < l.written.Load() {
		l.takeSyncerLocked()
		l.mu.Unlock()
		l.syncOnce()
		l.mu.Lock()
	}
	l.releaseWriterLocked()
}

// takeGroup makes the pending records the writer's group, unless a group is still being written; false if there is nothing to
// write or the log has failed. The caller has the writer role.
func (l *Log) takeGroup() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.writer
	if l.mu.failed != nil {
		w.group, w.done = group{}, 0
		return false
	}
	if len(w.group.buf) == 0 && len(l.mu.pend.buf) > 0 {
		w.group, w.done = l.mu.pend, 0
		l.mu.pend = group{buf: l.mu.spare}
		l.mu.spare = nil
	}
	return len(w.group.buf) > 0
}

// writeFailedLocked deals with a failed write: for want of space the group stays where it is and the role with the retry
// goroutine; anything else is final.
func (l *Log) writeFailedLocked(err error) {
	var se *syncError
	if isSpaceError(err) && !errors.As(err, &se) && l.mu.failed == nil {
		l.mu.full = fmt.Errorf("%w: writes wait until there is space: %w", ErrDiskFull, err)
		l.full.Store(true)
		l.count.diskFull.Add(1)
		l.mu.retrying = true
		l.mu.rolesFree.Broadcast() // Close and Reset may take the role over
		l.mu.roomWaiters.wakeAll()
		signal(l.background.retry)
		return
	}
	l.failLocked(err)
	l.releaseWriterLocked()
}

// groupDoneLocked gives the written group's buffer back and clears the disk-full state.
func (l *Log) groupDoneLocked() {
	w := &l.writer
	if n := uint64(len(w.group.buf)); n > 0 {
		l.count.groups.Add(1)
		l.count.maxGroup.Store(max(l.count.maxGroup.Load(), n))
	}
	if b := w.group.buf; cap(b) > 0 && cap(b) <= maxRetainedBuffer {
		if cap(l.mu.pend.buf) == 0 && len(l.mu.pend.epochs) == 0 {
			l.mu.pend.buf = b[:0]
		} else {
			l.mu.spare = b[:0]
		}
	}
	w.group, w.done = group{}, 0
	l.mu.full = nil
	l.full.Store(false)
	if l.written.Load()-l.synced.Load() > unsyncedSoftLimit {
		l.mu.syncRequest = max(l.mu.syncRequest, l.written.Load())
		signal(l.background.flush)
	}
}

// write writes the group from done on, rotating where the records demand it. After an error it may be called again: every
// step of it either has been published or is repeated at the same place.
func (w *writer) write(l *Log, always bool) error {
	for w.done < len(w.group.buf) {
		w.applyEpochs()
		r := w.nextRun(l)
		if len(r.bytes) == 0 {
			if err := w.rotate(l); err != nil {
				return err
			}
			continue
		}
		if _, err := w.file.WriteAt(r.bytes, w.seg.pos.Load()); err != nil {
			return fmt.Errorf("write segment %s at file position %d: %w", w.seg.path, w.seg.pos.Load(), err)
		}
		w.size = max(w.size, w.seg.pos.Load()+int64(len(r.bytes)))
		if always {
			if err := w.extend(l, len(r.bytes)); err != nil {
				return err
			}
		}
		if !w.publish(l, r) {
			return nil // the log failed meanwhile: nothing may be reported any more
		}
	}
	w.applyEpochs() // a change after the last record holds for the next group
	return nil
}

// applyEpochs makes the epoch changes due at done the current ones.
func (w *writer) applyEpochs() {
	for len(w.group.epochs) > 0 && w.group.epochs[0].at <= w.done {
		w.epoch, w.history = w.group.epochs[0].epoch, w.group.epochs[0].history
		w.group.epochs = w.group.epochs[1:]
	}
}

// nextRun seals the records from done on that belong to the live segment. None: a new segment is due.
func (w *writer) nextRun(l *Log) run {
	if w.seg.head.epoch != w.epoch || w.seg.head.history != w.history {
		return run{}
	}
	limit := len(w.group.buf)
	if len(w.group.epochs) > 0 {
		limit = w.group.epochs[0].at
	}
	var r run
	from, pos, indexed := w.done, w.seg.pos.Load(), w.indexed
	at, synced := from, l.synced.Load()
	for at < limit {
		n := rawRecordSize(w.group.buf[at:])
		if pos+int64(n) > l.o.SegmentSize && w.records+r.records > 0 {
			break
		}
		rec := w.group.buf[at : at+n]
		sealRecord(rec, w.seg.seed, synced)
		h, err := decodeRecordHeader(rec, w.seg.seed)
		if err != nil || h.epoch != w.seg.head.epoch || h.start != w.seg.end.Load()+r.payload {
			panic(fmt.Sprintf("BUG: wal: record %+v does not continue segment %s at offset %d: %v",
				h, w.seg.path, w.seg.end.Load()+r.payload, err))
		}
		if pos-indexed >= indexInterval {
			r.index, indexed = append(r.index, indexEntry{off: h.start, pos: pos}), pos
		}
		if r.records == 0 {
			r.firstMs = h.timeMs
		}
		r.lastMs = h.timeMs
		r.payload += uint64(h.length)
		r.records++
		at, pos = at+n, pos+int64(n)
	}
	r.bytes = w.group.buf[from:at]
	return r
}

// extend fills the file with zeros ahead of the data, so that the fsyncs of small groups find blocks that are allocated and a
// file size that stays, and need not commit the file system's journal: measured on ext4, that halves the time of a 4 KiB
// append (see BenchmarkAppendFsync, which also shows that a recycled or a wholly prepared file is no faster, and that
// preallocating without writing zeros is not enough). The zeros also mark the clean end of the data.
func (w *writer) extend(l *Log, justWritten int) error {
	pos := w.seg.pos.Load() + int64(justWritten)
	if pos < w.size || int64(justWritten) >= zeroStepMax {
		return nil
	}
	target := min(pos+min(max(pos, zeroStepMin), zeroStepMax), l.o.SegmentSize)
	if target <= pos {
		return nil
	}
	if _, err := w.file.WriteAt(zeros[:target-pos], pos); err != nil {
		if isSpaceError(err) {
			return nil // the data is written; the next group will find out whether there is space for it
		}
		return fmt.Errorf("extend segment %s at file position %d: %w", w.seg.path, pos, err)
	}
	w.size = target
	return nil
}

// zeros is never written to. vfs.File.WriteAt, unlike Write, does not modify its argument.
var zeros [zeroStepMax]byte

// publish makes a written run visible to readers and waiters; false if the log has failed.
func (w *writer) publish(l *Log, r run) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.failed != nil {
		return false
	}
	s := w.seg
	s.addIndex(r.index)
	if n := len(r.index); n > 0 {
		w.indexed = r.index[n-1].pos
	}
	if w.records == 0 {
		s.firstMs.Store(r.firstMs)
	}
	s.lastMs.Store(r.lastMs)
	w.records += r.records
	w.done += len(r.bytes)
	w.marked = false
	s.pos.Add(int64(len(r.bytes)))
	s.end.Add(r.payload)
	s.fileBytes.Store(w.size)
	l.written.Store(s.end.Load())
	l.pending.Add(-int64(len(r.bytes)))
	l.wakeLocked()
	return true
}

// rotate ends the live segment and begins the next one, with the current epoch.
//
// The footer is written and the whole old segment fsynced before the new one's name exists. So a segment with a valid header
// proves that the one before it is complete on disk, whatever a crash has left; only the last segment can have a torn tail.
// A crash before the new name is durable leaves the old segment as the last one, with or without its footer, which Open
// overwrites. The sync role is held throughout, so that no fsync touches the files that are being exchanged.
func (w *writer) rotate(l *Log) error {
	l.mu.Lock()
	l.takeSyncerLocked()
	failed := l.mu.failed
	l.mu.Unlock()
	next, err := (*segment)(nil), failed
	if err == nil {
		next, err = w.roll(l)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.releaseSyncerLocked()
	if err != nil {
		return err
	}
	old := l.mu.segs
	if w.seg.end.Load() == w.seg.head.start {
		old = old[:len(old)-1] // it had no record: its file has been replaced
	}
	l.mu.segs = append(append(make([]*segment, 0, len(old)+1), old...), next)
	w.seg.sealed.Store(true)
	w.seg.dropIndex() // after sealed: who does not find the index finds a complete segment
	w.seg, w.records, w.marked, w.indexed = next, 0, false, -indexInterval
	l.synced.Store(max(l.synced.Load(), next.head.start))
	l.wakeLocked()
	l.count.rotations.Add(1)
	return nil
}

// roll does the I/O of rotate and exchanges the open files.
func (w *writer) roll(l *Log) (*segment, error) {
	if w.records > 0 {
		if err := w.seal(l); err != nil {
			return nil, err
		}
	}
	next, file, sync, err := l.newLive(segmentHeader{
		generation: w.seg.head.generation,
		start:      w.seg.end.Load(),
		epoch:      w.epoch,
		history:    w.history,
	})
	if err != nil {
		return nil, err
	}
	if err := w.closeFiles(); err != nil {
		return nil, &syncError{errors.Join(err, file.Close(), sync.Close())}
	}
	w.file, w.sync, w.size = file, sync, segmentHeaderSize
	return next, nil
}

// newLive creates the segment h, with a fresh salt, and opens its two handles.
func (l *Log) newLive(h segmentHeader) (s *segment, file, sync vfs.File, err error) {
	h.salt = newSalt()
	h.createdMs = uint64(time.Now().UnixMilli())
	path, err := createSegment(l.fs, l.o.Dir, h)
	if err != nil {
		return nil, nil, nil, err
	}
	s = newSegment(path, h)
	s.fileBytes.Store(segmentHeaderSize)
	s.mu.indexed = true
	if file, sync, err = openLive(l.fs, path); err != nil {
		return nil, nil, nil, &syncError{err} // the name exists: to go on as if it did not would leave two truths
	}
	return s, file, sync, nil
}

// openLive opens the writing and the syncing handle of a segment.
func openLive(fs vfs.FS, path string) (file, sync vfs.File, err error) {
	if file, err = fs.OpenReadWrite(path, diskCategory); err != nil {
		return nil, nil, fmt.Errorf("open segment %s for writing: %w", path, err)
	}
	if sync, err = fs.OpenReadWrite(path, diskCategory); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open segment %s for fsync: %w", path, err), file.Close())
	}
	return file, sync, nil
}

// seal writes the footer so that it ends with the file, and fsyncs the segment. The caller holds both roles.
func (w *writer) seal(l *Log) error {
	s := w.seg
	x := s.indexCopy()
	foot := encodeFooter(x, trailer{
		dataEnd: s.pos.Load(),
		end:     s.end.Load(),
		firstMs: s.firstMs.Load(),
		lastMs:  s.lastMs.Load(),
		records: w.records,
	}, s.seed)
	at := max(s.pos.Load(), w.size-int64(len(foot)))
	if _, err := w.file.WriteAt(foot, at); err != nil {
		return fmt.Errorf("write footer of segment %s: %w", s.path, err)
	}
	w.size = max(w.size, at+int64(len(foot)))
	s.fileBytes.Store(w.size)
	return l.syncData(w.sync, s)
}

// closeFiles closes the live segment's handles.
func (w *writer) closeFiles() error {
	var errs []error
	for _, f := range []vfs.File{w.file, w.sync} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	w.file, w.sync = nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// signal fills a channel of capacity one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
