package engine

import (
	"math"

	"replogd/engine/keys"
)

// stream is an open stream: a row for each entry (keys.AppendEntry), in the order of ids. The head knows the first and the last id, so
// neither end is searched for, and rows that were trimmed are never walked over.
type stream struct {
	c *call
	k keyRef
	h keys.Head // as it is going to be
	s keys.Stream
}

// openStream opens a key for stream commands; ok is false if it holds something else, which has been answered.
func (c *call) openStream(key []byte) (x stream, ok bool, err error) {
	k, ok, err := c.openAs(key, keys.TypeStream)
	if err != nil || !ok {
		return x, ok, err
	}
	x = stream{c: c, k: k, h: k.Head}
	if k.ok {
		if x.s, err = keys.ParseStream(k.Value); err != nil {
			return x, false, corruptRow(k.row, err)
		}
	}
	return x, true, nil
}

func (x *stream) writable() {
	if !x.k.ok && x.h.UID == 0 {
		x.c.start(&x.k, keys.TypeStream)
		x.h = x.k.Head
	}
}

func (x *stream) save() error {
	x.h.Value = keys.AppendStream(nil, x.s)
	return x.c.save(&x.k, x.h)
}

func (x *stream) row(id keys.StreamID) []byte {
	from := len(x.c.rowBuf)
	x.c.rowBuf = keys.AppendEntry(x.c.rowBuf, x.h.UID, id)
	return x.c.rowBuf[from:len(x.c.rowBuf):len(x.c.rowBuf)]
}

// add appends an entry, whose id is above the last one.
func (x *stream) add(id keys.StreamID, fields [][]byte) {
	x.writable()
	size := 0
	for _, f := range fields {
		size += len(f) + 3
	}
	x.c.setRow(x.row(id), keys.AppendFields(make([]byte, 0, size), fields), false)
	if x.h.Count == 0 {
		x.s.First = id
	}
	x.h.Count++
	x.s.Added++
	x.s.Last = id
}

// has says whether there is an entry of that id.
func (x *stream) has(id keys.StreamID) (bool, error) {
	if x.h.Count == 0 || id.Compare(x.s.First) < 0 || id.Compare(x.s.Last) > 0 {
		return false, nil
	}
	_, ok, err := x.c.elem(x.h.UID, x.row(id))
	return ok, err
}

// walk calls fn with the entries from first to last, both included, in order or backwards, until it returns false. fields are valid
// during fn.
func (x *stream) walk(first, last keys.StreamID, back bool, fn func(id keys.StreamID, value []byte) (more bool, err error)) error {
	if first.Compare(x.s.First) < 0 {
		first = x.s.First
	}
	if x.h.Count == 0 || first.Compare(last) > 0 {
		return nil
	}
	upper := append(keys.AppendEntry(nil, x.h.UID, last), 0)
	it, err := x.c.between(x.h.UID, keys.AppendEntry(nil, x.h.UID, first), upper)
	if err != nil {
		return err
	}
	return it.walk(back, func() (bool, error) {
		id, err := keys.ParseEntry(it.key())
		if err != nil {
			return false, corruptRow(it.key(), err)
		}
		value, err := it.value()
		if err != nil {
			return false, err
		}
		return fn(id, value)
	})
}

// remove takes entries out, which there are, and finds the new first one if need be.
func (x *stream) remove(ids []keys.StreamID) error {
	first := false
	keep := len(x.c.rowBuf)
	for _, id := range ids {
		x.c.deleteRow(x.row(id))
		x.c.rowBuf = x.c.rowBuf[:keep]
		x.h.Count--
		first = first || id == x.s.First
	}
	if first {
		return x.findFirst()
	}
	return nil
}

// findFirst sets First to the id of the first entry that is left.
func (x *stream) findFirst() error {
	from := x.s.First
	if x.h.Count == 0 {
		x.s.First = keys.StreamID{}
		return nil
	}
	found := false
	err := x.walk(from, keys.MaxStreamID, false, func(id keys.StreamID, _ []byte) (bool, error) {
		x.s.First, found = id, true
		return false, nil
	})
	if err == nil && !found {
		err = corruptCount(&x.h, 0)
	}
	return err
}

// trim removes entries from the beginning until at most maxLen are left, or none is below minID, but no more than limit (0: no limit).
// An approximate trim removes them by the hundred, so that most of the XADDs of a capped stream have nothing to remove.
func (x *stream) trim(t streamTrim) (removed int64, err error) {
	most := math.MaxInt
	if t.limit > 0 {
		most = int(t.limit)
	}
	var gone []keys.StreamID
	if !t.byID {
		excess := x.h.Count - t.maxLen
		if excess <= 0 || t.approx && excess < streamNodeEntries {
			return 0, nil
		}
	}
	err = x.walk(x.s.First, keys.MaxStreamID, false, func(id keys.StreamID, _ []byte) (bool, error) {
		if t.byID && id.Compare(t.minID) >= 0 || !t.byID && x.h.Count-int64(len(gone)) <= t.maxLen || len(gone) >= most {
			return false, nil
		}
		gone = append(gone, id)
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	if t.approx {
		gone = gone[:len(gone)/streamNodeEntries*streamNodeEntries]
	}
	return int64(len(gone)), x.remove(gone)
}
