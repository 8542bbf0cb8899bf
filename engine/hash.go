package engine

import "replogd/engine/keys"

// hash is an open hash: a row for each field (keys.AppendField), in the order of the fields' hashes.
type hash struct {
	c *call
	k keyRef
	h keys.Head // as it is going to be
}

// openHash opens a key for hash commands; ok is false if it holds something else, which has been answered.
func (c *call) openHash(key []byte) (x hash, ok bool, err error) {
	k, ok, err := c.openAs(key, keys.TypeHash)
	return hash{c: c, k: k, h: k.Head}, ok, err
}

// writable makes an absent hash ready to be written.
func (x *hash) writable() {
	if !x.k.ok && x.h.UID == 0 {
		x.c.start(&x.k, keys.TypeHash)
		x.h = x.k.Head
	}
}

// get returns a field's value.
func (x *hash) get(field []byte) (value []byte, ok bool, err error) {
	if !x.k.ok {
		return nil, false, nil
	}
	return x.c.elem(x.h.UID, x.c.fieldRow(x.h.UID, field))
}

// set writes a field; added is false if it was there before.
func (x *hash) set(field, value []byte) (added bool, err error) {
	x.writable()
	row := x.c.fieldRow(x.h.UID, field)
	existed, err := x.c.hasField(row)
	if err != nil {
		return false, err
	}
	x.c.setRow(row, value, existed)
	if !existed {
		x.h.Count++
	}
	limits := x.c.e.o.Limits()
	if int64(len(field)) > limits.HashValue || int64(len(value)) > limits.HashValue || x.h.Count > limits.HashEntries {
		x.h.Encoding = keys.EncodingHashtable
	}
	return !existed, nil
}

// del removes a field; ok is false if there was none.
func (x *hash) del(field []byte) (ok bool, err error) {
	row := x.c.fieldRow(x.h.UID, field)
	ok, err = x.c.hasField(row)
	if err == nil && ok {
		x.c.deleteRow(row)
		x.h.Count--
	}
	return ok, err
}

func (x *hash) save() error { return x.c.save(&x.k, x.h) }

// eachField calls fn with every field of a hash, member of a set or of a sorted set, and its row's value.
func (c *call) eachField(uid uint64, fn func(field, value []byte) (more bool, err error)) error {
	return c.eachRow(keys.TagField, uid, func(key, value []byte) (bool, error) {
		_, field, err := keys.ParseField(key)
		if err != nil {
			return false, corruptRow(key, err)
		}
		return fn(field, value)
	})
}

// fieldRow encodes a field's row in the call's arena.
func (c *call) fieldRow(uid uint64, field []byte) []byte {
	from := len(c.rowBuf)
	c.rowBuf = keys.AppendField(c.rowBuf, uid, field)
	return c.rowBuf[from:len(c.rowBuf):len(c.rowBuf)]
}
