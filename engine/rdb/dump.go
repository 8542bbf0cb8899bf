package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
)

const (
	// DumpVersion stands in what DUMP writes. Redis refuses versions above its own: 9 is that of Redis 5 and later, which know every type
	// that is written, but for TypeStream2.
	DumpVersion = 9
	// streamVersion is that of Redis 7.0, which brought TypeStream2.
	streamVersion = 10
	// MaxVersion is the highest version of Redis that is read: that of 7.4 and 8.0.
	MaxVersion = 12
	// ValkeyVersion is Valkey's own, since its 9.0; before that it wrote Redis'.
	ValkeyVersion = 80

	dumpFooter = 2 + 8
)

// ErrPayload is a DUMP payload that is not whole, or from a later version.
var ErrPayload = errors.New("DUMP payload version or checksum are wrong")

// NewDump returns a Writer for a value in memory; Dump returns the payload.
func NewDump() *Writer { return &Writer{} }

// Dump appends version and checksum to the value and returns the payload.
func (w *Writer) Dump() []byte {
	version := uint16(DumpVersion)
	if len(w.buf) > 0 && Type(w.buf[0]) == TypeStream2 {
		version = streamVersion
	}
	w.buf = binary.LittleEndian.AppendUint16(w.buf, version)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.Sum())
	return w.buf
}

// Libraries takes the payload of FUNCTION DUMP apart and calls fn with the code of each library. ErrPayload: it is not whole.
func Libraries(payload []byte, fn func(code []byte) error) error {
	end := len(payload) - dumpFooter
	if end < 0 || !soundDump(payload) {
		return ErrPayload
	}
	r := NewReader(bytes.NewReader(payload[:end]))
	for r.Pos() < int64(end) {
		op, err := r.Byte()
		if err != nil {
			return err
		}
		if op != opLibrary {
			return r.bad("opcode %d where a library is due", op)
		}
		code, err := r.String()
		if err != nil {
			return err
		}
		if err := fn(code); err != nil {
			return err
		}
	}
	return nil
}

// soundDump checks version and checksum of a payload that is long enough for them.
func soundDump(payload []byte) bool {
	footer := payload[len(payload)-dumpFooter:]
	return knownVersion(int(binary.LittleEndian.Uint16(footer))) && binary.LittleEndian.Uint64(footer[2:]) == crcUpdate(0, payload[:len(payload)-8])
}

func knownVersion(v int) bool { return v <= MaxVersion || v == ValkeyVersion }

// Restore checks a payload and reads its value into a sink. ErrPayload: it is not whole; Error: its value is damaged.
func Restore(payload []byte, s Sink) (t Type, err error) {
	end := len(payload) - dumpFooter
	if end < 1 || !soundDump(payload) {
		return 0, ErrPayload
	}
	r := NewReader(bytes.NewReader(payload[1:end]))
	t = Type(payload[0])
	if err := r.Value(t, s); err != nil {
		return t, err
	}
	if r.Pos() != int64(end-1) {
		return t, r.bad("%d bytes behind the value", int64(end-1)-r.Pos())
	}
	return t, nil
}
