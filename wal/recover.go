package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Recovery says what Open has found and done.
type Recovery struct {
	End       uint64 // offset after the last valid record
	TornFile  string // path of the segment whose torn tail was cut (with ReadOnly: would be); empty: nothing was
	TornAt    int64  // file position of the cut
	TornBytes int64  // from there to the last byte that was not zero
	// Removed are the paths of the files that were removed (with ReadOnly: would be): unfinished creations, and segments of
	// a superseded generation.
	Removed []string
}

// found is one segment file as recovery sees it.
type found struct {
	path  string
	start uint64 // by its name
	head  segmentHeader
	size  int64
	// unfinished: there is no valid header, and nothing after the place of the header either.
	unfinished bool
	trailer    trailer
	hasTrailer bool
}

// plan is what recovery will change, decided before anything is.
type plan struct {
	segs   []*segment
	live   *found
	result scanResult // of the live segment
	tail   tail
	remove []string // paths, with the reason
	why    []string
}

// readOnlyAttempts bounds how often a listing is repeated because a running server removed a file, or a tail is read again
// because it was being written.
const readOnlyAttempts = 5

// recover finds out what is there, then changes what has to be changed, then sets the log's state from it.
func (l *Log) recover() error {
	if !l.o.ReadOnly {
		if err := l.fs.MkdirAll(l.o.Dir, 0o755); err != nil {
			return fmt.Errorf("create directory: %w", err)
		}
		// Always, not only when it was missing: a crash may have come between the two.
		if err := syncDir(l.fs, l.fs.PathDir(l.o.Dir)); err != nil {
			return err
		}
	}
	var p *plan
	var err error
	for range readOnlyAttempts {
		if p, err = l.survey(); !l.o.ReadOnly || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	if !l.o.ReadOnly {
		if err := l.repair(p); err != nil {
			return err
		}
	}
	l.adopt(p)
	return nil
}

// survey lists and judges the segments. It changes nothing.
func (l *Log) survey() (*plan, error) {
	all, temps, err := l.list()
	if err != nil {
		return nil, err
	}
	p := &plan{}
	for _, t := range temps {
		p.discard(t, "left by an unfinished creation")
	}
	if n := len(all); n > 0 && all[n-1].unfinished {
		p.discard(all[n-1].path, "left by an unfinished creation: it has no header and no record")
		all = all[:n-1]
	}
	current, err := l.ofGeneration(p, all)
	if err != nil {
		return nil, err
	}
	for i, f := range current {
		if f.unfinished {
			return nil, &CorruptionError{File: f.path, Stream: f.start, Err: errSegmentHead}
		}
		s := newSegment(f.path, f.head)
		s.fileBytes.Store(f.size)
		if i < len(current)-1 {
			if err := l.closeSegment(s, f, current[i+1]); err != nil {
				return nil, err
			}
		}
		p.segs = append(p.segs, s)
	}
	if n := len(current); n > 0 {
		p.live = current[n-1]
		if err := l.surveyLive(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) discard(path, why string) {
	p.remove = append(p.remove, path)
	p.why = append(p.why, why)
}

// list reads the directory and every segment's header and trailer, in the order of the names.
func (l *Log) list() (segs []*found, temps []string, err error) {
	names, err := l.fs.List(l.o.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list directory: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := l.fs.PathJoin(l.o.Dir, name)
		if strings.HasSuffix(name, tempSuffix) {
			temps = append(temps, path)
			continue
		}
		if !strings.HasSuffix(name, segmentSuffix) {
			continue
		}
		start, ok := parseSegmentName(name)
		if !ok {
			return nil, nil, fmt.Errorf("unexpected file %s: segments are named by %d digits; move it out of the directory",
				path, segmentDigits)
		}
		f, err := readFound(l.fs, path, start)
		if err != nil {
			return nil, nil, err
		}
		segs = append(segs, f)
	}
	return segs, temps, nil
}

// readFound reads header and trailer of one segment file.
func readFound(fsys vfs.FS, path string, start uint64) (fd *found, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat segment %s: %w", path, err)
	}
	fd = &found{path: path, start: start, size: info.Size()}
	b := make([]byte, segmentHeaderSize)
	n, err := readAtMost(f, b, 0)
	if err != nil && !errors.Is(err, errShort) {
		return nil, fmt.Errorf("read header of segment %s: %w", path, err)
	}
	fd.head, err = decodeSegmentHeader(b[:n])
	switch {
	case errors.Is(err, errSegmentHead):
		t, err := inspectTail(f, 0, segmentHeaderSize, math.MaxUint64, fd.size)
		if err != nil {
			return nil, fmt.Errorf("read segment %s: %w", path, err)
		}
		if t.dirtyEnd > 0 {
			return nil, &CorruptionError{File: path, Stream: start, Err: errSegmentHead}
		}
		fd.unfinished = true
		return fd, nil
	case err != nil:
		return nil, fmt.Errorf("segment %s: %w", path, err)
	case fd.head.start != start:
		return nil, &CorruptionError{File: path, Stream: start, Err: fmt.Errorf("its header says that it begins at %d", fd.head.start)}
	}
	fd.trailer, _, err = readTrailer(f, fd.size, seedOf(fd.head.salt))
	fd.hasTrailer = err == nil
	if err != nil && !errors.Is(err, errTrailer) {
		return nil, fmt.Errorf("read trailer of segment %s: %w", path, err)
	}
	return fd, nil
}

// ofGeneration sorts out the segments that a full sync has superseded and refuses those of a later generation.
func (l *Log) ofGeneration(p *plan, all []*found) (current []*found, err error) {
	generation := l.o.Generation
	if l.o.ReadOnly && generation == 0 {
		for _, f := range all {
			generation = max(generation, f.head.generation)
		}
	}
	l.generation.Store(generation)
	for _, f := range all {
		switch {
		case f.unfinished:
			current = append(current, f)
		case f.head.generation < generation:
			p.discard(f.path, fmt.Sprintf("its generation %d is superseded by a full sync (now %d)", f.head.generation, generation))
		case f.head.generation > generation:
			return nil, fmt.Errorf("%w: %s is of generation %d, the dataset of %d; put back the metadata that belongs to this log",
				ErrGeneration, f.path, f.head.generation, generation)
		default:
			current = append(current, f)
		}
	}
	return current, nil
}

// closeSegment sets the extent of a segment that has a successor. One without a valid trailer is read through, which also finds
// out whether it reaches its successor.
func (l *Log) closeSegment(s *segment, f, next *found) error {
	if !f.hasTrailer {
		l.logger.Warn("a closed segment has no valid footer; reading all of it", "file", f.path)
		res, err := l.scanClosed(f, next.start)
		if err != nil {
			return err
		}
		s.setIndex(res.index)
		f.trailer = trailer{dataEnd: res.pos, end: res.end, firstMs: res.firstMs, lastMs: res.lastMs}
	}
	if f.trailer.end != next.start {
		return &CorruptionError{File: f.path, Offset: f.trailer.dataEnd, Stream: f.trailer.end, Err: fmt.Errorf(
			"it ends there, but the next segment %s begins at %d: segments are missing or overlap", next.path, next.start)}
	}
	s.pos.Store(f.trailer.dataEnd)
	s.end.Store(f.trailer.end)
	s.firstMs.Store(f.trailer.firstMs)
	s.lastMs.Store(f.trailer.lastMs)
	s.sealed.Store(true)
	return nil
}

// scanClosed reads a closed segment that should reach offset end.
func (l *Log) scanClosed(fd *found, end uint64) (res scanResult, err error) {
	f, err := l.fs.Open(fd.path)
	if err != nil {
		return res, fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	res = scan(f, fd.head, fd.size, end, nil)
	switch {
	case res.err == nil:
		return res, nil
	case errors.Is(res.err, errNoRecord), res.pos == fd.size:
		return res, nil // it ends too early: the caller says so
	default:
		return res, damage(res.err, fd.path, res.pos, res.end)
	}
}

// surveyLive scans the last segment and decides whether what follows its last valid record is a clean end, a torn tail, or
// damage to something that had been safe.
func (l *Log) surveyLive(p *plan) (err error) {
	f, err := l.fs.Open(p.live.path)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	before := int64(-1)
	for range readOnlyAttempts {
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("stat segment %s: %w", p.live.path, err)
		}
		p.live.size = info.Size()
		p.result, p.tail, err = judgeTail(f, p.live.path, p.live.head, info.Size(), nil)
		if err == nil {
			return nil
		}
		var damage *CorruptionError
		if !l.o.ReadOnly || !errors.As(err, &damage) || damage.Offset == before {
			return err
		}
		before = damage.Offset // a running server may just have been writing there: look again
	}
	return err
}

// judgeTail scans a segment that nothing follows. It returns a *CorruptionError for damage; otherwise tail.dirtyEnd tells a
// torn tail from a clean end.
func judgeTail(f vfs.File, path string, head segmentHeader, size int64, visit func(Record) error) (scanResult, tail, error) {
	res := scan(f, head, size, math.MaxUint64, visit)
	if !isInvalid(res.err) {
		var ve *visitError
		if errors.As(res.err, &ve) {
			return res, tail{}, ve.err
		}
		return res, tail{}, fmt.Errorf("read segment %s at file position %d: %w", path, res.pos, res.err)
	}
	t, err := inspectTail(f, seedOf(head.salt), res.pos, res.end, size)
	if err != nil {
		return res, t, fmt.Errorf("read segment %s: %w", path, err)
	}
	if t.proven {
		return res, t, &CorruptionError{File: path, Offset: res.pos, Stream: res.end, Err: fmt.Errorf(
			"%w; it is no torn tail: the record at file position %d proves that it had been fsynced", res.err, t.provenAt)}
	}
	if tr, _, err := readTrailer(f, size, seedOf(head.salt)); err == nil && tr.dataEnd == res.pos && tr.end == res.end &&
		onlyFooter(f, res.pos, size-footerSize(int64(tr.entries))) {
		t.footer = true
	}
	return res, t, nil
}

// onlyFooter reports whether there is nothing but zeros between the data and the footer.
func onlyFooter(f vfs.File, from, to int64) bool {
	t, err := inspectTail(f, 0, from, math.MaxUint64, to)
	return err == nil && t.dirtyEnd == 0
}

// repair makes the directory what the plan says: superseded and unfinished files go, and whatever follows the last valid
// record becomes zeros. All of it is fsynced before the first Append, so that nothing of it can come back.
//
// A crash in the middle leaves a state that leads to the same plan: each step only moves towards it, and zeroing a torn tail
// from its end to its beginning or in any other order leaves a torn tail.
func (l *Log) repair(p *plan) error {
	for i, path := range p.remove {
		l.logger.Warn("removing a file of the log", "file", path, "why", p.why[i])
		if err := removeIfExists(l.fs, path); err != nil {
			return err
		}
	}
	if err := syncDir(l.fs, l.o.Dir); err != nil {
		return err
	}
	if p.live == nil {
		return l.begin()
	}
	file, sync, err := openLive(l.fs, p.live.path)
	if err != nil {
		return err
	}
	l.writer.file, l.writer.sync = file, sync
	if p.torn() {
		l.logger.Warn("cut a torn tail off the log: a crash had interrupted its last write",
			"file", p.live.path, "position", p.result.pos, "bytes", p.tail.dirtyEnd-p.result.pos, "offset", p.result.end, "cause", p.result.err)
	}
	if err := l.zero(p); err != nil {
		return errors.Join(err, l.writer.closeFiles())
	}
	return nil
}

// torn reports whether a torn tail follows the last record of the live segment.
func (p *plan) torn() bool { return p.live != nil && p.tail.dirtyEnd > 0 && !p.tail.footer }

// zero overwrites what follows the last valid record and fsyncs the segment, also when there is nothing to overwrite: the
// records may have been written by a process that was killed before its fsync, and Open reports them as synced.
func (l *Log) zero(p *plan) error {
	for at := p.result.pos; at < p.tail.dirtyEnd; at += zeroStepMax {
		n := min(zeroStepMax, p.tail.dirtyEnd-at)
		if _, err := l.writer.file.WriteAt(zeros[:n], at); err != nil {
			return fmt.Errorf("cut torn tail of %s: %w", p.live.path, err)
		}
	}
	if err := l.writer.sync.Sync(); err != nil {
		return fmt.Errorf("fsync segment %s: %w", p.live.path, err)
	}
	return nil
}

// begin creates the first segment.
func (l *Log) begin() error {
	s, file, sync, err := l.newLive(segmentHeader{generation: l.o.Generation, start: l.o.StartOffset})
	if err != nil {
		return err
	}
	l.writer = writer{seg: s, file: file, sync: sync, size: segmentHeaderSize, indexed: -indexInterval}
	return nil
}

// adopt sets the state of the log from what recovery has found.
func (l *Log) adopt(p *plan) {
	w := &l.writer
	if p.live != nil {
		s, res := p.segs[len(p.segs)-1], p.result
		s.pos.Store(res.pos)
		s.end.Store(res.end)
		s.firstMs.Store(res.firstMs)
		s.lastMs.Store(res.lastMs)
		s.setIndex(res.index)
		w.seg, w.records, w.marked, w.size, w.indexed = s, res.records, res.marked, p.live.size, s.lastIndexed()
	} else if w.seg != nil {
		p.segs = []*segment{w.seg}
	}
	l.mu.segs = p.segs
	end, start := l.o.StartOffset, l.o.StartOffset
	if w.seg != nil {
		w.epoch, w.history = w.seg.head.epoch, w.seg.head.history
		end, start = w.seg.end.Load(), p.segs[0].head.start
	}
	l.mu.epoch, l.mu.history = w.epoch, w.history
	l.start.Store(start)
	l.end.Store(end)
	l.written.Store(end)
	l.synced.Store(end)
	l.recov = Recovery{End: end, Removed: p.remove}
	if p.torn() {
		l.recov.TornFile, l.recov.TornAt, l.recov.TornBytes = p.live.path, p.result.pos, p.tail.dirtyEnd-p.result.pos
	}
}
