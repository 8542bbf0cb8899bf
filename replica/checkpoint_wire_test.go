package replica

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine"
)

func sampleManifest() *manifest {
	return &manifest{
		id: "cp-1_A", replid: hex40('b'), offset: 4711, streamDB: 3,
		histories: histories("a", 0, "b", 100),
		files:     []engine.CheckpointFile{{Name: "000004.sst", Size: 1 << 20}, {Name: "MANIFEST-000001", Size: 0}, {Name: "OPTIONS-000003", Size: 17}},
	}
}

// seal appends a right checksum, so that a test reaches what it is about.
func seal(body string) []byte {
	return fmt.Appendf([]byte(body), "crc32c %08x\n", crc32.Checksum([]byte(body), castagnoli))
}

func unsealed(m *manifest) string {
	text := string(appendManifest(nil, m))
	return text[:strings.LastIndex(text, "crc32c ")]
}

func TestManifestIsReadBackAsWritten(t *testing.T) {
	m := sampleManifest()
	text := appendManifest(nil, m)
	got, err := parseManifest(text)
	require.NoError(t, err)
	require.Equal(t, m, got)
	require.EqualValues(t, 1<<20+17, got.totalBytes())
	require.EqualValues(t, 1<<20+5, got.bytesBefore(2, 5))
}

func TestManifestIsRefusedWhenAnythingInItIsWrong(t *testing.T) {
	good := unsealed(sampleManifest())
	replace := func(old, by string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, by, 1)
	}
	for name, body := range map[string]string{
		"nothing":                   "",
		"other version":             replace("replogd-checkpoint 1", "replogd-checkpoint 2"),
		"id climbs":                 replace("id cp-1_A", "id ../../etc"),
		"id empty":                  replace("id cp-1_A", "id "),
		"id long":                   replace("id cp-1_A", "id "+strings.Repeat("x", maxSnapshotID+1)),
		"replid of another history": replace("replid "+hex40('b'), "replid "+hex40('a')),
		"negative offset":           replace("offset 4711", "offset -1"),
		"histories count low":       replace("histories 2", "histories 1"),
		"histories count high":      replace("histories 2", "histories 9"),
		"histories count absurd":    replace("histories 2", "histories 4000000000"),
		"files count zero":          replace("files 3", "files 0"),
		"files count high":          replace("files 3", "files 4"),
		"files count absurd":        replace("files 3", "files 99999999999"),
		"lines left over":           replace("files 3", "files 2"),
		"name climbs":               replace("000004.sst", "../000004.sst"),
		"name absolute":             replace("000004.sst", "/000004.sst"),
		"name empty":                replace("1048576 000004.sst", "1048576 "),
		"name is a lock":            replace("OPTIONS-000003", "LOCK"),
		"name twice":                replace("MANIFEST-000001", "000004.sst"),
		"size negative":             replace("file 17", "file -17"),
		"size not a number":         replace("file 17", "file 1e3"),
		"size absurd":               replace("file 17", fmt.Sprintf("file %d", maxFileBytes+1)),
		"no size":                   replace("file 17 ", "file "),
		"order":                     replace("offset 4711\nstream-db 3\n", "stream-db 3\noffset 4711\n"),
	} {
		_, err := parseManifest(seal(body))
		require.ErrorIs(t, err, ErrProtocol, name)
	}
	text := appendManifest(nil, sampleManifest())
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 1
		_, err := parseManifest(bad)
		require.Error(t, err, "flipped bit in byte %d", i)
	}
	for i := range text {
		_, err := parseManifest(text[:i])
		require.Error(t, err, "cut to %d bytes", i)
	}
}

func TestManifestBoundsTheWholeCheckpoint(t *testing.T) {
	m := sampleManifest()
	m.files = nil
	for i := range maxCheckpointBytes/maxFileBytes + 1 {
		m.files = append(m.files, engine.CheckpointFile{Name: fmt.Sprintf("%06d.sst", i+1), Size: maxFileBytes})
	}
	_, err := parseManifest(appendManifest(nil, m))
	require.ErrorIs(t, err, ErrProtocol)
}

// The bytes of each frame as the package comment specifies them.
func TestFramesOnTheWire(t *testing.T) {
	chunk := append(make([]byte, chunkHeaderBytes), "hello"...)
	putChunk(chunk)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"chunk": {chunk, "43" + "05000000" + "crc" + hex.EncodeToString([]byte("hello"))},
		"file":  {appendFileFrame(nil, 258, 0x0102030405060708), "46" + "02010000" + "0807060504030201" + "crc"},
		"end":   {appendEndFrame(nil, 4711), "45" + "6712000000000000" + "crc"},
		"stop":  {appendStopFrame(nil, "why"), "53" + "03000000" + "crc" + hex.EncodeToString([]byte("why"))},
	} {
		at := strings.Index(c.want, "crc") / 2
		var crc [4]byte
		copy(crc[:], c.got[at:])
		without := append(bytes.Clone(c.got[:at]), c.got[at+4:]...)
		require.Equal(t, strings.Replace(c.want, "crc", "", 1), hex.EncodeToString(without), name)
		sum := crc32.Checksum(without, crc32.MakeTable(crc32.Castagnoli))
		require.Equal(t, [4]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)}, crc, name)
	}
}

func frameSample() []byte {
	chunk := append(make([]byte, chunkHeaderBytes), "some bytes of a file"...)
	putChunk(chunk)
	return appendStopFrame(appendEndFrame(appendFileFrame(chunk, 7, 99), 20), "no more")
}

func readFrames(b []byte) (fs []frame, err error) {
	d := frameReader{r: bufio.NewReader(bytes.NewReader(b))}
	for {
		f, err := d.next()
		if err != nil {
			return fs, err
		}
		f.payload = bytes.Clone(f.payload)
		fs = append(fs, f)
	}
}

func TestFramesAreReadBack(t *testing.T) {
	fs, err := readFrames(frameSample())
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []frame{
		{kind: frameChunk, payload: []byte("some bytes of a file")},
		{kind: frameFile, index: 7, sum: 99},
		{kind: frameEnd, total: 20},
		{kind: frameStop, payload: []byte("no more")},
	}, fs)
}

func TestDamagedFramesAreRefused(t *testing.T) {
	good := frameSample()
	want, _ := readFrames(good)
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			got, err := readFrames(bad)
			require.NotErrorIs(t, err, io.EOF, "bit %d of byte %d: the damage is noticed", bit, i)
			require.Less(t, len(got), len(want))
			require.Equal(t, append([]frame(nil), want[:len(got)]...), got, "and nothing damaged was handed out")
		}
	}
	for i := 1; i < len(good); i++ {
		got, err := readFrames(good[:i])
		require.Equal(t, append([]frame(nil), want[:len(got)]...), got)
		require.Error(t, err)
	}
	_, err := readFrames([]byte{frameChunk, 0, 0, 0, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrProtocol, "an empty chunk")
	_, err = readFrames([]byte{frameChunk, 1, 0, 16, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrProtocol, "a chunk over the limit is refused by its length alone")
	_, err = readFrames([]byte{frameStop, 0, 1, 0, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrProtocol, "and so is a reason")
	long, err := readFrames(appendStopFrame(nil, strings.Repeat("x", 1000)))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, long[0].payload, maxStopReason, "which the sender cuts")
	_, err = readFrames(appendFileFrame(nil, maxCheckpointFiles, 0))
	require.ErrorIs(t, err, ErrProtocol, "an index over the limit")
}

func FuzzParseManifest(f *testing.F) {
	f.Add(unsealed(sampleManifest()))
	f.Add("replogd-checkpoint 1\nid x\n")
	f.Fuzz(func(t *testing.T, body string) {
		m, err := parseManifest(seal(body))
		if err != nil {
			return
		}
		require.Equal(t, string(seal(body)), string(appendManifest(nil, m)), "accepted text has one form")
		require.LessOrEqual(t, m.totalBytes(), maxCheckpointBytes)
		for _, file := range m.files {
			require.NotContains(t, file.Name, "/")
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(frameSample())
	f.Add([]byte{frameChunk, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		fs, err := readFrames(b)
		require.Error(t, err)
		var again []byte
		for _, fr := range fs {
			switch fr.kind {
			case frameChunk:
				c := append(make([]byte, chunkHeaderBytes), fr.payload...)
				putChunk(c)
				again = append(again, c...)
			case frameFile:
				again = appendFileFrame(again, fr.index, fr.sum)
			case frameEnd:
				again = appendEndFrame(again, fr.total)
			case frameStop:
				again = appendStopFrame(again, string(fr.payload))
			}
		}
		require.True(t, bytes.HasPrefix(b, again), "what was accepted is what was sent")
	})
}
