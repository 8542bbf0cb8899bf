package wal

import (
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestReaders runs one table over both sources: records of a live segment, read where they were written, and the same records
// in segments that are closed, read after a reopen. Sizes go from one byte to beyond the reader's buffer and beyond a segment.
func TestReaders(t *testing.T) {
	cases := []struct {
		name  string
		sizes []int
	}{
		{"one byte", []int{1}},
		{"small", []int{1, 2, 3, 100, 1, 7}},
		{"many, over several index entries", repeat(2000, 150)},
		{"larger than the buffer", []int{10, DefaultReadBuffer + 1000, 10}},
		{"much larger than the buffer, twice", []int{3 * DefaultReadBuffer, 5 * DefaultReadBuffer, 1}},
		{"header at the buffer's end", []int{DefaultReadBuffer - recordHeaderSize - 20, 300, 5}},
	}
	modes := map[string]struct {
		segment int64
		reopen  bool
		closed  bool // the case must be met by closedSource
	}{
		"live":                  {segment: DefaultSegmentSize},
		"live, recovered":       {segment: DefaultSegmentSize, reopen: true},
		"closed":                {segment: MinSegmentSize, closed: true},
		"closed, from footer":   {segment: MinSegmentSize, reopen: true, closed: true},
		"closed, 128K, reopen":  {segment: 128 << 10, reopen: true},
		"closed, 128K, running": {segment: 128 << 10},
	}
	for mode, m := range modes {
		for _, tc := range cases {
			t.Run(mode+"/"+tc.name, func(t *testing.T) {
				o := quiet(vfs.NewMem(), SyncNo)
				o.SegmentSize = m.segment
				l, err := Open(o)
				require.NoError(t, err)
				var starts []uint64
				for _, n := range tc.sizes {
					starts = append(starts, l.End())
					appendN(t, l, n)
				}
				end := l.End()
				require.NoError(t, l.WaitWritten(deadline(t), end))
				if m.closed { // one more record, of a new epoch, closes the last segment
					l.SetEpoch(1, HistoryID{1})
					end = appendN(t, l, 5)
					require.NoError(t, l.WaitWritten(deadline(t), end))
				}
				if m.reopen {
					require.NoError(t, l.Close())
					l, err = Open(o)
					require.NoError(t, err)
				}
				for i, start := range starts {
					if i > 5 && i%397 != 0 {
						continue
					}
					for _, off := range []uint64{start, start + uint64(tc.sizes[i])/2, start + uint64(tc.sizes[i]) - 1} {
						r, err := l.NewReader(off)
						require.NoError(t, err)
						rec, err := r.Next()
						require.NoError(t, err)
						require.Equal(t, off, rec.Start)
						require.EqualValues(t, start, rec.TimeMs)
						require.Len(t, rec.Payload, tc.sizes[i]-int(off-start))
						_, closed := r.src.(*closedSource)
						if m.closed || m.segment == DefaultSegmentSize {
							require.Equal(t, m.closed, closed)
						}
						require.NoError(t, r.Close())
						got, err := readAll(t, l, off)
						require.NoError(t, err)
						require.Equal(t, end, got)
					}
				}
				require.NoError(t, l.Close())
			})
		}
	}
}

func repeat(n, size int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = size
	}
	return s
}

func TestReaderBufferShrinks(t *testing.T) {
	o := quiet(vfs.NewMem(), SyncNo)
	o.SegmentSize = 64 << 20
	l, err := Open(o)
	require.NoError(t, err)
	for _, n := range []int{10, 4 << 20, 10, 10} {
		appendN(t, l, n)
	}
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	r, err := l.NewReader(0)
	require.NoError(t, err)
	for range 4 {
		_, err := r.Next()
		require.NoError(t, err)
	}
	require.LessOrEqual(t, cap(r.src.(*tailSource).fr.buf), DefaultReadBuffer)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "closing twice is harmless")
	require.NoError(t, l.Close())
}

// TestOpenReaderIsShort: however large the log, opening a reader anywhere reads one short stretch.
func TestOpenReaderIsShort(t *testing.T) {
	o := quiet(vfs.NewMem(), SyncNo)
	o.SegmentSize = 1 << 20
	l, err := Open(o)
	require.NoError(t, err)
	for range 4000 {
		appendN(t, l, 1000)
	}
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	require.Len(t, l.Segments(), 4)
	checkShort(t, l)
	require.NoError(t, l.Close())
	l, err = Open(o)
	require.NoError(t, err)
	require.Len(t, l.Segments(), 4)
	checkShort(t, l)
	for _, s := range l.segments()[:3] {
		require.Empty(t, s.indexCopy(), "memory does not grow with the log")
	}
	require.NoError(t, l.Close())
}

func checkShort(t *testing.T, l *Log) {
	t.Helper()
	for off := uint64(17); off < l.End(); off += 77_777 {
		r, err := l.NewReader(off)
		require.NoError(t, err)
		fr := func() *frames {
			switch s := r.src.(type) {
			case *closedSource:
				return s.fr
			case *tailSource:
				return s.fr
			}
			return nil
		}()
		require.LessOrEqual(t, off-fr.off, uint64(indexInterval+2000))
		require.NoError(t, r.Close())
	}
}

func TestReaderLimits(t *testing.T) {
	o := quiet(vfs.NewMem(), SyncNo)
	o.StartOffset = 50
	l, err := Open(o)
	require.NoError(t, err)
	_, err = l.NewReader(49)
	require.ErrorIs(t, err, ErrTrimmed)
	_, err = l.NewReader(51)
	require.ErrorIs(t, err, ErrNotYet)
	r, err := l.NewReader(50)
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)

	end := appendN(t, l, 10)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF, "appended is not written")
	_, err = l.NewReader(end)
	require.ErrorIs(t, err, ErrNotYet)
	require.NoError(t, l.WaitWritten(deadline(t), end))
	rec, err := r.Next()
	require.NoError(t, err)
	require.EqualValues(t, 50, rec.Start)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)

	require.NoError(t, l.Close())
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF, "a reader outlives Close")
	require.NoError(t, r.Close())
}

// TestReaderFollowsWriter: a reader at the tail goes over rotations and epoch changes while the writer makes them.
func TestReaderFollowsWriter(t *testing.T) {
	l, err := Open(quiet(vfs.NewMem(), SyncNo))
	require.NoError(t, err)
	const total = 400_000
	var wg sync.WaitGroup
	for range 3 {
		r, err := l.NewReader(0)
		require.NoError(t, err)
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { _ = r.Close() }()
			for off := uint64(0); off < total; {
				rec, err := r.Next()
				if errors.Is(err, io.EOF) {
					if err := l.WaitWritten(deadline(t), off+1); err != nil {
						t.Errorf("wait: %v", err)
						return
					}
					continue
				}
				if err != nil || rec.Start != off || string(rec.Payload) != string(payloadAt(off, len(rec.Payload))) {
					t.Errorf("at %d: record %d, %v", off, rec.Start, err)
					return
				}
				off += uint64(len(rec.Payload))
			}
		}()
	}
	rng := newRNG(3)
	for l.End() < total {
		if rng.IntN(50) == 0 {
			l.SetEpoch(l.mu.epoch+1, HistoryID{byte(rng.IntN(256))})
		}
		appendN(t, l, 1+rng.IntN(600))
	}
	wg.Wait()
	require.Greater(t, len(l.Segments()), 100)
	require.NoError(t, l.Close())
}

// TestDropBefore: whole closed segments go, the live one stays, an open reader keeps its file.
func TestDropBefore(t *testing.T) {
	fs := vfs.NewMem()
	o := quiet(fs, SyncNo)
	l, err := Open(o)
	require.NoError(t, err)
	for range 40 {
		appendN(t, l, 500)
	}
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	segs := l.Segments()
	require.Len(t, segs, 6)
	reader, err := l.NewReader(0)
	require.NoError(t, err)

	dropped, err := l.DropBefore(segs[0].End - 1)
	require.NoError(t, err)
	require.Empty(t, dropped)
	dropped, err = l.DropBefore(segs[1].End)
	require.NoError(t, err)
	require.Equal(t, segs[:2], dropped)
	require.Equal(t, segs[2].Start, l.Start())
	_, err = l.NewReader(0)
	require.ErrorIs(t, err, ErrTrimmed)

	for off := uint64(0); off < segs[0].End; {
		rec, err := reader.Next()
		require.NoError(t, err, "the file is gone, the reader is not")
		off += uint64(len(rec.Payload))
	}
	_, err = reader.Next()
	require.ErrorIs(t, err, ErrTrimmed)
	require.NoError(t, reader.Close())

	dropped, err = l.DropBefore(l.End() + 1000)
	require.NoError(t, err)
	require.Equal(t, segs[2:5], dropped)
	require.Len(t, l.Segments(), 1, "the live segment stays")
	require.NoError(t, l.Close())
	l, err = Open(o)
	require.NoError(t, err)
	require.Equal(t, segs[5].Start, l.Start())
	require.EqualValues(t, 20_000, l.End())
	require.NoError(t, l.Close())
}

func TestReset(t *testing.T) {
	fs := vfs.NewMem()
	o := quiet(fs, SyncNo)
	l, err := Open(o)
	require.NoError(t, err)
	for range 20 {
		appendN(t, l, 500)
	}
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	appendN(t, l, 77) // stays pending
	r, err := l.NewReader(0)
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() { waited <- l.WaitSynced(deadline(t), 1<<40) }()
	awaitSleepers(t, l, 1)

	require.ErrorContains(t, l.Reset(1, 0, 0, HistoryID{}), "generation 1 is not above")
	id := HistoryID{4, 2}
	require.NoError(t, l.Reset(2, 3000, 8, id))
	require.ErrorIs(t, <-waited, ErrTrimmed)
	_, err = r.Next()
	require.ErrorIs(t, err, ErrTrimmed, "the same offsets are other bytes now")
	require.NoError(t, r.Close())
	require.EqualValues(t, 3000, l.Start())
	require.EqualValues(t, 3000, l.End())
	require.Zero(t, l.PendingBytes())
	names, err := fs.List("wal")
	require.NoError(t, err)
	require.Equal(t, []string{segmentName(3000)}, names)

	require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 10)))
	seg := l.Segments()[0]
	require.Equal(t, SegmentInfo{
		Path: "wal/" + segmentName(3000), Generation: 2, Epoch: 8, History: id, Start: 3000, End: 3010,
		FileBytes: seg.FileBytes, FirstTimeMs: 3000, LastTimeMs: 3000,
	}, seg)
	require.NoError(t, l.Close())
	_, err = Open(o)
	require.ErrorIs(t, err, ErrGeneration, "metadata of the old generation does not fit")
	o.Generation = 2
	l, err = Open(o)
	require.NoError(t, err)
	require.EqualValues(t, 3010, l.End())
	require.ErrorIs(t, func() error { _ = l.Close(); return l.Reset(3, 0, 0, id) }(), ErrClosed)
}

// TestReaderDuringReset: the moment between the new file's appearance under an old name and the end of Reset is no corruption.
func TestReaderDuringReset(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 3000)))
	}
	for _, s := range l.segments() {
		_, err = createSegment(fs, "wal", segmentHeader{generation: 2, start: s.head.start, salt: newSalt()})
		require.NoError(t, err)
		_, err = readAll(t, l, s.head.start+1)
		require.ErrorIs(t, err, ErrTrimmed)
		require.NotErrorIs(t, err, ErrCorrupt)
	}
	require.NoError(t, l.Close())
}

// TestSetEpoch: every change begins a segment whose header and records carry it; a change before any record replaces the
// empty segment; a change taken back leaves nothing.
func TestSetEpoch(t *testing.T) {
	fs := vfs.NewMem()
	o := quiet(fs, SyncNo)
	l, err := Open(o)
	require.NoError(t, err)
	a, b := HistoryID{'a'}, HistoryID{'b'}
	l.SetEpoch(1, a)
	appendN(t, l, 10)
	l.SetEpoch(2, b)
	l.SetEpoch(1, a)
	appendN(t, l, 10)
	l.SetEpoch(2, b)
	l.SetEpoch(3, b)
	appendN(t, l, 10)
	require.NoError(t, l.WaitWritten(deadline(t), 30))
	l.SetEpoch(4, a)
	check := func() {
		t.Helper()
		segs := l.Segments()
		require.Len(t, segs, 2)
		require.EqualValues(t, 1, segs[0].Epoch)
		require.Equal(t, a, segs[0].History)
		require.EqualValues(t, 20, segs[0].End)
		require.EqualValues(t, 3, segs[1].Epoch)
		require.Equal(t, b, segs[1].History)
		r, err := l.NewReader(20)
		require.NoError(t, err)
		rec, err := r.Next()
		require.NoError(t, err)
		require.EqualValues(t, 3, rec.Epoch)
		require.NoError(t, r.Close())
	}
	check()
	require.NoError(t, l.Close())
	l, err = Open(o)
	require.NoError(t, err)
	check()
	l.SetEpoch(3, b) // what it is already
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 10)))
	require.Len(t, l.Segments(), 2)

	appendN(t, l, 10)
	l.SetEpoch(5, a) // after the last record of a group: for the next one
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 10)))
	segs := l.Segments()
	require.Len(t, segs, 3)
	require.EqualValues(t, 5, segs[2].Epoch)
	require.EqualValues(t, 50, segs[2].Start)
	require.NoError(t, l.Close())
}

// TestReadOnly looks at the log of a running server, with its torn tail, and at that of another generation; nothing changes.
func TestReadOnly(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	for range 20 {
		appendN(t, l, 500)
	}
	require.NoError(t, l.WaitWritten(deadline(t), l.End()))
	appendN(t, l, 500) // not written: not visible
	before := takeImage(t, fs)
	o := quiet(fs, SyncNo)
	o.ReadOnly, o.Generation = true, 0
	ro, err := Open(o)
	require.NoError(t, err)
	require.EqualValues(t, 10_000, ro.End())
	got, err := readAll(t, ro, 0)
	require.NoError(t, err)
	require.EqualValues(t, 10_000, got)
	_, err = ro.Append(KindData, 0, []byte("x"))
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = ro.DropBefore(5000)
	require.ErrorIs(t, err, ErrReadOnly)
	require.ErrorIs(t, ro.Reset(5, 0, 0, HistoryID{}), ErrReadOnly)
	require.NoError(t, ro.Close())
	require.Equal(t, before, takeImage(t, fs))
	require.NoError(t, l.Close())

	im, synced, _ := smallLog(t, false)
	name := im.names()[2]
	fs = im.mount(t, name, im[name][:len(im[name])-1])
	before = takeImage(t, fs)
	o.FS = fs
	ro, err = Open(o)
	require.NoError(t, err)
	require.Equal(t, synced, ro.End())
	require.Equal(t, "wal/"+name, ro.Recovery().TornFile)
	require.NoError(t, ro.Close())
	require.Equal(t, before, takeImage(t, fs))

	o.Dir = "nowhere"
	_, err = Open(o)
	require.Error(t, err)
}

func TestVerifySegment(t *testing.T) {
	im, _, _ := smallLog(t, false)
	fs := im.mount(t, "", nil)
	paths, err := ListSegments(fs, "wal")
	require.NoError(t, err)
	require.Len(t, paths, 3)
	var seen int
	count := func(r Record) error {
		require.Equal(t, payloadAt(r.Start, len(r.Payload)), r.Payload)
		seen++
		return nil
	}
	rep, err := VerifySegment(fs, paths[0], count)
	require.NoError(t, err)
	require.Equal(t, TailSealed, rep.Tail)
	require.EqualValues(t, 3, rep.Records)
	require.Equal(t, 3, seen)
	require.EqualValues(t, 750, rep.Info.End)
	rep, err = VerifySegment(fs, paths[2], nil)
	require.NoError(t, err)
	require.Equal(t, TailClean, rep.Tail)
	require.False(t, rep.Marks)

	name := im.names()[2]
	rep, err = VerifySegment(im.mount(t, name, im[name][:len(im[name])-3]), paths[2], nil)
	require.NoError(t, err)
	require.Equal(t, TailTorn, rep.Tail)
	require.ErrorIs(t, rep.TornCause, errShort)
	require.EqualValues(t, segmentHeaderSize+298, rep.EndPos)
	require.EqualValues(t, 48+120-3, rep.TornBytes)

	content := append([]byte(nil), im[name]...)
	content[segmentHeaderSize+60] ^= 4
	_, err = VerifySegment(im.mount(t, name, content), paths[2], nil)
	var c *CorruptionError
	require.ErrorAs(t, err, &c)
	require.EqualValues(t, segmentHeaderSize, c.Offset)
	_, err = VerifySegment(im.mount(t, name, content[:40]), paths[2], nil)
	require.ErrorIs(t, err, ErrCorrupt)
	stop := errors.New("stop")
	_, err = VerifySegment(fs, paths[0], func(Record) error { return stop })
	require.ErrorIs(t, err, stop)
	_, err = VerifySegment(fs, "wal/x.log", nil)
	require.Error(t, err)

	im, _, _ = smallLog(t, true)
	rep, err = VerifySegment(im.mount(t, "", nil), paths[2], nil)
	require.NoError(t, err)
	require.True(t, rep.Marks)
}
