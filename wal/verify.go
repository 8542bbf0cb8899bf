package wal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TailState is what follows the last valid record of a segment file.
type TailState uint8

// The outcomes that are not damage.
const (
	// TailClean: nothing but zeros, as in a live segment.
	TailClean TailState = iota
	// TailSealed: the index footer of a segment that is complete.
	TailSealed
	// TailTorn: bytes that are no valid record and that nothing proves to have been fsynced. In the last segment that is what
	// a crash leaves and Open cuts; in any other it is damage.
	TailTorn
)

// String returns a word for the state.
func (s TailState) String() string { return [...]string{"clean", "sealed", "torn"}[s] }

// SegmentReport is what VerifySegment has found.
type SegmentReport struct {
	Info    SegmentInfo
	Records uint64
	Marks   bool  // the last record is the mark of a clean Close
	EndPos  int64 // file position after the last valid record
	Tail    TailState
	// TornBytes is the number of bytes from EndPos to the last one that is not zero, with TailTorn.
	TornBytes int64
	// TornCause says why the bytes at EndPos are no record, with TailTorn.
	TornCause error
}

// VerifySegment reads one segment file from its first record to its last, checks every checksum, and calls visit (which may be
// nil) for each record. It changes nothing and works on a file that a running server writes.
//
// It returns a *CorruptionError with the file position for damage that no crash can explain, an error wrapping ErrVersion for
// a later format, visit's error, or an I/O error; the report then describes what came before. For a torn tail it returns
// nil: whether that is damage depends on whether the segment is the last one.
func VerifySegment(fsys vfs.FS, path string, visit func(Record) error) (rep SegmentReport, err error) {
	start, ok := parseSegmentName(fsys.PathBase(path))
	if !ok {
		return rep, fmt.Errorf("verify segment %s: the name is not %d digits and %s", path, segmentDigits, segmentSuffix)
	}
	rep.Info.Path, rep.Info.Start, rep.Info.End = path, start, start
	fd, err := readFound(fsys, path, start)
	if err != nil {
		return rep, fmt.Errorf("verify segment: %w", err)
	}
	if fd.unfinished {
		return rep, fmt.Errorf("verify segment: %w", &CorruptionError{File: path, Stream: start, Err: errSegmentHead})
	}
	f, err := fsys.Open(path)
	if err != nil {
		return rep, fmt.Errorf("verify segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	res, t, err := judgeTail(f, path, fd.head, fd.size, visit)
	s := newSegment(path, fd.head)
	s.end.Store(res.end)
	s.firstMs.Store(res.firstMs)
	s.lastMs.Store(res.lastMs)
	s.fileBytes.Store(fd.size)
	rep.Info, rep.Records, rep.Marks, rep.EndPos = s.info(), res.records, res.marked, res.pos
	switch {
	case err != nil:
		return rep, fmt.Errorf("verify segment: %w", err)
	case t.footer:
		rep.Tail = TailSealed
	case t.dirtyEnd > 0:
		rep.Tail, rep.TornBytes, rep.TornCause = TailTorn, t.dirtyEnd-res.pos, res.err
	}
	return rep, nil
}

// ListSegments returns the paths of the segment files in dir, in the order of the stream. Files of other names are left out.
func ListSegments(fsys vfs.FS, dir string) ([]string, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	slices.Sort(names)
	var paths []string
	for _, name := range names {
		if _, ok := parseSegmentName(name); ok {
			paths = append(paths, fsys.PathJoin(dir, name))
		}
	}
	return paths, nil
}
