package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes and magic numbers. They are part of the format on disk: never change one, add a version.
const (
	segmentHeaderSize = 128
	recordHeaderSize  = 48
	indexEntrySize    = 16
	trailerSize       = 64

	formatVersion = 1 // of segment, record and trailer

	recordMarker  uint32 = 0x4C52_9ED1 // bytes D1 9E 52 4C: two of them are no text, so payloads seldom hold it
	trailerMarker uint32 = 0x5854_9ED2 // bytes D2 9E 54 58
)

// segmentMagic are the first bytes of a segment file.
var segmentMagic = [8]byte{'R', 'P', 'L', 'G', 'W', 'A', 'L', 0x0A}

// Kind tells data records from records that only move the offset.
type Kind uint8

// Kinds of records. Zero is invalid on purpose.
const (
	// KindData is a record of units that change the keyspace.
	KindData Kind = 1
	// KindNoop is a record that only moves the offset: PING, GETACK.
	KindNoop Kind = 2

	// kindMark has no payload: it carries a `synced` field into the log and moves nothing. Close writes one, so that damage
	// to the last record of a cleanly closed log is known from a torn tail. Readers skip it.
	kindMark Kind = 3
)

// String returns a word for the kind.
func (k Kind) String() string {
	switch k {
	case KindData:
		return "data"
	case KindNoop:
		return "noop"
	case kindMark:
		return "mark"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// HistoryID is an opaque 40-byte name of the history a segment's records belong to.
type HistoryID [40]byte

// What can be wrong with bytes that should be a record. They are causes inside a *CorruptionError or of a cut, never returned
// alone.
var (
	errNoRecord    = errors.New("no record begins here: the bytes are zero")
	errMarker      = errors.New("no record begins here: wrong marker")
	errHeaderSum   = errors.New("record header checksum mismatch")
	errPayloadSum  = errors.New("record payload checksum mismatch")
	errShort       = errors.New("record is cut short by the end of the file")
	errLength      = errors.New("record length is beyond the limit")
	errSequence    = errors.New("record does not continue the stream")
	errSegmentHead = errors.New("segment header is damaged")
	errTrailer     = errors.New("segment trailer is missing or damaged")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seedOf turns a segment's salt into the value every checksum of that segment starts from.
func seedOf(salt uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	return crc32.Update(0, castagnoli, b[:])
}

// recordHeader is the decoded header of a record.
type recordHeader struct {
	payloadSum uint32
	length     uint32 // of the payload
	start      uint64
	synced     uint64
	timeMs     uint64
	epoch      uint32
	kind       Kind
}

// end is the offset after the record.
func (h recordHeader) end() uint64 { return h.start + uint64(h.length) }

// size is the number of file bytes of the record.
func (h recordHeader) size() int64 { return recordHeaderSize + int64(h.length) }

// appendRecord appends header and payload to b, without checksums and `synced`: the writer fills those in (sealRecord) because
// only it knows the segment the record lands in.
func appendRecord(b []byte, h recordHeader, payload []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, recordMarker)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, h.start)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint64(b, h.timeMs)
	b = le.AppendUint32(b, h.epoch)
	b = append(b, byte(h.kind), formatVersion, 0, 0)
	return append(b, payload...)
}

// rawRecordSize is the size of the record at the front of b, which appendRecord built.
func rawRecordSize(b []byte) int { return recordHeaderSize + int(binary.LittleEndian.Uint32(b[12:])) }

// sealRecord fills in `synced` and the two checksums of the record rec, which appendRecord built. It may be repeated.
func sealRecord(rec []byte, seed uint32, synced uint64) {
	le := binary.LittleEndian
	le.PutUint64(rec[24:], synced)
	le.PutUint32(rec[8:], crc32.Update(seed, castagnoli, rec[recordHeaderSize:]))
	le.PutUint32(rec[4:], crc32.Update(seed, castagnoli, rec[8:recordHeaderSize]))
}

// decodeRecordHeader decodes and checks the header at the front of b. The error is one of the causes above, or wraps
// ErrVersion when the checksum is right but the content is from a later version.
func decodeRecordHeader(b []byte, seed uint32) (recordHeader, error) {
	le := binary.LittleEndian
	if len(b) < recordHeaderSize {
		return recordHeader{}, errShort
	}
	b = b[:recordHeaderSize]
	if m := le.Uint32(b); m != recordMarker {
		if allZero(b) {
			return recordHeader{}, errNoRecord
		}
		return recordHeader{}, errMarker
	}
	if le.Uint32(b[4:]) != crc32.Update(seed, castagnoli, b[8:]) {
		return recordHeader{}, errHeaderSum
	}
	h := recordHeader{
		payloadSum: le.Uint32(b[8:]),
		length:     le.Uint32(b[12:]),
		start:      le.Uint64(b[16:]),
		synced:     le.Uint64(b[24:]),
		timeMs:     le.Uint64(b[32:]),
		epoch:      le.Uint32(b[40:]),
		kind:       Kind(b[44]),
	}
	if b[45] != formatVersion || le.Uint16(b[46:]) != 0 {
		return h, fmt.Errorf("%w: record version %d, flags %#x", ErrVersion, b[45], le.Uint16(b[46:]))
	}
	if h.kind < KindData || h.kind > kindMark {
		return h, fmt.Errorf("%w: record kind %d", ErrVersion, b[44])
	}
	if h.length > MaxPayload || h.start+uint64(h.length) < h.start || (h.length == 0) != (h.kind == kindMark) {
		return h, errLength
	}
	return h, nil
}

// payloadOK verifies the payload of h.
func payloadOK(h recordHeader, payload []byte, seed uint32) bool {
	return h.payloadSum == crc32.Update(seed, castagnoli, payload)
}

// segmentHeader is the decoded header of a segment file.
type segmentHeader struct {
	generation uint64
	start      uint64
	createdMs  uint64
	salt       uint64
	epoch      uint32
	history    HistoryID
}

// encode returns the bytes of the header.
func (h segmentHeader) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, segmentHeaderSize)
	b = append(b, segmentMagic[:]...)
	b = le.AppendUint16(b, formatVersion)
	b = le.AppendUint16(b, segmentHeaderSize)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, h.generation)
	b = le.AppendUint64(b, h.start)
	b = le.AppendUint64(b, h.createdMs)
	b = le.AppendUint64(b, h.salt)
	b = le.AppendUint32(b, h.epoch)
	b = le.AppendUint32(b, 0)
	b = append(b, h.history[:]...)
	b = append(b, make([]byte, segmentHeaderSize-4-len(b))...)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeSegmentHeader returns errSegmentHead for bytes that are no header, and ErrVersion for the header of a later version,
// whose checksum this version does not know how to check.
func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	le := binary.LittleEndian
	if len(b) < segmentHeaderSize || [8]byte(b[:8]) != segmentMagic {
		return segmentHeader{}, errSegmentHead
	}
	b = b[:segmentHeaderSize]
	if v := le.Uint16(b[8:]); v != formatVersion {
		return segmentHeader{}, fmt.Errorf("%w: segment version %d, this server reads %d", ErrVersion, v, formatVersion)
	}
	if le.Uint32(b[segmentHeaderSize-4:]) != crc32.Checksum(b[:segmentHeaderSize-4], castagnoli) {
		return segmentHeader{}, errSegmentHead
	}
	if le.Uint16(b[10:]) != segmentHeaderSize || le.Uint32(b[12:]) != 0 {
		return segmentHeader{}, fmt.Errorf("%w: segment header size %d, flags %#x", ErrVersion, le.Uint16(b[10:]), le.Uint32(b[12:]))
	}
	return segmentHeader{
		generation: le.Uint64(b[16:]),
		start:      le.Uint64(b[24:]),
		createdMs:  le.Uint64(b[32:]),
		salt:       le.Uint64(b[40:]),
		epoch:      le.Uint32(b[48:]),
		history:    HistoryID(b[56:96]),
	}, nil
}

// allZero reports whether b holds nothing but zero bytes.
func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
