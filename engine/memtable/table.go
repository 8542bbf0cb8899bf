package memtable

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/tidwall/btree"
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
	live    kind = iota
	fresh        // live, and nothing older than this table has the row
	deleted      // a tombstone
	lowest       // a tombstone, and nothing older than this table has a row before it in its collection
)

// NewRow makes a row of data, whose first keyLen bytes are the key and the rest the value. data is kept and must not change.
func NewRow(data []byte, keyLen int) Row {
	r := Row{data: data, keyLen: uint32(keyLen)} //nolint:gosec // keys are at most 512 MiB
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

// Value is read-only and lives as long as the row; it is never nil.
func (r *Row) Value() []byte { return r.data[r.keyLen:] }

// Deleted says that the row is a tombstone.
func (r *Row) Deleted() bool { return r.kind >= deleted }

// WasLowest says that the row is a tombstone of which Lowest holds.
func (r *Row) WasLowest() bool { return r.kind == lowest }

func (r *Row) size() int64 { return int64(cap(r.data)) + rowOverhead }

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

const (
	// rowOverhead is what a row costs beyond its bytes: its share of a node, half empty at worst, and the allocation's rounding.
	rowOverhead = 96
	// degree makes nodes of 31 to 63 rows: three levels hold what a table may grow to.
	degree = 32
)

// Table is an ordered set of rows, the last one written for each key.
type Table struct {
	tree  *btree.BTreeG[Row]
	hints [4]btree.PathHint // where the last writes went, see hint
	bytes int64
}

// New makes an empty table.
func New() *Table {
	return &Table{tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: degree})}
}

// Len is the number of rows, tombstones included.
func (t *Table) Len() int { return t.tree.Len() }

// Bytes is about what the table holds of memory.
func (t *Table) Bytes() int64 { return t.bytes }

// Get returns the table's row of a key; found is true for a tombstone too.
func (t *Table) Get(key []byte) (row Row, found bool) { return t.tree.Get(NewRow(key, len(key))) }

// Put writes a row over what the table has of its key. A deleted row that nothing older has just goes.
func (t *Table) Put(row Row) {
	hint := t.hint(&row)
	old, replaced := t.tree.SetHint(row, hint)
	t.bytes += row.size()
	if !replaced {
		return
	}
	if row.Deleted() && old.kind == fresh {
		t.tree.DeleteHint(row, hint)
		t.bytes -= old.size() + row.size()
		return
	}
	t.bytes -= old.size()
	// Whether older tables have the row is what its first write in this one knew.
	if !row.Deleted() && (row.kind == fresh) != (old.kind == fresh) {
		row.kind = live
		if old.kind == fresh {
			row.kind = fresh
		}
		t.tree.SetHint(row, hint)
	}
}

// hint is where to look first for the place of a row: some tables of the keyspace, which are told apart by a key's first byte, are written in
// order and others all over the place, in turns.
func (t *Table) hint(row *Row) *btree.PathHint {
	if row.keyLen == 0 {
		return &t.hints[0]
	}
	return &t.hints[int(row.data[0])%len(t.hints)]
}

// View is the table as it is now; it must be taken while nobody writes, and does not change afterwards.
func (t *Table) View() *Table { return &Table{tree: t.tree.Copy(), bytes: t.bytes} }
