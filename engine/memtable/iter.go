package memtable

import "github.com/tidwall/btree"

// Iter walks a table's rows in order, tombstones included. It must be released, and not be used beside a write of the table.
type Iter struct {
	table       *Table
	first, last int // parts it walks
	at          int // of these, the one that walk is for; -1: none yet
	walk        walker
	tree        treeIter // that walk may be
	sorted      sortedIter
}

// walker walks the rows of one part.
type walker interface {
	seekGE(key []byte) bool
	seekLT(key []byte) bool
	first() bool
	last() bool
	next() bool
	prev() bool
	item() Row
	release()
}

// Iter makes an iterator, which stands nowhere yet, for the rows of [lower, upper), of which Order or Seal must have been called; upper nil:
// up to the end. It may come upon rows outside, too.
func (t *Table) Iter(lower, upper []byte) *Iter {
	i := &Iter{table: t, at: -1}
	i.first, i.last = t.layout.between(lower, upper)
	return i
}

// Empty says that the table has no row of [lower, upper).
func (t *Table) Empty(lower, upper []byte) bool {
	first, last := t.layout.between(lower, upper)
	for i := first; i <= last; i++ {
		if t.parts[i].len() > 0 {
			return false
		}
	}
	return true
}

// part goes to a part of the table.
func (i *Iter) part(n int) walker {
	if i.at == n {
		return i.walk
	}
	i.Release()
	i.at = n
	if p := &i.table.parts[n]; p.tree != nil {
		i.tree.IterG = p.tree.Iter()
		i.walk = &i.tree
	} else {
		i.sorted = p.hash.iter(p.epoch)
		i.walk = &i.sorted
	}
	return i.walk
}

// SeekGE goes to the first row whose key is at least key; false: there is none.
func (i *Iter) SeekGE(key []byte) bool {
	n := i.table.layout.part(key)
	switch {
	case n < i.first:
		return i.forward(i.first)
	case n > i.last:
		return false
	}
	return i.part(n).seekGE(key) || i.forward(n+1)
}

// SeekLT goes to the last row whose key is below key; false: there is none.
func (i *Iter) SeekLT(key []byte) bool {
	n := i.table.layout.part(key)
	switch {
	case n > i.last:
		return i.back(i.last)
	case n < i.first:
		return false
	}
	return i.part(n).seekLT(key) || i.back(n-1)
}

// Next goes one row on; false: that was the last.
func (i *Iter) Next() bool { return i.walk.next() || i.forward(i.at+1) }

// Prev goes one row back; false: that was the first.
func (i *Iter) Prev() bool { return i.walk.prev() || i.back(i.at-1) }

// forward goes to the first row from a part on.
func (i *Iter) forward(n int) bool {
	for ; n <= i.last; n++ {
		if i.part(n).first() {
			return true
		}
	}
	return false
}

// back goes to the last row up to a part.
func (i *Iter) back(n int) bool {
	for ; n >= i.first; n-- {
		if i.part(n).last() {
			return true
		}
	}
	return false
}

// Row is the row the iterator stands at.
func (i *Iter) Row() Row { return i.walk.item() }

// Release ends the iterator's use.
func (i *Iter) Release() {
	if i.walk != nil {
		i.walk.release()
		i.walk, i.at = nil, -1
	}
}

// treeIter walks an ordered part.
type treeIter struct{ btree.IterG[Row] }

func (i *treeIter) seekGE(key []byte) bool { return i.Seek(NewRow(key, len(key))) }

func (i *treeIter) seekLT(key []byte) bool {
	if i.seekGE(key) {
		return i.Prev()
	}
	return i.Last()
}

func (i *treeIter) first() bool { return i.First() }
func (i *treeIter) last() bool  { return i.Last() }
func (i *treeIter) next() bool  { return i.Next() }
func (i *treeIter) prev() bool  { return i.Prev() }
func (i *treeIter) item() Row   { return i.Item() }
func (i *treeIter) release()    { i.Release() }
