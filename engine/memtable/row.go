package memtable

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// Row is one row in a form that a table can keep: key and value share one allocation.
type Row struct {
	hi, lo uint64 // first 16 bytes of the key, big-endian, zeros behind a shorter one
	data   []byte // key, then value
	keyLen uint32
	kind   kind
}

type kind uint8

const (
	none    kind = iota // no row: what is left of a fresh one that was deleted
	live                // a row, and an older table or a file may have it too
	fresh               // a row, and nothing older than this table has it
	deleted             // a tombstone
	lowest              // a tombstone, and nothing older than this table has a row before it in its collection
)

// NewRow makes a row of data, whose first keyLen bytes are the key and the rest the value. data is kept and must not change.
func NewRow(data []byte, keyLen int) Row {
	r := Row{data: data, keyLen: uint32(keyLen), kind: live} //nolint:gosec // keys are at most 512 MiB
	r.hi, r.lo = prefix(data[:keyLen])
	return r
}

// Tombstone makes a row that hides older ones of its key. key is kept.
func Tombstone(key []byte) Row {
	r := NewRow(key, len(key))
	r.kind = deleted
	return r
}

// Fresh says of a row that nothing older has it.
func (r Row) Fresh() Row {
	r.kind = fresh
	return r
}

// Lowest says of a tombstone that, when it was made, its row was the first of its collection in its table of the keyspace: no older row
// that begins with the same bytes as far as tables and collections are told apart, and is before it, is left.
func (r Row) Lowest() Row {
	r.kind = lowest
	return r
}

// Key is read-only and lives as long as the row.
func (r *Row) Key() []byte { return r.data[:r.keyLen:r.keyLen] }

// Tag is the first byte of the key; 0 of an empty one. It is cheaper to come by than the key.
func (r *Row) Tag() byte { return byte(r.hi >> 56) }

// Size is the length of key and value.
func (r *Row) Size() int { return len(r.data) }

// Value is read-only and lives as long as the row; it is never nil.
func (r *Row) Value() []byte { return r.data[r.keyLen:] }

// Deleted says that the row is a tombstone.
func (r *Row) Deleted() bool { return r.kind >= deleted }

// WasLowest says that the row is a tombstone of which Lowest holds.
func (r *Row) WasLowest() bool { return r.kind == lowest }

// rowOverhead is what a row costs beyond its bytes: its share of a node, half empty at worst, or its entry and its share of the index, and
// the allocation's rounding.
const rowOverhead = 96

func (r *Row) size() int64 { return int64(cap(r.data)) + rowOverhead }

// over is what becomes of a table's row that row is written over. Whether older tables have it is what its first write in this table knew; a
// deleted row that they do not have just goes: none.
func (r *Row) over(row Row) Row {
	switch {
	case row.Deleted():
		if r.kind == fresh {
			row.kind = none
		}
	case r.kind == fresh:
		row.kind = fresh
	default:
		row.kind = live
	}
	return row
}

func prefix(key []byte) (hi, lo uint64) {
	if len(key) >= 16 {
		return binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
	}
	var b [16]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
}

// Compare orders rows by key, bytewise.
func Compare(a, b Row) int {
	switch {
	case a.hi != b.hi:
		return cmp.Compare(a.hi, b.hi)
	case a.lo != b.lo:
		return cmp.Compare(a.lo, b.lo)
	}
	return bytes.Compare(a.data[:a.keyLen], b.data[:b.keyLen])
}

// less is Compare for the tree.
func less(a, b Row) bool {
	if a.hi != b.hi {
		return a.hi < b.hi
	}
	if a.lo != b.lo {
		return a.lo < b.lo
	}
	return bytes.Compare(a.data[:a.keyLen], b.data[:b.keyLen]) < 0
}

// same says whether two rows are of one key.
func (r *Row) same(b *Row) bool {
	return r.hi == b.hi && r.lo == b.lo && bytes.Equal(r.Key(), b.Key())
}
