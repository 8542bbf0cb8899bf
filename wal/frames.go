package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// frames reads the records of one segment file one after another, through one bounded buffer. It neither owns the file nor
// knows who else uses it.
type frames struct {
	f    vfs.File
	seed uint32

	pos     int64  // file position of the next record
	off     uint64 // stream offset that it must have
	epoch   uint32 // epoch that it must have
	bufSize int
	buf     []byte // file bytes [bufPos, bufPos+len(buf))
	bufPos  int64
}

// newFrames reads records from e on.
func newFrames(f vfs.File, h segmentHeader, e indexEntry, bufSize int) *frames {
	return &frames{f: f, seed: seedOf(h.salt), pos: e.pos, off: e.off, epoch: h.epoch, bufSize: bufSize}
}

// next returns the next record that ends at or before file position limit. The payload is valid until the following call.
// Every error but an I/O error says why the bytes at fr.pos are no valid record (see decodeRecordHeader); fr stays there.
func (fr *frames) next(limit int64) (recordHeader, []byte, error) {
	if cap(fr.buf) > fr.bufSize && fr.pos >= fr.bufPos+int64(len(fr.buf)) {
		fr.buf = nil // it grew for one large record that is done with
	}
	b, err := fr.peek(recordHeaderSize, limit)
	if err != nil {
		return recordHeader{}, nil, err
	}
	h, err := decodeRecordHeader(b, fr.seed)
	if err != nil {
		return h, nil, err
	}
	if h.start != fr.off || h.epoch != fr.epoch || h.synced > h.start {
		return h, nil, errSequence
	}
	b, err = fr.peek(int(h.size()), limit)
	if err != nil {
		return h, nil, err
	}
	payload := b[recordHeaderSize:]
	if !payloadOK(h, payload, fr.seed) {
		return h, nil, errPayloadSum
	}
	fr.pos += h.size()
	fr.off = h.end()
	return h, payload, nil
}

// peek returns the n bytes at fr.pos, reading no byte at or after limit: what lies there may still be in the making.
func (fr *frames) peek(n int, limit int64) ([]byte, error) {
	if int64(n) > limit-fr.pos {
		return nil, errShort
	}
	if i := fr.pos - fr.bufPos; i >= 0 && i+int64(n) <= int64(len(fr.buf)) {
		return fr.buf[i : i+int64(n)], nil
	}
	have := fr.buf[:0]
	if i := fr.pos - fr.bufPos; i >= 0 && i < int64(len(fr.buf)) {
		have = fr.buf[i:]
	}
	want := int(min(int64(max(n, fr.bufSize)), limit-fr.pos))
	dst := fr.buf
	if cap(dst) < want {
		dst = make([]byte, 0, max(want, min(fr.bufSize, 2*want)))
	}
	dst = dst[:want]
	kept := copy(dst, have)
	fr.buf, fr.bufPos = dst[:kept], fr.pos
	got, err := readAtMost(fr.f, dst[kept:], fr.pos+int64(kept))
	fr.buf = dst[:kept+got]
	if len(fr.buf) < n {
		return nil, err // the file may be shorter than its owner believes
	}
	return fr.buf[:n], nil
}

// readAtMost fills b from position pos as far as it can. It returns errShort, with the bytes there are, when the file ends
// before.
func readAtMost(f vfs.File, b []byte, pos int64) (n int, err error) {
	for n < len(b) {
		k, err := f.ReadAt(b[n:], pos+int64(n))
		n += k
		switch {
		case n == len(b):
		case errors.Is(err, io.EOF), err == nil && k == 0:
			return n, errShort
		case err != nil:
			return n, fmt.Errorf("read log: %w", err)
		}
	}
	return n, nil
}

// readFull fills b from position pos, or fails.
func readFull(f vfs.File, b []byte, pos int64) error {
	_, err := readAtMost(f, b, pos)
	return err
}
