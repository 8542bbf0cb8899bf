package wal

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// image is the content of a log directory.
type image map[string][]byte

// takeImage copies the files of a log.
func takeImage(t testing.TB, fs *vfs.MemFS) image {
	t.Helper()
	names, err := fs.List("wal")
	require.NoError(t, err)
	im := image{}
	for _, n := range names {
		b, err := fs.UnsafeGetFileDataBuffer("wal/" + n)
		require.NoError(t, err)
		im[n] = slices.Clone(b)
	}
	return im
}

// mount puts the image into a new file system, with the file name changed to content.
func (im image) mount(t testing.TB, name string, content []byte) *vfs.MemFS {
	t.Helper()
	return im.mountOn(t, vfs.NewMem(), name, content)
}

// mountCrashable is mount on a file system that can crash; the image is synced.
func (im image) mountCrashable(t testing.TB, name string, content []byte) *vfs.MemFS {
	t.Helper()
	return im.mountOn(t, vfs.NewCrashableMem(), name, content)
}

func (im image) mountOn(t testing.TB, fs *vfs.MemFS, name string, content []byte) *vfs.MemFS {
	t.Helper()
	require.NoError(t, fs.MkdirAll("wal", 0o755))
	for n, b := range im {
		if n == name {
			b = content
		}
		f, err := fs.Create("wal/"+n, diskCategory)
		require.NoError(t, err)
		_, err = f.Write(slices.Clone(b))
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
	}
	for _, dir := range []string{"/", "wal"} {
		require.NoError(t, syncDir(fs, dir))
	}
	return fs
}

func (im image) names() []string {
	var names []string
	for n := range im {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// smallLog builds a log of three segments: synced up to the returned offset, then one record that is only written. With
// clean it is closed instead, and everything is synced.
func smallLog(t testing.TB, clean bool) (im image, synced, end uint64) {
	t.Helper()
	fs := vfs.NewMem()
	o := quiet(fs, SyncNo)
	o.SegmentSize = MinSegmentSize
	l, err := Open(o)
	require.NoError(t, err)
	for range 7 {
		require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 250)))
	}
	synced = l.Synced()
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 120)))
	end = l.End()
	require.Len(t, l.Segments(), 3)
	if clean {
		require.NoError(t, l.Close())
		return takeImage(t, fs), end, end
	}
	im = takeImage(t, fs)
	require.NoError(t, l.Close())
	return im, synced, end
}

// openDamaged opens the log and reads all of it. The error is Open's or the reader's.
func openDamaged(t testing.TB, fs *vfs.MemFS) (l *Log, end uint64, err error) {
	t.Helper()
	o := quiet(fs, SyncAlways)
	o.SegmentSize = MinSegmentSize
	l, err = Open(o)
	if err != nil {
		return nil, 0, err
	}
	end, err = readAll(t, l, l.Start())
	return l, end, err
}

// TestTornTailAtEveryByte: the last, unsynced record is cut short, cut by zeros, or followed by garbage from every byte on.
// It disappears, everything before it stays, and the log goes on.
func TestTornTailAtEveryByte(t *testing.T) {
	im, synced, end := smallLog(t, false)
	name := im.names()[2]
	whole := im[name]
	size := recordHeaderSize + int(end-synced)
	from := len(whole) - size
	for cut := from; cut < len(whole); cut++ {
		zeroed := append(slices.Clone(whole[:cut]), make([]byte, len(whole)-cut+100)...)
		garbage := slices.Clone(whole)
		for i := cut; i < len(whole); i++ {
			garbage[i] ^= 0x5A
		}
		for variant, content := range map[string][]byte{"short": whole[:cut], "zeros": zeroed, "garbage": garbage} {
			fs := im.mount(t, name, content)
			l, got, err := openDamaged(t, fs)
			require.NoError(t, err, "%s at %d", variant, cut)
			require.Equal(t, synced, got, "%s at %d", variant, cut)
			if cut > from && variant != "garbage" || variant == "garbage" {
				require.Equal(t, "wal/"+name, l.Recovery().TornFile, "%s at %d", variant, cut)
				require.EqualValues(t, from, l.Recovery().TornAt)
				require.Positive(t, l.Recovery().TornBytes)
			} else {
				require.Empty(t, l.Recovery().TornFile)
			}
			require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 60)))
			require.NoError(t, l.Close())
			l, got, err = openDamaged(t, fs)
			require.NoError(t, err)
			require.Equal(t, synced+60, got)
			require.Empty(t, l.Recovery().TornFile, "a cut is made once")
			require.NoError(t, l.Close())
		}
	}
}

// TestBitFlipAtEveryByte: one flipped bit anywhere gives a refusal that names the file, or costs at most bytes that were not
// synced; never wrong bytes (readAll compares every byte).
func TestBitFlipAtEveryByte(t *testing.T) {
	for _, clean := range []bool{false, true} {
		im, synced, end := smallLog(t, clean)
		refused, lost := 0, 0
		for _, name := range im.names() {
			for i := range im[name] {
				content := slices.Clone(im[name])
				content[i] ^= 1 << (i % 8)
				fs := im.mount(t, name, content)
				before := takeImage(t, fs)
				l, got, err := openDamaged(t, fs)
				switch {
				case err != nil:
					refused++
					var c *CorruptionError
					if errors.As(err, &c) {
						require.ErrorIs(t, err, ErrCorrupt)
						require.Equal(t, "wal/"+name, c.File, "flip at %d", i)
					} else {
						require.ErrorIs(t, err, ErrVersion, "%s, flip at %d", name, i)
					}
				case got < end:
					lost++
					require.GreaterOrEqual(t, got, synced, "%s, flip at %d", name, i)
					require.NotEmpty(t, l.Recovery().TornFile)
				}
				if l != nil {
					require.NoError(t, l.Close())
				} else {
					require.Equal(t, before, takeImage(t, fs), "a refusal changes nothing")
				}
			}
		}
		t.Logf("clean %v: %d flips refused, %d cost unsynced bytes", clean, refused, lost)
		require.Greater(t, refused, 1500)
		if clean {
			require.Zero(t, lost, "everything in a cleanly closed log is proven")
		} else {
			require.Equal(t, recordHeaderSize+int(end-synced), lost)
		}
	}
}

// TestTruncatedFiles: a file cut short at any length is noticed, or costs unsynced bytes only.
func TestTruncatedFiles(t *testing.T) {
	im, synced, _ := smallLog(t, false)
	for _, name := range im.names() {
		for n := range im[name] {
			l, got, err := openDamaged(t, im.mount(t, name, im[name][:n]))
			if name == im.names()[2] && n <= segmentHeaderSize+recordHeaderSize {
				// The whole content of the last file is gone, or its header: power loss cannot do that to a segment that was in
				// use, but an empty file is also what an unfinished creation looks like.
				if l != nil {
					require.NoError(t, l.Close())
				}
				continue
			}
			if err == nil {
				require.GreaterOrEqual(t, got, min(synced, l.End()))
			} else {
				require.ErrorIs(t, err, ErrCorrupt)
			}
			if l != nil {
				require.NoError(t, l.Close())
			}
		}
	}
}

// TestSyncedRecordIsNotATornTail: a bad record that a later one proves to have been fsynced is refused, with the position.
func TestSyncedRecordIsNotATornTail(t *testing.T) {
	im, synced, _ := smallLog(t, false)
	name := im.names()[2]
	content := slices.Clone(im[name])
	content[segmentHeaderSize+recordHeaderSize+5] ^= 1
	start, ok := parseSegmentName(name)
	require.True(t, ok)
	_, _, err := openDamaged(t, im.mount(t, name, content))
	var c *CorruptionError
	require.ErrorAs(t, err, &c)
	require.Equal(t, CorruptionError{File: "wal/" + name, Offset: segmentHeaderSize, Stream: start, Err: c.Err}, *c)
	require.ErrorIs(t, err, errPayloadSum)
	require.ErrorContains(t, err, "file position 128")

	t.Run("several unsynced records are a torn tail at the first bad one", func(t *testing.T) {
		fs := vfs.NewMem()
		l, err := Open(quiet(fs, SyncNo))
		require.NoError(t, err)
		for range 5 {
			require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 100)))
		}
		im := takeImage(t, fs)
		require.NoError(t, l.Close())
		name := im.names()[0]
		content := slices.Clone(im[name])
		content[segmentHeaderSize+148+60] ^= 1
		l, got, err := openDamaged(t, im.mount(t, name, content))
		require.NoError(t, err)
		require.EqualValues(t, 100, got)
		require.EqualValues(t, segmentHeaderSize+148, l.Recovery().TornAt)
		require.EqualValues(t, 4*148, l.Recovery().TornBytes)
		require.NoError(t, l.Close())
	})
	require.Positive(t, synced)
}

// TestStaleRecordsNeverValidate: a whole record of another segment's life, at its own offset, is not taken for one.
func TestStaleRecordsNeverValidate(t *testing.T) {
	var images []image
	for range 2 {
		fs := vfs.NewMem()
		l, err := Open(quiet(fs, SyncNo))
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 100)))
		}
		images = append(images, takeImage(t, fs))
		require.NoError(t, l.Close())
	}
	name := images[0].names()[0]
	content := slices.Clone(images[0][name])
	copy(content[segmentHeaderSize+148:], images[1][name][segmentHeaderSize+148:])
	l, got, err := openDamaged(t, images[0].mount(t, name, content))
	require.NoError(t, err)
	require.EqualValues(t, 100, got)
	require.NoError(t, l.Close())
}

// TestRepeatedRecordIsNoRecord: a whole record of this segment in the place of another, as a misdirected write leaves it.
func TestRepeatedRecordIsNoRecord(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 100)))
	}
	im := takeImage(t, fs)
	require.NoError(t, l.Close())
	name := im.names()[0]
	content := slices.Clone(im[name])
	copy(content[segmentHeaderSize+148:], content[segmentHeaderSize:segmentHeaderSize+148])
	l, got, err := openDamaged(t, im.mount(t, name, content))
	require.NoError(t, err)
	require.EqualValues(t, 100, got)
	require.EqualValues(t, segmentHeaderSize+148, l.Recovery().TornAt)
	require.NoError(t, l.Close())
}

// TestDirectoryShape: what Open makes of missing, doubled, foreign and unfinished files.
func TestDirectoryShape(t *testing.T) {
	im, _, end := smallLog(t, true)
	names := im.names()
	without := func(drop string) image {
		c := image{}
		for n, b := range im {
			if n != drop {
				c[n] = b
			}
		}
		return c
	}
	with := func(name string, b []byte) image {
		c := without(name)
		c[name] = b
		return c
	}
	last, _ := parseSegmentName(names[2])
	next := segmentHeader{generation: 1, start: end, salt: 3}
	cases := []struct {
		name string
		im   image
		err  string // part of Open's error; empty: it opens
		end  uint64
	}{
		{"as it was", im, "", end},
		{"segment missing in the middle", without(names[1]), "segments are missing or overlap", 0},
		{"oldest segment missing: dropped", without(names[0]), "", end},
		{"file named wrongly", with("5.log", nil), "segments are named by 20 digits", 0},
		{"other files", with("README", []byte("hello")), "", end},
		{"unfinished creation", with("00000000000000009999.log.tmp", []byte("x")), "", end},
		{"empty next segment", with(segmentName(end), nil), "", end},
		{"next segment with half a header", with(segmentName(end), next.encode()[:50]), "", end},
		{"next segment with a zero header", with(segmentName(end), make([]byte, 500)), "", end},
		{"next segment with header only", with(segmentName(end), next.encode()), "", end},
		{"next segment elsewhere", with(segmentName(end+1), segmentHeader{generation: 1, start: end + 1}.encode()), "segments are missing or overlap", 0},
		{"next segment too early", with(segmentName(end-1), segmentHeader{generation: 1, start: end - 1}.encode()), "segments are missing or overlap", 0},
		{"half a header, then data", with(segmentName(end), append(next.encode()[:50], make([]byte, 200)...)), "", end},
		{"no header, but data", with(segmentName(end), append(make([]byte, 200), 1)), "segment header is damaged", 0},
		{"name and header disagree", with(segmentName(end), im[names[2]]), "its header says that it begins at", 0},
		{"empty file in the middle", with(names[1], nil), "segment header is damaged", 0},
		{"empty last file: never begun", with(names[2], nil), "", last},
		{"later version", with(names[2], append([]byte("RPLGWAL\n\x02"), im[names[2]][9:]...)), "unsupported format version", 0},
		{"later generation", with(segmentName(end), segmentHeader{generation: 2, start: end}.encode()), "later generation", 0},
		{"superseded", with(segmentName(end+50), segmentHeader{start: end + 50}.encode()), "", end},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			fs := tc.im.mount(t, "", nil)
			before := takeImage(t, fs)
			o := quiet(fs, SyncNo)
			l, err := Open(o)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				require.Equal(t, before, takeImage(t, fs), "a refusal changes nothing")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.end, l.End())
			require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 100)))
			require.NoError(t, l.Close())
			l, err = Open(o)
			require.NoError(t, err)
			require.Equal(t, tc.end+100, l.End())
			require.NoError(t, l.Close())
		})
	}
}

// TestLostFooterIsRebuilt: a closed segment without a valid footer is read all the same, from anywhere.
func TestLostFooterIsRebuilt(t *testing.T) {
	im, _, end := smallLog(t, true)
	name := im.names()[1]
	content := slices.Clone(im[name])
	content[len(content)-1] ^= 1
	fs := im.mount(t, name, content)
	l, err := Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	for off := uint64(0); off <= end; off += 13 {
		got, err := readAll(t, l, off)
		require.NoError(t, err)
		require.Equal(t, end, got)
	}
	require.NoError(t, l.Close())
}

// TestReaderStopsAtDamage: damage in a closed segment is found when it is read, every time, and never skipped.
func TestReaderStopsAtDamage(t *testing.T) {
	im, _, _ := smallLog(t, true)
	name := im.names()[1]
	content := slices.Clone(im[name])
	content[segmentHeaderSize+recordHeaderSize+7] ^= 0x80
	start, _ := parseSegmentName(name)
	l, err := Open(quiet(im.mount(t, name, content), SyncNo))
	require.NoError(t, err)
	r, err := l.NewReader(0)
	require.NoError(t, err)
	var c *CorruptionError
	for {
		if _, err = r.Next(); err != nil {
			break
		}
	}
	require.ErrorAs(t, err, &c)
	require.NotErrorIs(t, err, io.EOF)
	require.Equal(t, start, r.Offset())
	require.EqualValues(t, segmentHeaderSize, c.Offset)
	require.Equal(t, start, c.Stream)
	_, err = r.Next()
	require.ErrorAs(t, err, &c, "again and again")
	require.NoError(t, r.Close())
	require.NoError(t, l.Close())
}
