package keys

import (
	"encoding/binary"
	"fmt"
)

// Type is what a key holds.
type Type uint8

// Types of values, with Redis' numbers. They are on disk: numbers never change.
const (
	TypeString Type = 0
	TypeList   Type = 1
	TypeSet    Type = 2
	TypeZSet   Type = 3
	TypeHash   Type = 4
	TypeStream Type = 6

	maxType = 15 // what the head has room for
)

var typeNames = [maxType + 1]string{
	TypeString: "string", TypeList: "list", TypeSet: "set", TypeZSet: "zset", TypeHash: "hash", TypeStream: "stream",
}

// String is the word TYPE answers.
func (t Type) String() string {
	if t <= maxType && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("unknown(%d)", uint8(t))
}

// Encoding is what OBJECT ENCODING answers for the value. Rows look alike under all encodings of a type: it is kept because clients
// and tests look at it, and changes as Redis changes it, from the compact ones to the others and never back. They are on disk:
// numbers never change.
type Encoding uint8

// Encodings. The first one of a type is the one its values begin with.
const (
	EncodingAuto Encoding = 0 // string: int, embstr or raw, as the bytes say
	EncodingRaw  Encoding = 1 // string: raw, as it was changed in place

	EncodingListpack  Encoding = 0 // hash, zset
	EncodingHashtable Encoding = 1 // hash
	EncodingSkiplist  Encoding = 1 // zset

	EncodingIntset  Encoding = 0 // set
	EncodingSetHash Encoding = 1 // set: hashtable

	EncodingQuicklist  Encoding = 0 // list
	EncodingStreamTree Encoding = 0 // stream
)

// encodings is how many encodings each type has; 0: there is no such type.
var encodings = [maxType + 1]Encoding{TypeString: 2, TypeList: 1, TypeSet: 2, TypeZSet: 2, TypeHash: 2, TypeStream: 1}

const flagExpire = 1 << 0

// Head is the decoded value of a key row: all of a string, and of a collection what stands in front of its elements.
type Head struct {
	Type     Type
	Encoding Encoding
	ExpireMs int64 // milliseconds since 1970; 0: never

	// Value is a string's bytes, or what a list or stream keeps beside UID and Count. It aliases the row it was parsed from.
	Value []byte

	UID   uint64 // names the rows of a collection's elements
	Count int64  // elements of a collection, at least 1 (a stream: 0)
}

// Collection reports whether the value has elements in rows of their own.
func (h *Head) Collection() bool { return h.Type != TypeString }

// Expired reports whether the key's time is up at now (milliseconds since 1970).
func (h *Head) Expired(now int64) bool { return h.ExpireMs != 0 && h.ExpireMs <= now }

// MaxHeadOverhead is the most that AppendHead adds to Head.Value.
const MaxHeadOverhead = 2 + 8 + 2*binary.MaxVarintLen64

// AppendHead appends the value of a key row.
func AppendHead(dst []byte, h Head) []byte {
	dst = append(dst, byte(h.Type)<<4|byte(h.Encoding))
	if h.ExpireMs == 0 {
		dst = append(dst, 0)
	} else {
		dst = append(dst, flagExpire)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.ExpireMs))
	}
	if h.Type != TypeString {
		dst = binary.AppendUvarint(dst, h.UID)
		dst = binary.AppendUvarint(dst, uint64(h.Count))
	}
	return append(dst, h.Value...)
}

// ParseHead takes the value of a key row apart.
func ParseHead(row []byte) (Head, error) {
	if len(row) < 2 || row[1]&^flagExpire != 0 {
		return Head{}, fmt.Errorf("%w: head of %d bytes", ErrMalformed, len(row))
	}
	h := Head{Type: Type(row[0] >> 4), Encoding: Encoding(row[0] & 15)}
	if h.Encoding >= encodings[h.Type] {
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
	if h.Type != TypeString {
		return parseCollection(h, rest)
	}
	h.Value = rest
	return h, nil
}

func parseCollection(h Head, rest []byte) (Head, error) {
	uid, n := uvarint(rest)
	if n == 0 || uid == 0 {
		return Head{}, fmt.Errorf("%w: collection without a number", ErrMalformed)
	}
	count, k := uvarint(rest[n:])
	if k == 0 || count > 1<<62 || count == 0 && h.Type != TypeStream {
		return Head{}, fmt.Errorf("%w: collection %d has an impossible size", ErrMalformed, uid)
	}
	h.UID, h.Count, h.Value = uid, int64(count), rest[n+k:]
	return h, nil
}

// uvarint reads a number in the one form that AppendUvarint writes; n is 0 for anything else.
func uvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}
