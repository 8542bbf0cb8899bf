package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Record is one record of the stream.
type Record struct {
	Start   uint64 // offset before the first byte of Payload
	Epoch   uint32
	Kind    Kind
	TimeMs  int64  // wall clock of the Append, milliseconds
	Payload []byte // valid until the next call of Next
	FilePos int64  // position of the record's header in its segment file
}

// Reader reads the stream from an offset on. One goroutine at a time uses it; it runs beside the writer and beside other
// readers, and holds one file handle and one buffer of DefaultReadBuffer bytes (more while a record is larger).
type Reader struct {
	l   *Log
	gen uint64
	off uint64
	src source
}

// source reads the records of one segment. There are two: one for segments that are complete, where nothing but a valid
// record may follow, and one for the live tail, which ends where the writer is.
type source interface {
	// next returns the next record; io.EOF at the end of a complete segment, errTail at the written end of a live one.
	next() (recordHeader, []byte, error)
	// filePos is the position after the last record returned.
	filePos() int64
	close() error
}

// errTail is the written end of the live segment: more may come here.
var errTail = errors.New("written end")

// NewReader returns a reader positioned at byte off: ErrTrimmed if off < Start, ErrNotYet if off > Written. It opens one
// segment and reads at most one index interval plus a record before off.
func (l *Log) NewReader(off uint64) (*Reader, error) {
	r := &Reader{l: l, off: off, gen: l.generation.Load()}
	if off > l.written.Load() {
		return nil, fmt.Errorf("read log from offset %d: the log is written up to %d: %w", off, l.written.Load(), ErrNotYet)
	}
	if off == l.start.Load() && len(l.segments()) == 0 {
		return r, nil // read-only and empty
	}
	if err := r.open(); err != nil {
		return nil, cmp.Or(r.wasReset(), err)
	}
	return r, nil
}

// Offset is the offset of the first byte that Next has not returned.
func (r *Reader) Offset() uint64 { return r.off }

// Close releases the file and the buffer. The reader is not used after it.
func (r *Reader) Close() error {
	if r.src == nil {
		return nil
	}
	err := r.src.close()
	r.src = nil
	if err != nil {
		return fmt.Errorf("close log reader: %w", err)
	}
	return nil
}

// Next returns the next written record, or io.EOF at the written end: calling it again later continues there. The first record
// after NewReader is trimmed to begin at the reader's offset; its checksum is verified whole, as every record's is.
//
// A segment that DropBefore removes while the reader is in it stays readable to its end. After that, and after Reset, Next
// returns ErrTrimmed. Damage is a *CorruptionError, again and again: it is never skipped.
func (r *Reader) Next() (Record, error) {
	for {
		if err := r.wasReset(); err != nil {
			return Record{}, err
		}
		if r.off >= r.l.written.Load() {
			return Record{}, io.EOF
		}
		if r.src == nil {
			if err := r.open(); err != nil {
				return Record{}, cmp.Or(r.wasReset(), err)
			}
			continue // the log may have been reset since the last look
		}
		h, payload, err := r.src.next()
		switch {
		case err == nil:
			if h.end() <= r.off {
				continue // a mark, or before the offset that was asked for
			}
			rec := Record{
				Start: h.start, Epoch: h.epoch, Kind: h.kind, TimeMs: int64(h.timeMs), Payload: payload,
				FilePos: r.src.filePos() - h.size(),
			}
			if skip := r.off - h.start; h.start < r.off {
				rec.Start, rec.Payload = r.off, payload[skip:]
			}
			r.off = h.end()
			return rec, nil
		case errors.Is(err, errTail):
			return Record{}, io.EOF
		case errors.Is(err, io.EOF):
			if err := r.Close(); err != nil {
				return Record{}, err
			}
		default:
			return Record{}, cmp.Or(r.wasReset(), err)
		}
	}
}

// wasReset is why the reader's log is no more, or nil.
func (r *Reader) wasReset() error {
	if r.l.generation.Load() == r.gen {
		return nil
	}
	return fmt.Errorf("read log at offset %d: the log was reset: %w", r.off, ErrTrimmed)
}

// open opens the segment that holds r.off, or that begins there, and positions itself before it.
func (r *Reader) open() error {
	for {
		s, err := r.l.segmentAt(r.off)
		if err != nil {
			return err
		}
		src, err := r.l.openSource(s, r.off)
		if err == nil {
			r.src = src
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Dropped or replaced between the two steps: the list of segments has changed.
		if again, err2 := r.l.segmentAt(r.off); err2 != nil {
			return err2
		} else if again == s {
			return err
		}
	}
}

// segmentAt returns the last segment that begins at or before off.
func (l *Log) segmentAt(off uint64) (*segment, error) {
	segs := l.segments()
	i := sort.Search(len(segs), func(i int) bool { return segs[i].head.start > off })
	if i == 0 {
		return nil, fmt.Errorf("read log from offset %d: the log starts at %d: %w", off, l.start.Load(), ErrTrimmed)
	}
	return segs[i-1], nil
}

// openSource opens s at the index entry before off.
func (l *Log) openSource(s *segment, off uint64) (source, error) {
	sealed := s.sealed.Load()
	f, err := l.fs.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	if e, ok := s.floor(off); ok && !sealed {
		return &tailSource{segmentFile{s: s, f: f, fr: newFrames(f, s.head, e, DefaultReadBuffer)}}, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stat segment %s: %w", s.path, err), f.Close())
	}
	e, err := s.locate(f, info.Size(), off)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	sf := segmentFile{s: s, f: f, fr: newFrames(f, s.head, e, DefaultReadBuffer)}
	return &closedSource{segmentFile: sf, size: info.Size()}, nil
}

// segmentFile is what both sources are made of.
type segmentFile struct {
	s  *segment
	f  vfs.File
	fr *frames
}

func (sf *segmentFile) filePos() int64 { return sf.fr.pos }

func (sf *segmentFile) close() error {
	sf.fr.buf = nil
	return sf.f.Close()
}

// read returns the record before limit; whatever is wrong with it is damage, because the writer has said that it is there.
func (sf *segmentFile) read(limit int64) (recordHeader, []byte, error) {
	h, payload, err := sf.fr.next(limit)
	if err != nil {
		return h, nil, sf.s.damaged(sf.f, err, sf.fr.pos, sf.fr.off)
	}
	return h, payload, nil
}

// closedSource reads a complete segment: it ends at the offset where the next segment begins, and nowhere else.
type closedSource struct {
	segmentFile
	size int64 // of the file
}

func (c *closedSource) next() (recordHeader, []byte, error) {
	if c.fr.off >= c.s.end.Load() {
		if c.fr.off > c.s.end.Load() {
			return recordHeader{}, nil, c.s.damaged(c.f, errSequence, c.fr.pos, c.fr.off)
		}
		return recordHeader{}, nil, io.EOF
	}
	return c.read(c.size)
}

// tailSource reads the live segment up to where the writer has published records, and goes on as a complete segment does once
// the writer has left it.
type tailSource struct{ segmentFile }

func (t *tailSource) next() (recordHeader, []byte, error) {
	sealed := t.s.sealed.Load() // before pos: a sealed segment's pos is final
	limit := t.s.pos.Load()
	if t.fr.pos < limit {
		return t.read(limit)
	}
	if sealed {
		return recordHeader{}, nil, io.EOF
	}
	return recordHeader{}, nil, errTail
}

// locate returns where to start reading a closed segment in order to reach off: by its footer, or by a scan if there is no
// valid one.
func (s *segment) locate(f vfs.File, size int64, off uint64) (indexEntry, error) {
	if e, ok := s.floor(off); ok {
		return e, nil
	}
	x, err := s.loadIndex(f, size)
	if err != nil {
		return indexEntry{}, err
	}
	return s.nearest(x, off), nil
}

// loadIndex reads the footer, or else the records, and keeps what it found there. Two readers may do so at once; they find
// the same.
func (s *segment) loadIndex(f vfs.File, size int64) (sparseIndex, error) {
	t, x, err := readFooter(f, size, s.seed)
	if err == nil && t.end == s.end.Load() {
		return x, nil
	}
	if err != nil && !errors.Is(err, errTrailer) {
		return nil, fmt.Errorf("read index of segment %s: %w", s.path, err)
	}
	res := scan(f, s.head, size, s.end.Load(), nil)
	if res.end != s.end.Load() {
		return nil, s.damaged(f, res.err, res.pos, res.end)
	}
	s.setIndex(res.index)
	return res.index, nil
}

// damaged is damage, unless the file f opened under the segment's name is not the segment: Reset to the same start offset puts
// its new file there a moment before it tells the readers.
func (s *segment) damaged(f vfs.File, err error, pos int64, off uint64) error {
	b := make([]byte, segmentHeaderSize)
	if readFull(f, b, 0) == nil {
		if h, herr := decodeSegmentHeader(b); herr == nil && h.salt != s.head.salt {
			return fmt.Errorf("read log at offset %d: segment %s was replaced: %w", off, s.path, ErrTrimmed)
		}
	}
	return damage(err, s.path, pos, off)
}

// damage wraps the reason why a record is not valid into a *CorruptionError; I/O errors and later versions are not damage.
func damage(err error, path string, pos int64, off uint64) error {
	for _, cause := range []error{errNoRecord, errMarker, errHeaderSum, errPayloadSum, errShort, errLength, errSequence, errSegmentHead} {
		if errors.Is(err, cause) {
			return &CorruptionError{File: path, Offset: pos, Stream: off, Err: err}
		}
	}
	return fmt.Errorf("read segment %s at file position %d: %w", path, pos, err)
}
