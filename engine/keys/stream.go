package keys

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// StreamID is the id of a stream's entry. Ids only grow.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID is behind all entries that there can be.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// Compare orders ids.
func (id StreamID) Compare(other StreamID) int {
	switch {
	case id.Ms != other.Ms && id.Ms < other.Ms, id.Ms == other.Ms && id.Seq < other.Seq:
		return -1
	case id == other:
		return 0
	}
	return 1
}

// Next is the id directly behind; ok is false if there is none.
func (id StreamID) Next() (next StreamID, ok bool) {
	if id.Seq < math.MaxUint64 {
		return StreamID{id.Ms, id.Seq + 1}, true
	}
	return StreamID{id.Ms + 1, 0}, id.Ms < math.MaxUint64
}

// Prev is the id directly before; ok is false if there is none.
func (id StreamID) Prev() (prev StreamID, ok bool) {
	if id.Seq > 0 {
		return StreamID{id.Ms, id.Seq - 1}, true
	}
	return StreamID{id.Ms - 1, math.MaxUint64}, id.Ms > 0
}

// Append appends the id as clients see it.
func (id StreamID) Append(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, id.Ms, 10), '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

func (id StreamID) String() string { return string(id.Append(nil)) }

// AppendStreamID appends an id so that bytewise order is that of ids.
func AppendStreamID(dst []byte, id StreamID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Ms), id.Seq)
}

// parseStreamID reads what AppendStreamID wrote; b has 16 bytes.
func parseStreamID(b []byte) StreamID {
	return StreamID{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// AppendEntry appends the row of a stream's entry.
func AppendEntry(dst []byte, uid uint64, id StreamID) []byte {
	return AppendStreamID(AppendElements(dst, TagEntry, uid), id)
}

// ParseEntry returns the id of a row made by AppendEntry.
func ParseEntry(row []byte) (StreamID, error) {
	if len(row) != elemPrefix+16 || row[0] != TagEntry {
		return StreamID{}, fmt.Errorf("%w: entry row %x", ErrMalformed, row)
	}
	return parseStreamID(row[elemPrefix:]), nil
}

// AppendFields appends the value of an entry's row: each field and value with its length in front.
func AppendFields(dst []byte, fields [][]byte) []byte {
	for _, f := range fields {
		dst = append(binary.AppendUvarint(dst, uint64(len(f))), f...)
	}
	return dst
}

// ParseFields takes the value of an entry's row apart. The slices alias it.
func ParseFields(value []byte) (fields [][]byte, err error) {
	for len(value) > 0 {
		n, k := uvarint(value)
		if k == 0 || n > uint64(len(value)-k) {
			return nil, fmt.Errorf("%w: entry of %d bytes", ErrMalformed, len(value))
		}
		fields = append(fields, value[k:k+int(n)])
		value = value[k+int(n):]
	}
	if len(fields)%2 != 0 {
		return nil, fmt.Errorf("%w: entry with a field without a value", ErrMalformed)
	}
	return fields, nil
}

// Stream is what the head of a stream keeps beside its uid and length.
type Stream struct {
	Last       StreamID // the highest id ever given out
	First      StreamID // of the first entry; 0-0 if there is none
	MaxDeleted StreamID // the highest id that XDEL removed
	Added      uint64   // entries added in the stream's life
	NextGroup  uint64   // the next consumer group's number
}

// AppendStream appends Head.Value of a stream.
func AppendStream(dst []byte, s Stream) []byte {
	dst = AppendStreamID(AppendStreamID(AppendStreamID(dst, s.Last), s.First), s.MaxDeleted)
	return binary.AppendUvarint(binary.AppendUvarint(dst, s.Added), s.NextGroup)
}

// ParseStream reads what AppendStream wrote.
func ParseStream(value []byte) (s Stream, err error) {
	bad := fmt.Errorf("%w: stream head of %d bytes", ErrMalformed, len(value))
	if len(value) < 48 {
		return s, bad
	}
	s.Last, s.First, s.MaxDeleted = parseStreamID(value), parseStreamID(value[16:]), parseStreamID(value[32:])
	added, n := uvarint(value[48:])
	if n == 0 {
		return s, bad
	}
	next, k := uvarint(value[48+n:])
	if k == 0 || 48+n+k != len(value) {
		return s, bad
	}
	s.Added, s.NextGroup = added, next
	return s, nil
}
