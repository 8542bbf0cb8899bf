package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"replogd/engine/keys"
)

// list is an open list: a row for each element (keys.AppendIndex), at indexes without gaps from first on. The head's value is first,
// so both ends are known without a look, and an element is found by its index. Pushing and popping touch one row each; a change in
// the middle moves the shorter side.
type list struct {
	c     *call
	k     keyRef
	h     keys.Head // as it is going to be
	first uint64    // index of the first element
}

// listCentre is where a new list begins: it can grow 2^63 elements to either side.
const listCentre = 1 << 63

// openList opens a key for list commands; ok is false if it holds something else, which has been answered.
func (c *call) openList(key []byte) (x list, ok bool, err error) {
	k, ok, err := c.openAs(key, keys.TypeList)
	if err != nil || !ok {
		return list{}, ok, err
	}
	return c.listOf(k)
}

func (c *call) listOf(k keyRef) (x list, ok bool, err error) {
	x = list{c: c, k: k, h: k.Head, first: listCentre}
	if k.ok {
		if len(k.Value) != 8 {
			return x, false, corruptRow(k.row, fmt.Errorf("list %d without its first index", k.UID))
		}
		x.first = binary.BigEndian.Uint64(k.Value)
	}
	return x, true, nil
}

func (x *list) writable() {
	if !x.k.ok && x.h.UID == 0 {
		x.c.start(&x.k, keys.TypeList)
		x.h = x.k.Head
	}
}

func (x *list) row(index uint64) []byte {
	from := len(x.c.rowBuf)
	x.c.rowBuf = keys.AppendIndex(x.c.rowBuf, x.h.UID, index)
	return x.c.rowBuf[from:len(x.c.rowBuf):len(x.c.rowBuf)]
}

// pushTail and pushHead add an element.
func (x *list) pushTail(value []byte) {
	x.writable()
	x.write(x.first+uint64(x.h.Count), value, false)
	x.h.Count++
}

func (x *list) pushHead(value []byte) {
	x.writable()
	x.first--
	x.write(x.first, value, false)
	x.h.Count++
}

// elementChanges notes that the element at an index is written, or removed otherwise than by a pop.
func (x *list) elementChanges(index uint64) {
	if !x.c.loading {
		x.c.e.seq.hints.elementChanged(x.h.UID, index)
	}
}

// write writes the row of the element at an index.
func (x *list) write(index uint64, value []byte, existed bool) {
	x.elementChanges(index)
	x.c.setRow(x.row(index), value, existed)
}

func (x *list) push(value []byte, head bool) {
	if head {
		x.pushHead(value)
	} else {
		x.pushTail(value)
	}
}

// at returns element i, counted from the first, 0 <= i < Count.
func (x *list) at(i int64) ([]byte, error) {
	row := x.row(x.first + uint64(i))
	value, ok, err := x.c.elem(x.h.UID, row)
	if err == nil && !ok {
		err = x.missing(i, row)
	}
	return value, err
}

func (x *list) missing(i int64, row []byte) error {
	return corruptRow(row, fmt.Errorf("element %d of list %d is missing", i, x.h.UID))
}

// set replaces element i.
func (x *list) set(i int64, value []byte) { x.write(x.first+uint64(i), value, true) }

// pop takes an element from an end of a list that is not empty. The value is read-only.
func (x *list) pop(head bool) ([]byte, error) {
	i := x.h.Count - 1
	if head {
		i = 0
	}
	index := x.first + uint64(i)
	value, err := x.take(index, head)
	if err != nil {
		return nil, err
	}
	x.c.deleteRow(x.row(index)) // value stays: no row is changed in place
	x.h.Count--
	if head {
		x.first++
	}
	return value, nil
}

// take returns the value of the element at an end of the list, which is going to be removed. Pops come in rows: some more elements are fetched
// with one that the list's end did not hold.
func (x *list) take(index uint64, head bool) (value []byte, err error) {
	end := x.c.e.seq.hints.end(x.h.UID)
	if end.head != head {
		end.giveUp()
		end.head = head
	}
	if len(end.values) == 0 && end.extra > 0 {
		if err := x.fillEnd(end, index); err != nil {
			return nil, err
		}
	}
	if len(end.values) > 0 && end.index == index {
		return end.take(), nil
	}
	row := x.row(index)
	value, ok, err := x.c.elemNear(x.h.UID, row, !head)
	if err == nil && !ok {
		err = x.missing(int64(index-x.first), row)
	}
	if len(end.values) == 0 {
		end.extra.usedUp()
	}
	return value, err
}

// fillEnd fetches the element at an index, which is at the end, and some behind it.
func (x *list) fillEnd(end *listEnd, index uint64) error {
	row, bound := x.row(index), x.row(x.first+uint64(x.h.Count))
	if !end.head {
		row, bound = x.row(index+1), x.row(x.first)
	}
	end.index = index
	want, size := min(1+int64(end.extra), x.h.Count), 0
	return x.c.near(x.h.UID, row, bound, !end.head, func(it *rowIter) (bool, error) {
		at := uint64(len(end.values))
		if !end.head {
			at = -at
		}
		if !bytes.Equal(it.key(), x.row(index+at)) {
			return false, nil // there is a gap, and whoever comes to it will see it
		}
		value, err := it.value()
		end.values = append(end.values, value) // it is of memory or of a stretch, where it stays
		size += len(value)
		return int64(len(end.values)) < want && size < frontBytes, err
	})
}

// dropEnds removes n elements at the head and m at the tail.
func (x *list) dropEnds(n, m int64) {
	keep := len(x.c.rowBuf)
	drop := func(index uint64) {
		x.elementChanges(index)
		x.c.deleteRow(x.row(index))
		x.c.rowBuf = x.c.rowBuf[:keep]
	}
	for i := range n {
		drop(x.first + uint64(i))
	}
	x.first += uint64(n)
	x.h.Count -= n
	for range m {
		x.h.Count--
		drop(x.first + uint64(x.h.Count))
	}
}

// each calls fn with the elements from i on, in order, until it returns false or count are done.
func (x *list) each(i, count int64, fn func(i int64, value []byte) (more bool, err error)) error {
	return x.walk(i, count, false, fn)
}

// eachBack is each towards the head: i, i-1, ...
func (x *list) eachBack(i, count int64, fn func(i int64, value []byte) (more bool, err error)) error {
	return x.walk(i, count, true, fn)
}

func (x *list) walk(i, count int64, back bool, fn func(i int64, value []byte) (bool, error)) (err error) {
	if count <= 0 {
		return nil
	}
	from, to := i, i+count
	if back {
		from, to = i-count+1, i+1
	}
	lower := keys.AppendIndex(nil, x.h.UID, x.first+uint64(from))
	upper := keys.AppendIndex(nil, x.h.UID, x.first+uint64(to))
	it, err := x.c.between(x.h.UID, lower, upper)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.close(); err == nil {
			err = cerr
		}
	}()
	step, ok := it.next, false
	if back {
		step, ok = it.prev, it.last()
	} else {
		ok = it.first()
	}
	for n := range count {
		if !ok {
			if err := it.err(); err != nil {
				return err
			}
			return corruptCount(&x.h, n)
		}
		value, err := it.value()
		if err != nil {
			return err
		}
		at := i + n
		if back {
			at = i - n
		}
		if more, err := fn(at, value); err != nil || !more {
			return err
		}
		ok = n+1 < count && step()
	}
	return nil
}

// insert puts a value in front of element i, moving the shorter side by one.
func (x *list) insert(i int64, value []byte) error {
	if i <= x.h.Count/2 {
		moved, err := x.copies(0, i)
		if err != nil {
			return err
		}
		x.pushHead(value) // the row of the new first element; what moves into it comes next
		for j, v := range moved {
			x.rewrite(int64(j), v)
		}
		x.rewrite(i, value)
		return nil
	}
	moved, err := x.copies(i, x.h.Count-i)
	if err != nil {
		return err
	}
	x.pushTail(value)
	for j, v := range moved {
		x.rewrite(i+1+int64(j), v)
	}
	x.rewrite(i, value)
	return nil
}

// rewrite is set for long runs: it leaves nothing in the arena.
func (x *list) rewrite(i int64, value []byte) {
	keep := len(x.c.rowBuf)
	x.set(i, value)
	x.c.rowBuf = x.c.rowBuf[:keep]
}

func (x *list) copies(i, count int64) (values [][]byte, err error) {
	err = x.each(i, count, func(_ int64, value []byte) (bool, error) {
		values = append(values, bytes.Clone(value))
		return true, nil
	})
	return values, err
}

// removeAll takes out the elements at the given indexes, in increasing order, moving whichever side is shorter.
func (x *list) removeAll(at []int64) error {
	if len(at) == 0 {
		return nil
	}
	gone := int64(len(at))
	if first, last := at[0], at[gone-1]; last < x.h.Count-first {
		return x.closeUpward(at, last)
	}
	first := at[0]
	kept, err := x.survivors(first, x.h.Count-first, at)
	if err != nil {
		return err
	}
	for j, v := range kept {
		x.rewrite(first+int64(j), v)
	}
	x.dropEnds(0, gone)
	return nil
}

// closeUpward moves what stands before the last removed element towards the tail.
func (x *list) closeUpward(at []int64, last int64) error {
	kept, err := x.survivors(0, last+1, at)
	if err != nil {
		return err
	}
	gone := int64(len(at))
	for j, v := range kept {
		x.rewrite(gone+int64(j), v)
	}
	x.dropEnds(gone, 0)
	return nil
}

// survivors copies count elements from i on, without those at the given indexes.
func (x *list) survivors(i, count int64, gone []int64) (values [][]byte, err error) {
	err = x.each(i, count, func(j int64, value []byte) (bool, error) {
		if len(gone) > 0 && gone[0] == j {
			gone = gone[1:]
			return true, nil
		}
		values = append(values, bytes.Clone(value))
		return true, nil
	})
	return values, err
}

func (x *list) save() error { return x.c.save(&x.k, x.head()) }

// head is the list's head as it is going to be.
func (x *list) head() keys.Head {
	x.h.Value = binary.BigEndian.AppendUint64(nil, x.first)
	return x.h
}
