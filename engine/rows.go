package engine

import (
	"bytes"

	"replogd/engine/keys"
)

var delArg = []byte("DEL")

// open finds a key; of a string it may leave the value out, if the call is bare. In a client's write an expired key is removed first, with DEL
// as an effect of its own before the command's, so that replicas, which see it as live, do the same; in a client's read it is hidden.
func (c *call) open(db int, key []byte) (keyRef, error) {
	k := keyRef{db: db, key: key, row: c.keyRow(db, key)}
	value, ok, err := c.readRow(k.row, c.bare)
	if err != nil || !ok {
		c.note(&k, false)
		return k, err
	}
	if k.Head, err = keys.ParseHead(value); err != nil {
		return k, corruptRow(k.row, err)
	}
	k.ok = true
	if !c.replay && k.Expired(c.now) {
		err = c.dropExpired(&k)
	}
	c.note(&k, k.ok)
	return k, err
}

// openAll finds several keys as of one instant: what it returns is the keyspace between two commits. It tries beside the writers
// and takes their lock only when commits keep falling into its look-ups.
func (c *call) openAll(db int, names [][]byte) ([]keyRef, error) {
	refs := make([]keyRef, 0, len(names))
	open := func() (err error) {
		refs = refs[:0]
		for _, name := range names {
			k, err := c.open(db, name)
			if err != nil {
				return err
			}
			refs = append(refs, k)
		}
		return nil
	}
	if c.tx != nil || len(names) < 2 {
		return refs, open()
	}
	for range consistentTries {
		before := c.e.commitSeq.Load()
		if before&1 != 0 {
			continue
		}
		if err := open(); err != nil || c.e.commitSeq.Load() == before {
			return refs, err
		}
	}
	c.e.seq.Lock()
	defer c.e.seq.Unlock()
	return refs, open()
}

// dropExpired makes an expired key absent for this call.
func (c *call) dropExpired(k *keyRef) error {
	if c.tx == nil {
		k.ok, k.Head = false, keys.Head{}
		return nil
	}
	if err := c.remove(k); err != nil {
		return err
	}
	c.propagate(k.db, delArg, k.key)
	c.e.expired.Add(1)
	return nil
}

// note counts a client's look-up and makes its reply wait for the key's last write.
func (c *call) note(k *keyRef, hit bool) {
	if c.replay {
		return
	}
	c.s.Need = max(c.s.Need, c.e.dirty.offset(keys.HashOf(k.row)))
	if c.looks {
		if hit {
			c.e.hits.Add(1)
		} else {
			c.e.misses.Add(1)
		}
	}
}

// readRow reads a row of a key or field; bare is that of dataset.row.
func (c *call) readRow(row []byte, bare bool) (value []byte, ok bool, err error) {
	if c.tx != nil {
		if value, ok, changed := c.tx.find(row); changed {
			return value, ok, nil
		}
	}
	if c.v != nil {
		return c.v.get(row)
	}
	return c.cachedRow(row, bare)
}

// cachedRow reads a row of a table that the cache has, as it is committed.
func (c *call) cachedRow(row []byte, bare bool) (value []byte, ok bool, err error) {
	if len(c.valueBuf) > maxValueArena {
		c.valueBuf = nil // what was read from it stays where it is
	}
	value, c.valueBuf, ok, err = c.ds.row(c.valueBuf, row, bare)
	return value, ok, err
}

// keyRow encodes a key row in the call's arena.
func (c *call) keyRow(db int, key []byte) []byte {
	from := len(c.rowBuf)
	c.rowBuf = keys.AppendKey(c.rowBuf, c.dbID(db), key)
	return c.rowBuf[from:len(c.rowBuf):len(c.rowBuf)]
}

// dbID is the internal number of a logical database.
func (c *call) dbID(db int) uint32 {
	if c.tx != nil {
		return c.tx.state.dbs[db].id
	}
	if c.v != nil {
		return c.v.dbIDs[db]
	}
	return (*c.ds.dbIDs.Load())[db]
}

// put writes the key's row, new or not, and keeps the counts and the expiry index in step. The elements of a collection that it
// overwrites go. h.Value is copied.
func (c *call) put(k *keyRef, h keys.Head) error {
	if k.ok && k.Collection() && k.UID != h.UID {
		if err := c.dropElements(&k.Head); err != nil {
			return err
		}
	}
	data := make([]byte, 0, len(k.row)+keys.MaxHeadOverhead+len(h.Value))
	data = keys.AppendHead(append(data, k.row...), h)
	c.moveExpiry(k, h.ExpireMs)
	c.tx.change(data, len(k.row), false, k.ok)
	c.tx.touch(k.row)
	if !k.ok {
		c.tx.state.dbs[k.db].keys++
	}
	h.Value = data[len(data)-len(h.Value):]
	k.Head, k.ok = h, true
	return nil
}

// remove deletes an existing key and all that belongs to it.
func (c *call) remove(k *keyRef) error {
	if k.Collection() {
		if err := c.dropElements(&k.Head); err != nil {
			return err
		}
	}
	c.forget(k)
	return nil
}

// forget deletes an existing key and leaves the elements of a collection to whoever has them now.
func (c *call) forget(k *keyRef) {
	c.moveExpiry(k, 0)
	c.tx.change(bytes.Clone(k.row), len(k.row), true, true)
	c.tx.touch(k.row)
	c.tx.state.dbs[k.db].keys--
	k.ok, k.Head = false, keys.Head{}
}

// setRow writes a row other than a key's; both slices are copied. existed says whether it was there before.
func (c *call) setRow(row, value []byte, existed bool) {
	data := make([]byte, 0, len(row)+len(value))
	c.tx.change(append(append(data, row...), value...), len(row), false, existed)
}

// deleteRow removes a row other than a key's that is there.
func (c *call) deleteRow(row []byte) { c.tx.change(bytes.Clone(row), len(row), true, true) }

// deleteLowest is deleteRow for the first row of a collection in its table.
func (c *call) deleteLowest(row []byte) {
	c.tx.change(bytes.Clone(row), len(row), true, true).lowest = true
}

// moveExpiry replaces the key's row in the expiry index.
func (c *call) moveExpiry(k *keyRef, to int64) {
	from := int64(0)
	if k.ok {
		from = k.ExpireMs
	}
	if from == to {
		return
	}
	db := &c.tx.state.dbs[k.db]
	if from != 0 {
		c.deleteRow(c.expiryRow(db.id, from, k.key))
		db.expires--
	}
	if to != 0 {
		c.setRow(c.expiryRow(db.id, to, k.key), nil, false)
		db.expires++
		c.e.expiry.lower(to)
	}
}

func (c *call) expiryRow(id uint32, ms int64, key []byte) []byte {
	from := len(c.rowBuf)
	c.rowBuf = keys.AppendExpiry(c.rowBuf, id, ms, key)
	return c.rowBuf[from:]
}

// flushDB empties a database in one step: it gets a fresh internal number, and the rows under the old one are reclaimed in the
// background.
func (c *call) flushDB(db int) error {
	d := &c.tx.state.dbs[db]
	c.tx.all = true
	if d.keys == 0 && d.expires == 0 {
		return nil
	}
	c.setRow(keys.AppendReclaim(nil, d.id), nil, false)
	*d = dbState{id: c.tx.state.nextDB}
	c.tx.state.nextDB++
	return nil
}

// swapDB makes two databases change places.
func (c *call) swapDB(a, b int) error {
	dbs := c.tx.state.dbs
	dbs[a], dbs[b] = dbs[b], dbs[a]
	c.tx.all = true
	return nil
}

// count is the number of keys of a database, those included whose time is up but which nobody has removed yet.
func (c *call) count(db int) int64 {
	if c.tx != nil {
		return c.tx.state.dbs[db].keys
	}
	n := c.ds.counts[db].Load()
	if c.s != nil {
		c.s.Need = max(c.s.Need, c.e.committing.Load())
	}
	return n
}

// databases is how many databases there are.
func (c *call) databases() int { return c.e.o.Databases }

// commitRows makes the tx's rows visible, all at once, and takes over its state. Only the sequencer's holder calls it, after the log
// has the effects: from here on nothing can fail.
func (e *Engine) commitRows(t *tx) {
	e.watches.tell(t, &e.seq.state)
	if len(t.rows) > 0 || t.all {
		e.committing.Store(t.state.applied)
		e.commitSeq.Add(1)
		full := t.ds.mem.apply(t.rows, t.ds.cache, &t.ds.filters, func() { t.ds.publish(&t.state) })
		e.commitSeq.Add(1)
		t.state.copyTo(&e.seq.state)
		if full {
			e.freezeLocked(t.ds)
		}
	} else {
		t.state.copyTo(&e.seq.state)
	}
	e.advance(t.state.applied)
}

// cachedTag says whether the rows of a table go through the row cache.
func cachedTag(tag byte) bool { return tag == keys.TagKey || tag == keys.TagField }
