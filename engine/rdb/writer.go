package rdb

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// writeBuffer is how much a Writer collects before it passes it on.
const writeBuffer = 256 << 10

// Writer writes lengths, strings and values. The first error sticks: see Err. It is not safe for concurrent use.
type Writer struct {
	out io.Writer // nil: all stays in buf
	buf []byte
	crc uint64
	pos int64 // bytes passed on
	err error
}

// NewWriter writes to out in pieces of some hundred kilobytes; Flush writes the rest.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out, buf: make([]byte, 0, writeBuffer)} }

// Err is the first error of the writer beneath.
func (w *Writer) Err() error { return w.err }

// Pos is the number of bytes written so far.
func (w *Writer) Pos() int64 { return w.pos + int64(len(w.buf)) }

// Sum is the CRC-64 of all that was written so far.
func (w *Writer) Sum() uint64 { return crcUpdate(w.crc, w.buf) }

// Flush passes on what has been collected.
func (w *Writer) Flush() error {
	if w.out == nil || w.err != nil {
		return w.err
	}
	w.crc = crcUpdate(w.crc, w.buf)
	n, err := w.out.Write(w.buf)
	w.pos += int64(n)
	w.err = err
	w.buf = w.buf[:0]
	return err
}

func (w *Writer) wrote() {
	if w.out != nil && len(w.buf) >= writeBuffer {
		_ = w.Flush() // sticks
	}
}

// Byte writes one byte: a type.
func (w *Writer) Byte(b byte) {
	w.buf = append(w.buf, b)
	w.wrote()
}

// Raw writes bytes as they are.
func (w *Writer) Raw(b []byte) {
	w.buf = append(w.buf, b...)
	w.wrote()
}

// Len writes a length.
func (w *Writer) Len(n uint64) {
	switch {
	case n < 1<<6:
		w.buf = append(w.buf, byte(n))
	case n < 1<<14:
		w.buf = append(w.buf, 0x40|byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		w.buf = binary.BigEndian.AppendUint32(append(w.buf, 0x80), uint32(n))
	default:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, 0x81), n)
	}
	w.wrote()
}

// maxIntDigits is how long a string is looked at for an integer of 32 bits.
const maxIntDigits = 11

// String writes a string, as an integer if it is one of up to 32 bits.
func (w *Writer) String(b []byte) {
	if len(b) > 0 && len(b) <= maxIntDigits && w.integer(b) {
		return
	}
	w.Len(uint64(len(b)))
	w.Raw(b)
}

func (w *Writer) integer(b []byte) bool {
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return false
	}
	var digits [maxIntDigits]byte
	if string(strconv.AppendInt(digits[:0], n, 10)) != string(b) {
		return false
	}
	switch {
	case n == int64(int8(n)):
		w.buf = append(w.buf, 0xc0, byte(n))
	case n == int64(int16(n)):
		w.buf = binary.LittleEndian.AppendUint16(append(w.buf, 0xc1), uint16(n))
	default:
		w.buf = binary.LittleEndian.AppendUint32(append(w.buf, 0xc2), uint32(n))
	}
	w.wrote()
	return true
}

// Uint64 writes eight bytes in little endian: times.
func (w *Writer) Uint64(n uint64) {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, n)
	w.wrote()
}

// Score writes a score as TypeZSet has it.
func (w *Writer) Score(score float64) { w.Uint64(math.Float64bits(score)) }

func (w *Writer) id(id ID) {
	w.Len(id.Ms)
	w.Len(id.Seq)
}

func (w *Writer) rawID(id ID) {
	w.buf = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(w.buf, id.Ms), id.Seq)
	w.wrote()
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
