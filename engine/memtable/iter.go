package memtable

import "github.com/tidwall/btree"

// Iter walks a table's rows in order, tombstones included. It must be released, and not be used beside a write of the table.
type Iter struct {
	it    btree.IterG[Row]
	table *Table
}

// Iter makes an iterator that stands nowhere yet.
func (t *Table) Iter() *Iter { return &Iter{it: t.tree.Iter(), table: t} }

// SeekGE goes to the first row whose key is at least key; false: there is none.
func (i *Iter) SeekGE(key []byte) bool { return i.it.Seek(NewRow(key, len(key))) }

// SeekLT goes to the last row whose key is below key; false: there is none.
func (i *Iter) SeekLT(key []byte) bool {
	if i.it.Seek(NewRow(key, len(key))) {
		return i.it.Prev()
	}
	return i.it.Last()
}

// Next goes one row on; false: that was the last.
func (i *Iter) Next() bool { return i.it.Next() }

// Prev goes one row back; false: that was the first.
func (i *Iter) Prev() bool { return i.it.Prev() }

// Row is the row the iterator stands at.
func (i *Iter) Row() Row { return i.it.Item() }

// Release ends the iterator's use.
func (i *Iter) Release() { i.it.Release() }
