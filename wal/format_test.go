package wal

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden reads testdata/format/<name>.hex: hexadecimal bytes, spaces, and comments from # on.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "format", name+".hex"))
	require.NoError(t, err)
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	require.NoError(t, err)
	return b
}

// The values in the golden files.
var (
	goldenHead = segmentHeader{
		generation: 7, start: 0x0102030405060708, createdMs: 1700000000000, salt: 0x1122334455667788, epoch: 3,
		history: HistoryID([]byte("0123456789abcdef0123456789abcdef01234567")),
	}
	goldenRecord = recordHeader{
		length: 5, start: 0x0102030405060708, synced: 0x0102030405060700, timeMs: 1700000000001, epoch: 3, kind: KindNoop,
	}
	goldenMark = recordHeader{
		start: 0x010203040506070D, synced: 0x010203040506070D, timeMs: 1700000000001, epoch: 3, kind: kindMark,
	}
	goldenIndex   = sparseIndex{{off: 0x0102030405060708, pos: 128}, {off: 0x0102030405070000, pos: 70000}}
	goldenTrailer = trailer{
		entries: 2, dataEnd: 80000, end: 0x0102030405070B0B, firstMs: 1700000000001, lastMs: 1700000000002, records: 99,
	}
)

// encodeRecord is what appendRecord and sealRecord do together.
func encodeRecord(h recordHeader, payload []byte, seed uint32) []byte {
	b := appendRecord(nil, h, payload)
	sealRecord(b, seed, h.synced)
	return b
}

// TestGoldenFiles: the bytes on disk are those in testdata/format, in both directions.
func TestGoldenFiles(t *testing.T) {
	seed := seedOf(goldenHead.salt)

	require.Equal(t, golden(t, "segment_header"), goldenHead.encode())
	head, err := decodeSegmentHeader(golden(t, "segment_header"))
	require.NoError(t, err)
	require.Equal(t, goldenHead, head)

	record := golden(t, "record")
	require.Equal(t, record, encodeRecord(goldenRecord, []byte("PING\n"), seed))
	h, err := decodeRecordHeader(record, seed)
	require.NoError(t, err)
	require.True(t, payloadOK(h, record[recordHeaderSize:], seed))
	h.payloadSum = 0
	require.Equal(t, goldenRecord, h)

	require.Equal(t, golden(t, "mark"), encodeRecord(goldenMark, nil, seed))

	footer := golden(t, "footer")
	require.Equal(t, footer, encodeFooter(goldenIndex, goldenTrailer, seed))
	tr, _, err := decodeTrailer(footer[len(footer)-trailerSize:], 90000, seed)
	require.NoError(t, err)
	require.Equal(t, goldenTrailer, tr)
}

// TestVersionIsNotCorruption: bytes of a later version, rightly checksummed, are ErrVersion in a header and in a record.
func TestVersionIsNotCorruption(t *testing.T) {
	b := goldenHead.encode()
	b[8] = 2
	_, err := decodeSegmentHeader(b)
	require.ErrorIs(t, err, ErrVersion)
	require.NotErrorIs(t, err, errSegmentHead)

	seed := seedOf(1)
	for at, v := range map[int]byte{44: 9, 45: 2, 46: 1} {
		rec := appendRecord(nil, goldenRecord, []byte("PING\n"))
		rec[at] = v
		sealRecord(rec, seed, 0)
		_, err = decodeRecordHeader(rec, seed)
		require.ErrorIs(t, err, ErrVersion)
		require.False(t, isInvalid(err))
	}
}

func TestSegmentNames(t *testing.T) {
	for _, start := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		got, ok := parseSegmentName(segmentName(start))
		require.True(t, ok)
		require.Equal(t, start, got)
	}
	for _, bad := range []string{"", ".log", "1.log", "0000000000000000000a.log", "99999999999999999999.log", "00000000000000000001.LOG", "+0000000000000000001.log"} {
		_, ok := parseSegmentName(bad)
		require.False(t, ok, bad)
	}
}

// FuzzDecodeRecord: no panic, and what decodes encodes to the same bytes.
func FuzzDecodeRecord(f *testing.F) {
	seed := seedOf(goldenHead.salt)
	f.Add(golden(f, "record"))
	f.Add(golden(f, "mark"))
	f.Add(make([]byte, 60))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, reseal := range []bool{false, true} {
			if reseal { // let the fuzzer get past the checksums
				if len(b) < recordHeaderSize || rawRecordSize(b) > len(b) || rawRecordSize(b) < recordHeaderSize {
					return
				}
				b = append([]byte(nil), b[:rawRecordSize(b)]...)
				sealRecord(b, seed, goldenRecord.synced)
			}
			h, err := decodeRecordHeader(b, seed)
			if err != nil || h.size() > int64(len(b)) {
				continue
			}
			payload := b[recordHeaderSize:h.size()]
			if !payloadOK(h, payload, seed) {
				continue
			}
			require.Equal(t, b[:h.size()], encodeRecord(h, payload, seed))
		}
	})
}

// FuzzSegmentFile: any bytes as a whole segment file are judged without panic, without reading what is not there, and every record
// that is returned has the right place in the stream.
func FuzzSegmentFile(f *testing.F) {
	im, _, _ := smallLog(f, true)
	for _, n := range im.names() {
		f.Add(im[n])
	}
	f.Add(append(golden(f, "segment_header"), golden(f, "record")...))
	f.Add(append(append(golden(f, "segment_header"), golden(f, "record")...), golden(f, "footer")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, err := decodeSegmentHeader(b)
		if err == nil {
			require.Equal(t, b[:40], head.encode()[:40])
		}
		fs := image{segmentName(head.start): b}.mount(t, "", nil)
		off := head.start
		rep, err := VerifySegment(fs, "wal/"+segmentName(head.start), func(r Record) error {
			require.Equal(t, off, r.Start)
			off += uint64(len(r.Payload))
			return nil
		})
		require.LessOrEqual(t, rep.EndPos, int64(len(b)))
		if err == nil {
			require.Equal(t, off, rep.Info.End)
		}
		o := quiet(fs, SyncNo)
		o.ReadOnly, o.Generation = true, 0
		l, err := Open(o)
		if err == nil {
			r, err := l.NewReader(l.Start())
			require.NoError(t, err)
			for err == nil {
				_, err = r.Next()
			}
			require.NoError(t, r.Close())
			require.NoError(t, l.Close())
		}
	})
}

// FuzzFooter: any bytes as a footer are refused or decode to themselves.
func FuzzFooter(f *testing.F) {
	seed := seedOf(goldenHead.salt)
	f.Add(golden(f, "footer"), int64(90000))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if len(b) < trailerSize {
			return
		}
		tr, _, err := decodeTrailer(b[len(b)-trailerSize:], size, seed)
		if err != nil {
			require.ErrorIs(t, err, errTrailer)
			return
		}
		require.LessOrEqual(t, footerSize(int64(tr.entries)), size)
	})
}
