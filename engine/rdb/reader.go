package rdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// ErrCorrupt is what every Error wraps.
var ErrCorrupt = errors.New("damaged RDB data")

// Error is damage at a position.
type Error struct {
	Pos  int64 // bytes from the beginning
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("%v at byte %d: %s", ErrCorrupt, e.Pos, e.What) }

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *Error) Unwrap() error { return ErrCorrupt }

const (
	// maxString is the longest string that is read, whatever its length says: Redis' proto-max-bulk-len and the header of a large listpack.
	maxString = 1 << 30
	// readStep is how much memory is taken for a string before its bytes have arrived.
	readStep = 1 << 20
	// ReadBuffer is the size of the input's buffer.
	ReadBuffer = 64 << 10
)

// Reader reads lengths, strings and values. It is not safe for concurrent use.
type Reader struct {
	r   *bufio.Reader
	pos int64
	crc uint64

	text    [32]byte // an integer's digits
	buf     []byte   // of the last string
	scratch []byte   // of the last compressed one
}

// NewReader reads from r, which it buffers, unless it is a *bufio.Reader of at least ReadBuffer bytes: then what follows the data is still to
// be read from that.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, ReadBuffer)} }

// Pos is the number of bytes read so far.
func (r *Reader) Pos() int64 { return r.pos }

// Sum is the CRC-64 of the bytes read so far.
func (r *Reader) Sum() uint64 { return r.crc }

func (r *Reader) bad(format string, args ...any) error {
	return &Error{Pos: r.pos, What: fmt.Sprintf(format, args...)}
}

// Full reads exactly len(p) bytes.
func (r *Reader) Full(p []byte) error {
	n, err := io.ReadFull(r.r, p)
	r.crc = crcUpdate(r.crc, p[:n])
	r.pos += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.bad("it ends here, within a value")
	}
	return err
}

// Byte reads one byte.
func (r *Reader) Byte() (byte, error) {
	b := r.text[:1]
	err := r.Full(b)
	return b[0], err
}

// Uint64 reads eight bytes in little endian.
func (r *Reader) Uint64() (uint64, error) {
	b := r.text[:8]
	err := r.Full(b)
	return binary.LittleEndian.Uint64(b), err
}

// Len reads a length.
func (r *Reader) Len() (uint64, error) {
	n, encoded, err := r.length()
	if err == nil && encoded {
		err = r.bad("an encoded string where a length should be")
	}
	return n, err
}

func (r *Reader) length() (n uint64, encoded bool, err error) {
	b, err := r.Byte()
	if err != nil {
		return 0, false, err
	}
	p := r.text[:8]
	switch {
	case b>>6 == 0:
		return uint64(b), false, nil
	case b>>6 == 1:
		low, err := r.Byte()
		return uint64(b&0x3f)<<8 | uint64(low), false, err
	case b>>6 == 3:
		return uint64(b & 0x3f), true, nil
	case b == 0x80:
		err := r.Full(p[:4])
		return uint64(binary.BigEndian.Uint32(p)), false, err
	case b == 0x81:
		err := r.Full(p)
		return binary.BigEndian.Uint64(p), false, err
	}
	return 0, false, r.bad("%#x is no length", b)
}

// String reads a string. It is valid until the next call.
func (r *Reader) String() ([]byte, error) {
	n, encoded, err := r.length()
	if err != nil {
		return nil, err
	}
	if !encoded {
		r.buf, err = r.bytes(r.buf[:0], n)
		return r.buf, err
	}
	switch n {
	case 0, 1, 2:
		p := r.text[:4]
		clear(p)
		if err := r.Full(p[:1<<n]); err != nil {
			return nil, err
		}
		v := int64(int32(binary.LittleEndian.Uint32(p)))
		switch n {
		case 0:
			v = int64(int8(p[0]))
		case 1:
			v = int64(int16(binary.LittleEndian.Uint16(p)))
		}
		return strconv.AppendInt(r.text[:0], v, 10), nil
	case 3:
		return r.compressed()
	}
	return nil, r.bad("unknown encoding %d of a string", n)
}

// bytes appends n bytes to dst, and takes memory only as they arrive.
func (r *Reader) bytes(dst []byte, n uint64) ([]byte, error) {
	if n > maxString {
		return dst, r.bad("a string of %d bytes", n)
	}
	for n > 0 {
		step := int(min(n, readStep))
		from := len(dst)
		dst = append(dst, make([]byte, step)...)
		if err := r.Full(dst[from:]); err != nil {
			return dst, err
		}
		n -= uint64(step)
	}
	return dst, nil
}

func (r *Reader) compressed() ([]byte, error) {
	packed, err := r.Len()
	if err != nil {
		return nil, err
	}
	size, err := r.Len()
	if err != nil {
		return nil, err
	}
	if size > maxString || size > packed*maxRatio {
		return nil, r.bad("a string of %d bytes, compressed to %d", size, packed)
	}
	if r.scratch, err = r.bytes(r.scratch[:0], packed); err != nil {
		return nil, err
	}
	out, ok := decompress(r.buf[:0], r.scratch, int(size))
	if !ok {
		return nil, r.bad("compressed string does not unpack to its %d bytes", size)
	}
	r.buf = out
	return out, nil
}

// textScore reads a score as text.
func (r *Reader) textScore() (float64, error) {
	n, err := r.Byte()
	if err != nil {
		return 0, err
	}
	switch n {
	case 253:
		return math.NaN(), nil
	case 254:
		return math.Inf(1), nil
	case 255:
		return math.Inf(-1), nil
	}
	var digits [256]byte
	if err := r.Full(digits[:n]); err != nil {
		return 0, err
	}
	score, err := strconv.ParseFloat(string(digits[:n]), 64)
	if err != nil {
		return 0, r.bad("score %q", digits[:n])
	}
	return score, nil
}
