package engine

import (
	"bytes"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// set is an open set: a row without a value for each member (keys.AppendField), in the order of the members' hashes.
type set struct {
	c *call
	k keyRef
	h keys.Head // as it is going to be
}

// openSet opens a key for set commands; ok is false if it holds something else, which has been answered.
func (c *call) openSet(key []byte) (x set, ok bool, err error) {
	k, ok, err := c.openAs(key, keys.TypeSet)
	return set{c: c, k: k, h: k.Head}, ok, err
}

// newSet is a set under construction, for a key that is written when it is done.
func (c *call) newSet() set { return set{c: c, h: c.newHead(keys.TypeSet)} }

func (x *set) writable() {
	if !x.k.ok && x.h.UID == 0 {
		x.c.start(&x.k, keys.TypeSet)
		x.h = x.k.Head
	}
}

func (x *set) has(member []byte) (bool, error) {
	if x.h.Count == 0 {
		return false, nil
	}
	return x.c.hasField(x.c.fieldRow(x.h.UID, member))
}

// add puts a member in; added is false if it was there.
func (x *set) add(member []byte) (added bool, err error) {
	x.writable()
	row := x.c.fieldRow(x.h.UID, member)
	existed, err := x.c.hasField(row)
	if err != nil || existed {
		return false, err
	}
	x.insert(row, member)
	return true, nil
}

// insert adds a member that is known to be absent.
func (x *set) insert(row, member []byte) {
	x.memberChanges(row)
	x.c.setRow(row, nil, false)
	x.h.Count++
	if _, ok := resp.ParseInt(member); !ok || x.h.Count > x.c.e.o.Limits().SetIntset {
		x.h.Encoding = keys.EncodingSetHash
	}
}

// del takes a member out; ok is false if there was none.
func (x *set) del(member []byte) (ok bool, err error) {
	row := x.c.fieldRow(x.h.UID, member)
	ok, err = x.c.hasField(row)
	if err == nil && ok {
		x.memberChanges(row)
		x.c.deleteRow(row)
		x.h.Count--
	}
	return ok, err
}

// memberChanges notes that a field row is written, or removed otherwise than by SPOP from the walk.
func (x *set) memberChanges(row []byte) {
	if !x.c.loading {
		x.c.e.seq.hints.memberChanged(x.h.UID, row)
	}
}

func (x *set) save() error {
	if x.h.Count == 0 && !x.c.loading {
		x.c.dropHint(x.h.UID)
	}
	return x.c.save(&x.k, x.h)
}

// members calls fn with every member: integers in order while the set has only few of them, as Redis shows such sets.
func (c *call) members(h *keys.Head, fn func(member []byte) error) error {
	if h.Encoding != keys.EncodingIntset {
		return c.allFields(h, func(member, _ []byte) error { return fn(member) })
	}
	all := make([][]byte, 0, h.Count)
	err := c.allFields(h, func(member, _ []byte) error {
		all = append(all, bytes.Clone(member))
		return nil
	})
	if err != nil {
		return err
	}
	sortedIntegers(all)
	for _, member := range all {
		if err := fn(member); err != nil {
			return err
		}
	}
	return nil
}
