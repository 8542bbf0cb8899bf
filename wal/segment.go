package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentSuffix = ".log"
	tempSuffix    = ".log.tmp"
	segmentDigits = 20

	// diskCategory is what the log's writes are accounted under.
	diskCategory vfs.DiskWriteCategory = "replogd-wal"
)

// SegmentInfo describes one segment.
type SegmentInfo struct {
	Path        string
	Generation  uint64
	Epoch       uint32
	History     HistoryID
	Start, End  uint64 // offsets
	FileBytes   int64
	FirstTimeMs int64 // of the first record; of the creation while there is none
	LastTimeMs  int64 // of the last record, or an upper bound of it
}

// segment is one file of the log as all goroutines see it.
type segment struct {
	path string
	head segmentHeader
	seed uint32

	// pos, end and sealed are published by the writer in this order and read in the opposite one: who sees sealed, sees the
	// final pos and end; who sees an end, sees a pos at least as far.
	pos    atomic.Int64  // file position after the last written record
	end    atomic.Uint64 // stream offset after the last written record
	sealed atomic.Bool   // no record will be added

	firstMs, lastMs atomic.Uint64 // 0: none known
	fileBytes       atomic.Int64

	mu struct {
		sync.Mutex
		// index covers [start, end) if indexed is set: of the live segment, and of a closed one without a footer. Others read
		// it from their footer when a reader is opened, so that memory does not grow with the log.
		index   sparseIndex
		indexed bool
	}
}

func newSegment(path string, h segmentHeader) *segment {
	s := &segment{path: path, head: h, seed: seedOf(h.salt)}
	s.pos.Store(segmentHeaderSize)
	s.end.Store(h.start)
	return s
}

// info describes the segment as it is now.
func (s *segment) info() SegmentInfo {
	in := SegmentInfo{
		Path:        s.path,
		Generation:  s.head.generation,
		Epoch:       s.head.epoch,
		History:     s.head.history,
		Start:       s.head.start,
		End:         s.end.Load(),
		FileBytes:   s.fileBytes.Load(),
		FirstTimeMs: int64(s.firstMs.Load()),
		LastTimeMs:  int64(s.lastMs.Load()),
	}
	if in.FirstTimeMs == 0 {
		in.FirstTimeMs = int64(s.head.createdMs)
	}
	if in.LastTimeMs == 0 {
		in.LastTimeMs = in.FirstTimeMs
	}
	return in
}

// addIndex adds the entries of records just written or scanned.
func (s *segment) addIndex(x sparseIndex) {
	if len(x) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.index = append(s.mu.index, x...)
}

// lastIndexed is the file position of the last index entry, or a negative number that makes the first record's entry due.
func (s *segment) lastIndexed() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.mu.index); n > 0 {
		return s.mu.index[n-1].pos
	}
	return -indexInterval
}

// indexCopy returns the index as it is now.
func (s *segment) indexCopy() sparseIndex {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.index[:len(s.mu.index):len(s.mu.index)]
}

// floor returns where to start reading in order to reach off; ok is false if that takes the footer.
func (s *segment) floor(off uint64) (e indexEntry, ok bool) {
	if off == s.head.start {
		return indexEntry{off: off, pos: segmentHeaderSize}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.indexed {
		return indexEntry{}, false
	}
	return s.nearest(s.mu.index, off), true
}

// nearest returns where to start reading in order to reach off, by index x.
func (s *segment) nearest(x sparseIndex, off uint64) indexEntry {
	if e, ok := x.floor(off); ok {
		return e
	}
	return indexEntry{off: s.head.start, pos: segmentHeaderSize}
}

// setIndex installs the index of a segment that cannot get it from a footer.
func (s *segment) setIndex(x sparseIndex) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.index, s.mu.indexed = x, true
}

// dropIndex frees the index of a segment that has been sealed: its footer has it.
func (s *segment) dropIndex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.index, s.mu.indexed = nil, false
}

// segmentName returns the file name of the segment that begins at start.
func segmentName(start uint64) string {
	return fmt.Sprintf("%0*d%s", segmentDigits, start, segmentSuffix)
}

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (start uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != segmentDigits || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	start, err := strconv.ParseUint(digits, 10, 64)
	return start, err == nil
}

// createSegment makes the file of a new segment durable under its final name and returns its path. An existing file of that
// name, which can only be a segment without records or of a superseded generation, is replaced.
//
// A crash before the rename is durable leaves at most a *.log.tmp, which Open removes; after it, a segment with a whole
// header and no records. There is nothing between: the header is fsynced before the name exists.
func createSegment(fs vfs.FS, dir string, h segmentHeader) (path string, err error) {
	path = fs.PathJoin(dir, segmentName(h.start))
	temp := fs.PathJoin(dir, strings.TrimSuffix(segmentName(h.start), segmentSuffix)+tempSuffix)
	if err := writeTemp(fs, temp, h.encode()); err != nil {
		return "", errors.Join(fmt.Errorf("create segment %s: %w", path, err), removeIfExists(fs, temp))
	}
	if err := fs.Rename(temp, path); err != nil {
		return "", errors.Join(fmt.Errorf("create segment %s: %w", path, err), removeIfExists(fs, temp))
	}
	if err := syncDir(fs, dir); err != nil {
		return "", fmt.Errorf("create segment %s: %w", path, err)
	}
	return path, nil
}

// writeTemp creates the file path with the content b and fsyncs it.
func writeTemp(fs vfs.FS, path string, b []byte) (err error) {
	f, err := fs.Create(path, diskCategory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}

// newSalt returns the random number that makes the checksums of one segment differ from those of every other.
func newSalt() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return binary.LittleEndian.Uint64(b[:])
}

// syncDir makes the directory's entries durable.
func syncDir(fs vfs.FS, dir string) (err error) {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Sync(); err != nil {
		return &syncError{fmt.Errorf("fsync directory %s: %w", dir, err)}
	}
	return nil
}

// syncError marks the failure of an fsync, or of a step after which there is no way back: it is final even if the cause is a
// lack of space.
type syncError struct{ err error }

func (e *syncError) Error() string { return e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }
