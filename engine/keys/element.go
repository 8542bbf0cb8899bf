package keys

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Tables of the elements of collections. Every row begins with the table and the collection's uid.
const (
	TagField   byte = 0x20  // fields of a hash, members of a set or sorted set
	TagList    byte = 0x21  // elements of a list
	TagScore   byte = 0x23  // a sorted set by score
	TagEntry   byte = 0x24  // entries of a stream
	TagGroup   byte = 0x25  // consumer groups of a stream
	TagOrphan  byte = 0x31  // collections that no key has any more
	elemPrefix      = 1 + 8 // tag, uid
	fieldPlace      = 6     // upper bytes of a field's hash
	listRow         = elemPrefix + 8
	orphanRow       = 1 + 8
)

// TagsOf are the tables that a collection of some type has rows in, the first one for each of its elements.
func TagsOf(t Type) []byte {
	switch t {
	case TypeHash, TypeSet:
		return []byte{TagField}
	case TypeList:
		return []byte{TagList}
	case TypeZSet:
		return []byte{TagField, TagScore}
	case TypeStream:
		return []byte{TagEntry, TagGroup}
	case TypeString: // it is in its key's row
	}
	return nil
}

// ElementTags are the tables of elements of all types.
func ElementTags() []byte { return []byte{TagField, TagList, TagScore, TagEntry, TagGroup} }

// AppendElements appends what all rows of a collection in a table begin with.
func AppendElements(dst []byte, tag byte, uid uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tag), uid)
}

// UIDBounds returns the half-open range of the rows in a table of the collections first..last.
func UIDBounds(tag byte, first, last uint64) (lower, upper []byte) {
	lower = AppendElements(nil, tag, first)
	if last == math.MaxUint64 {
		return lower, []byte{tag + 1}
	}
	return lower, AppendElements(nil, tag, last+1)
}

// FieldPlace is a field's or member's place in the order of its collection: 48 bits of its hash. Several may share one. HSCAN and
// SSCAN cursors are such places.
func FieldPlace(field []byte) uint64 { return xxhash.Sum64(field) >> 16 }

// AppendField appends the row of a hash's field, whose value is the row's, of a set's member, which has none, or of a sorted set's,
// whose score the value is (AppendBits).
func AppendField(dst []byte, uid uint64, field []byte) []byte {
	return append(AppendFieldPlace(dst, uid, FieldPlace(field)), field...)
}

// AppendFieldPlace appends the lower bound of the rows at or after a place. 1<<48 is behind the last place.
func AppendFieldPlace(dst []byte, uid, place uint64) []byte {
	if place >= 1<<48 {
		_, upper := UIDBounds(TagField, uid, uid)
		return append(dst, upper...)
	}
	dst = AppendElements(dst, TagField, uid)
	return append(dst, byte(place>>40), byte(place>>32), byte(place>>24), byte(place>>16), byte(place>>8), byte(place))
}

// ParseField returns the field of a row made by AppendField, and its place. field aliases row.
func ParseField(row []byte) (place uint64, field []byte, err error) {
	if len(row) < elemPrefix+fieldPlace || row[0] != TagField {
		return 0, nil, fmt.Errorf("%w: field row %x", ErrMalformed, row)
	}
	for _, b := range row[elemPrefix : elemPrefix+fieldPlace] {
		place = place<<8 | uint64(b)
	}
	return place, row[elemPrefix+fieldPlace:], nil
}

// AppendIndex appends the row of a list's element. Indexes are the list's own: they grow towards its tail.
func AppendIndex(dst []byte, uid, index uint64) []byte {
	return binary.BigEndian.AppendUint64(AppendElements(dst, TagList, uid), index)
}

// Adjacent says that no row can stand between a and b, which follows it: they are those of a list's neighbours.
func Adjacent(a, b []byte) bool {
	return len(a) == listRow && len(b) == listRow && a[0] == TagList && bytes.Equal(a[:elemPrefix], b[:elemPrefix]) &&
		binary.BigEndian.Uint64(b[elemPrefix:])-binary.BigEndian.Uint64(a[elemPrefix:]) == 1
}

// SameCollection says whether two rows of elements are of one collection and one table.
func SameCollection(a, b []byte) bool {
	return len(a) >= elemPrefix && len(b) >= elemPrefix && a[0] >= TagField && a[0] <= TagGroup && bytes.Equal(a[:elemPrefix], b[:elemPrefix])
}

// AppendScore appends the row that puts a sorted set's member in the order of scores, then of members.
func AppendScore(dst []byte, uid uint64, score float64, member []byte) []byte {
	return append(AppendDouble(AppendElements(dst, TagScore, uid), score), member...)
}

// ParseScore takes a row made by AppendScore apart; member aliases it.
func ParseScore(row []byte) (score float64, member []byte, err error) {
	if len(row) < elemPrefix+8 || row[0] != TagScore {
		return 0, nil, fmt.Errorf("%w: score row %x", ErrMalformed, row)
	}
	return Double(row[elemPrefix : elemPrefix+8]), row[elemPrefix+8:], nil
}

// NegativeZero is the value of a score row whose score is -0, which stands at 0's place in the order. Other score rows have none.
var NegativeZero = []byte{1}

// AppendBits appends a score as its IEEE 754 bits, big-endian: -0 stays what it is.
func AppendBits(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}

// ParseBits reads what AppendBits wrote.
func ParseBits(b []byte) (float64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: score of %d bytes", ErrMalformed, len(b))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

// AppendDouble appends a score so that bytewise order is the order of numbers; -0 and 0 are one number.
func AppendDouble(dst []byte, f float64) []byte {
	bits := math.Float64bits(f)
	if f == 0 {
		bits = 0
	}
	if bits>>63 != 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, bits)
}

// Double reads 8 bytes made by AppendDouble.
func Double(b []byte) float64 {
	bits := binary.BigEndian.Uint64(b)
	if bits>>63 != 0 {
		bits &^= 1 << 63
	} else {
		bits = ^bits
	}
	return math.Float64frombits(bits)
}

// AppendOrphan appends the reclaim-queue row of a collection that no key has any more; its value says its type.
func AppendOrphan(dst []byte, uid uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, TagOrphan), uid)
}

// ParseOrphan takes such a row apart.
func ParseOrphan(row []byte) (uid uint64, err error) {
	if len(row) != orphanRow || row[0] != TagOrphan {
		return 0, fmt.Errorf("%w: orphan row %x", ErrMalformed, row)
	}
	return binary.BigEndian.Uint64(row[1:]), nil
}
