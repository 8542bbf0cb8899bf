package wal

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scanResult is what reading a segment from its first record on has found.
type scanResult struct {
	pos     int64  // file position after the last valid record
	end     uint64 // stream offset there
	records uint64 // without marks
	marked  bool   // the last record is a mark
	firstMs uint64
	lastMs  uint64
	index   sparseIndex
	err     error // why no record follows; nil when stopAt is reached
}

// scanBuffer is the buffer of a whole-segment scan.
const scanBuffer = 1 << 20

// scan reads the records of f, which ends at file position size, until one is not valid or offset stopAt is reached, and
// calls visit (if any) for each but marks; an error of visit ends it.
func scan(f vfs.File, head segmentHeader, size int64, stopAt uint64, visit func(Record) error) scanResult {
	fr := newFrames(f, head, indexEntry{off: head.start, pos: segmentHeaderSize}, scanBuffer)
	res := scanResult{pos: fr.pos, end: fr.off}
	for res.end < stopAt {
		h, payload, err := fr.next(size)
		if err != nil {
			res.err = err
			return res
		}
		res.marked = h.kind == kindMark
		if !res.marked {
			res.index = res.index.add(h.start, res.pos)
			if res.records == 0 {
				res.firstMs = h.timeMs
			}
			res.lastMs = h.timeMs
			res.records++
			if visit != nil {
				rec := Record{Start: h.start, Epoch: h.epoch, Kind: h.kind, TimeMs: int64(h.timeMs), Payload: payload, FilePos: res.pos}
				if err := visit(rec); err != nil {
					res.err = &visitError{err}
					return res
				}
			}
		}
		res.pos, res.end = fr.pos, fr.off
	}
	return res
}

// visitError keeps a visitor's error apart from what is wrong with the file.
type visitError struct{ err error }

func (e *visitError) Error() string { return e.err.Error() }
func (e *visitError) Unwrap() error { return e.err }

// isInvalid reports whether err says that bytes are no valid record, as opposed to an I/O error or a later version.
func isInvalid(err error) bool {
	var c *CorruptionError
	return errors.As(damage(err, "", 0, 0), &c)
}

// tail is what follows the last valid record of a segment.
type tail struct {
	dirtyEnd int64 // file position after the last byte that is not zero; 0 if all are
	// proven: a later record, in this segment's life, says that the stream was synced beyond the offset where the first
	// invalid record begins.
	proven   bool
	provenAt int64
	footer   bool // a valid footer, and nothing else, follows
}

// inspectTail looks at everything from file position pos, stream offset off, to the end of the file.
//
// A header is proof without its payload: its checksum covers `synced`, starts from this segment's salt, and a record that
// starts after off was not copied from the part of the stream that a client could have seen.
func inspectTail(f vfs.File, seed uint32, pos int64, off uint64, size int64) (tail, error) {
	var t tail
	var marker [4]byte
	binary.LittleEndian.PutUint32(marker[:], recordMarker)
	buf := make([]byte, min(scanBuffer, max(size-pos, 0)))
	for at := pos; at < size; {
		b := buf[:min(int64(len(buf)), size-at)]
		if err := readFull(f, b, at); err != nil {
			return t, err
		}
		last := at+int64(len(b)) == size
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				t.dirtyEnd = max(t.dirtyEnd, at+int64(i)+1)
				break
			}
		}
		for i := 0; ; i++ {
			k := bytes.Index(b[i:], marker[:])
			if k < 0 {
				break
			}
			i += k
			h, err := decodeRecordHeader(b[i:], seed)
			if (err == nil || errors.Is(err, ErrVersion)) && h.start >= off && h.synced > off && h.synced <= h.start {
				t.proven, t.provenAt = true, at+int64(i)
			}
		}
		if last {
			break
		}
		at += int64(len(b)) - (recordHeaderSize - 1) // a header may lie across the border
	}
	return t, nil
}
