package engine

import (
	"bytes"
	"fmt"

	"replogd/engine/keys"
)

// A collection is a head in the key's row and a row for each element (package keys). The head names the elements by a uid that no
// other collection ever has, so giving a collection another key, or none, touches the key's row alone.
//
// Every write of a collection goes through save, also one that leaves the head as it is: it makes readers of the key wait for the
// log. A collection without elements does not exist (a stream may be empty).

// dropAtOnce is the number of rows up to which a collection that goes is removed row by row; of a larger one the number is put into
// the reclaim queue (reclaim.go). Rows that die while they are in memory never reach the files.
const dropAtOnce = 64

// openAs is open for commands that work on one type: ok is false when the key holds another, which has been answered.
func (c *call) openAs(key []byte, t keys.Type) (k keyRef, ok bool, err error) {
	k, err = c.open(c.db, key)
	if err != nil {
		return k, false, err
	}
	return k, c.isType(&k, t), nil
}

// isType answers WRONGTYPE for an existing key of another type.
func (c *call) isType(k *keyRef, t keys.Type) bool {
	if k.ok && k.Type != t {
		c.w.Error(errWrongType)
		return false
	}
	return true
}

// start makes an absent key a collection without elements; nothing is written before save.
func (c *call) start(k *keyRef, t keys.Type) {
	if !k.ok {
		k.Head = c.newHead(t)
	}
}

// newHead is the head of a collection that does not exist yet.
func (c *call) newHead(t keys.Type) keys.Head {
	h := keys.Head{Type: t, UID: c.tx.state.nextUID}
	c.tx.state.nextUID++
	return h
}

// save writes the head behind a change of elements: h is what k was when it was opened, with its new count and encoding. A collection
// without elements goes.
func (c *call) save(k *keyRef, h keys.Head) error {
	if h.Count == 0 && h.Type != keys.TypeStream {
		if k.ok {
			c.forget(k)
		}
		return nil
	}
	if k.ok && h.UID == k.UID && h.Count == k.Count && h.Encoding == k.Encoding && h.ExpireMs == k.ExpireMs && bytes.Equal(h.Value, k.Value) {
		c.tx.touch(k.row)
		return nil
	}
	return c.put(k, h)
}

// elem reads an element's row of the collection uid.
func (c *call) elem(uid uint64, row []byte) (value []byte, ok bool, err error) {
	if c.tx != nil {
		if value, ok, changed := c.tx.find(row); changed {
			return value, ok, nil
		}
	}
	if c.v != nil {
		return c.v.get(row)
	}
	if cachedTag(row[0]) {
		return c.cachedRow(row, false)
	}
	if value, live, found := c.ds.mem.find(row); found {
		return value, live, nil
	}
	if uid >= c.ds.filedUID.Load() {
		return nil, false, nil
	}
	return readFiles(c.ds.db, row)
}

// hasField says whether there is the row of a field or member.
func (c *call) hasField(row []byte) (bool, error) {
	_, ok, err := c.readRow(row, true)
	return ok, err
}

// elements iterates over the rows of a collection in one table. Under the sequencer no row may be changed before close.
func (c *call) elements(tag byte, uid uint64) (*rowIter, error) {
	lower, upper := keys.UIDBounds(tag, uid, uid)
	return c.between(uid, lower, upper)
}

// between is elements for a part of the table.
func (c *call) between(uid uint64, lower, upper []byte) (*rowIter, error) {
	if c.tx != nil {
		return c.ds.iterLocked(c.tx, uid, lower, upper)
	}
	if c.v == nil {
		return nil, fmt.Errorf("BUG: a range read outside a view")
	}
	return c.v.iter(lower, upper)
}

// eachRow calls fn with every row of a collection in a table, in order, until it returns false. key and value are valid during fn.
func (c *call) eachRow(tag byte, uid uint64, fn func(key, value []byte) (more bool, err error)) error {
	it, err := c.elements(tag, uid)
	if err != nil {
		return err
	}
	return it.rows(fn)
}

// onView runs a read of several rows on one consistent view. Under the sequencer everything is one already.
func (c *call) onView(read func() error) error {
	if c.tx != nil || c.v != nil {
		return read()
	}
	c.v = c.ds.view()
	defer func() {
		c.v.close()
		c.v = nil
	}()
	return read()
}

// atOnce runs a read of a few rows so that it sees them as of one commit. It tries beside the writers, and takes a view, which costs
// the next commits something, only when they keep falling into it. read may run several times; what it answered before is dropped.
func (c *call) atOnce(read func() error) error {
	if c.tx != nil || c.v != nil {
		return read()
	}
	mark := c.w.Len()
	for range consistentTries {
		before := c.e.commitSeq.Load()
		if before&1 != 0 {
			continue
		}
		if err := read(); c.e.commitSeq.Load() == before {
			return err
		}
		c.w.Truncate(mark) // an error too: a head and a row of two commits look like damage
	}
	return c.onView(read)
}

// dropElements removes what belongs to a collection that no key is going to have.
func (c *call) dropElements(h *keys.Head) error {
	if h.Count <= dropAtOnce {
		rows, all, err := c.fewRows(h)
		if err != nil {
			return err
		}
		if all {
			for _, row := range rows {
				c.deleteRow(row)
			}
			return nil
		}
	}
	c.setRow(keys.AppendOrphan(nil, h.UID), []byte{byte(h.Type)}, false)
	return nil
}

// fewRows collects copies of a collection's rows; all is false if there are too many.
func (c *call) fewRows(h *keys.Head) (rows [][]byte, all bool, err error) {
	tags := keys.TagsOf(h.Type)
	for _, tag := range tags {
		err := c.eachRow(tag, h.UID, func(key, _ []byte) (bool, error) {
			rows = append(rows, bytes.Clone(key))
			return len(rows) <= dropAtOnce*len(tags), nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return rows, len(rows) <= dropAtOnce*len(tags), nil
}

// copyElements copies a collection's rows under a new uid, and returns the head that goes with them.
func (c *call) copyElements(h *keys.Head) (keys.Head, error) {
	if !h.Collection() {
		return *h, nil
	}
	to := *h
	to.UID = c.newHead(h.Type).UID
	type row struct{ key, value []byte }
	for _, tag := range keys.TagsOf(h.Type) {
		var rows []row // the iterator must be closed before the first change
		err := c.eachRow(tag, h.UID, func(key, value []byte) (bool, error) {
			copied := keys.AppendElements(make([]byte, 0, len(key)), tag, to.UID)
			rows = append(rows, row{append(copied, key[len(copied):]...), bytes.Clone(value)})
			return true, nil
		})
		if err != nil {
			return to, err
		}
		for _, r := range rows {
			c.setRow(r.key, r.value, false)
		}
	}
	return to, nil
}
