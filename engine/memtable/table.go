package memtable

import (
	"math"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// degree makes nodes of 31 to 63 rows: three levels hold what a table may grow to.
const degree = 32

// newest is the epoch of who reads what was written last.
const newest = math.MaxUint64

// Table is a set of rows, the last one written for each key.
type Table struct {
	layout *Layout
	parts  []part
	hints  [4]btree.PathHint // where the last writes of ordered parts went, see hint
	bytes  int64             // of ordered parts; of a view, of all
}

// part holds the rows of some first bytes, ordered or found by hash.
type part struct {
	tree  *btree.BTreeG[Row] // nil: hash has them
	hash  *hashed
	epoch uint64      // of hash: what is visible
	rows  int         // of a view's hash: how many rows those are
	asked atomic.Bool // Ask was called
}

// New makes an empty table that is ordered all through.
func New() *Table { return ordered.New() }

// New makes an empty table.
func (l *Layout) New() *Table {
	t := &Table{layout: l, parts: make([]part, l.parts)}
	for i := range t.parts {
		if l.hashed[i] {
			t.parts[i].byHash(0)
		} else {
			t.parts[i].inOrder()
		}
	}
	return t
}

func (p *part) inOrder() {
	p.tree = btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: degree})
}

func (p *part) byHash(rows int) {
	p.hash, p.epoch = newHashed(rows), newest
}

// Next makes an empty table for what is written after t. A part that Ask was called for in t is ordered from the beginning; others are
// made for as many rows as t's.
func (t *Table) Next() *Table {
	n := &Table{layout: t.layout, parts: make([]part, len(t.parts))}
	for i := range n.parts {
		if t.layout.hashed[i] && !t.parts[i].asked.Load() {
			n.parts[i].byHash(t.parts[i].len())
		} else {
			n.parts[i].inOrder()
		}
	}
	return n
}

func (p *part) len() int {
	switch {
	case p.tree != nil:
		return p.tree.Len()
	case p.epoch != newest:
		return p.rows
	}
	return p.hash.rows
}

// Len is the number of rows, tombstones included.
func (t *Table) Len() (n int) {
	for i := range t.parts {
		n += t.parts[i].len()
	}
	return n
}

// Bytes is about what the table holds of memory, what it keeps for views included.
func (t *Table) Bytes() int64 {
	n := t.bytes
	for i := range t.parts {
		if h := t.parts[i].hash; h != nil && t.parts[i].epoch == newest {
			n += h.bytes
		}
	}
	return n
}

// Get returns the table's row of a key; found is true for a tombstone too.
func (t *Table) Get(key []byte) (row Row, found bool) {
	p := &t.parts[t.layout.part(key)]
	if p.tree != nil {
		return p.tree.Get(NewRow(key, len(key)))
	}
	return p.hash.get(key, p.epoch)
}

// Put writes a row over what the table has of its key. A deleted row that nothing older has just goes.
func (t *Table) Put(row Row) {
	p := &t.parts[t.layout.part(row.Key())]
	if p.tree == nil {
		p.hash.put(row)
		return
	}
	hint := t.hint(&row)
	old, replaced := p.tree.SetHint(row, hint)
	t.bytes += row.size()
	if !replaced {
		return
	}
	t.bytes -= old.size()
	switch now := old.over(row); {
	case now.kind == none:
		p.tree.DeleteHint(row, hint)
		t.bytes -= row.size()
	case now.kind != row.kind:
		p.tree.SetHint(now, hint)
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

// Ask notes, for Next, that somebody wants the rows of [lower, upper) in order, and will come again. It may run beside other calls of Ask and
// beside readers.
func (t *Table) Ask(lower, upper []byte) {
	first, last := t.layout.between(lower, upper)
	for i := first; i <= last; i++ {
		if p := &t.parts[i]; !p.asked.Load() {
			p.asked.Store(true)
		}
	}
}

// Ordered says whether Iter may be called for the rows of [lower, upper).
func (t *Table) Ordered(lower, upper []byte) bool {
	first, last := t.layout.between(lower, upper)
	for i := first; i <= last; i++ {
		if p := &t.parts[i]; p.tree == nil && !p.hash.sealed {
			return false
		}
	}
	return true
}

// Order puts the rows of [lower, upper) in order, if they are not yet, and has them stay so. It takes about a fifth of a microsecond for each
// row of the parts that it orders. It counts as a write: nobody may read meanwhile. Views that were taken before may be iterated over then,
// and if Ask was called, the table too.
func (t *Table) Order(lower, upper []byte) {
	first, last := t.layout.between(lower, upper)
	for i := first; i <= last; i++ {
		p := &t.parts[i]
		if p.tree != nil || p.hash.sealed {
			continue
		}
		p.hash.sealed = true
		if p.hash.used == 0 && !p.asked.Load() {
			p.byHash(0) // views have the sealed one: there is no need for an order of what comes
			continue
		}
		it := p.hash.iter(newest)
		p.hash = nil
		p.inOrder()
		for ok := it.first(); ok; ok = it.next() {
			p.tree.Load(*it.row)
			t.bytes += it.row.size()
		}
	}
}

// Seal says that the table is not written any more, so that all of it may be iterated over. It counts as a write.
func (t *Table) Seal() {
	for i := range t.parts {
		if h := t.parts[i].hash; h != nil {
			h.sealed = true
		}
	}
}

// View is the table as it is now, for one holder, who must Release it. It must be taken while nobody writes, and does not change
// afterwards; but as long as the table is written, Get of the view must not run beside a write, and Iter only after Order.
func (t *Table) View() *Table {
	v := &Table{layout: t.layout, parts: make([]part, len(t.parts)), bytes: t.Bytes()}
	for i := range t.parts {
		p := &t.parts[i]
		if p.tree != nil {
			v.parts[i].tree = p.tree.Copy()
			continue
		}
		v.parts[i].hash, v.parts[i].rows = p.hash, p.hash.rows
		v.parts[i].epoch = p.hash.view()
	}
	return v
}

// Retain makes another holder of a view, who must Release it too.
func (t *Table) Retain() *Table {
	for i := range t.parts {
		if h := t.parts[i].hash; h != nil {
			h.views.Add(1)
		}
	}
	return t
}

// Release ends a holder's use of a view. It may run beside anything.
func (t *Table) Release() {
	for i := range t.parts {
		if h := t.parts[i].hash; h != nil {
			h.views.Add(-1)
		}
	}
}
