package keys

import (
	"encoding/binary"
	"fmt"
)

// Type is what a key holds.
type Type uint8

// Types of values. They are on disk: numbers never change.
const (
	TypeString Type = 0
)

// String is the word TYPE answers.
func (t Type) String() string {
	if t == TypeString {
		return "string"
	}
	return fmt.Sprintf("unknown(%d)", uint8(t))
}

// Encoding is how the value is laid out. They are on disk: numbers never change.
type Encoding uint8

// EncodingRaw is the only one so far: the value follows the head as it is.
const EncodingRaw Encoding = 0

const flagExpire = 1 << 0

// Head is the decoded value of a key row.
type Head struct {
	Type     Type
	Encoding Encoding
	ExpireMs int64  // milliseconds since 1970; 0: never
	Value    []byte // a string's bytes; aliases the row it was parsed from
}

// Expired reports whether the key's time is up at now (milliseconds since 1970).
func (h *Head) Expired(now int64) bool { return h.ExpireMs != 0 && h.ExpireMs <= now }

// MaxHeadOverhead is the most that AppendHead adds to Head.Value.
const MaxHeadOverhead = 2 + 8

// AppendHead appends the value of a key row.
func AppendHead(dst []byte, h Head) []byte {
	dst = append(dst, byte(h.Type)<<4|byte(h.Encoding))
	if h.ExpireMs == 0 {
		dst = append(dst, 0)
	} else {
		dst = append(dst, flagExpire)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.ExpireMs))
	}
	return append(dst, h.Value...)
}

// ParseHead takes the value of a key row apart.
func ParseHead(row []byte) (Head, error) {
	if len(row) < 2 || row[1]&^flagExpire != 0 {
		return Head{}, fmt.Errorf("%w: head of %d bytes", ErrMalformed, len(row))
	}
	h := Head{Type: Type(row[0] >> 4), Encoding: Encoding(row[0] & 15)}
	if h.Type != TypeString || h.Encoding != EncodingRaw {
		return Head{}, fmt.Errorf("%w: type %d, encoding %d are not known to this version", ErrMalformed, h.Type, h.Encoding)
	}
	rest := row[2:]
	if row[1]&flagExpire != 0 {
		if len(rest) < 8 {
			return Head{}, fmt.Errorf("%w: head of %d bytes", ErrMalformed, len(row))
		}
		h.ExpireMs = int64(binary.BigEndian.Uint64(rest))
		rest = rest[8:]
	}
	h.Value = rest
	return h, nil
}
