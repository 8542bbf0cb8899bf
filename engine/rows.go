package engine

import (
	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
)

var delArg = []byte("DEL")

// open finds a key. In a client's write an expired key is removed first, with DEL as an effect of its own before the command's,
// so that replicas, which see it as live, do the same; in a client's read it is hidden.
func (c *call) open(db int, key []byte) (keyRef, error) {
	k := keyRef{db: db, key: key, row: c.keyRow(db, key)}
	value, ok, err := c.readRow(k.row)
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
	if c.tx == nil {
		if hit {
			c.e.hits.Add(1)
		} else {
			c.e.misses.Add(1)
		}
	}
}

func (c *call) readRow(row []byte) (value []byte, ok bool, err error) {
	if c.tx != nil {
		if value, ok, changed := c.tx.find(row); changed {
			return value, ok, nil
		}
	}
	return c.ds.row(row)
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
	return (*c.ds.dbIDs.Load())[db]
}

// put writes the key's row, new or not, and keeps the counts and the expiry index in step. h.Value is copied.
func (c *call) put(k *keyRef, h keys.Head) error {
	row := keys.AppendHead(make([]byte, 0, 10+len(h.Value)), h)
	if err := c.tx.batch.Set(k.row, row, nil); err != nil {
		return err
	}
	if err := c.moveExpiry(k, h.ExpireMs); err != nil {
		return err
	}
	c.tx.change(k.row, row)
	if !k.ok {
		c.tx.state.dbs[k.db].keys++
	}
	h.Value = row[len(row)-len(h.Value):]
	k.Head, k.ok = h, true
	return nil
}

// remove deletes an existing key.
func (c *call) remove(k *keyRef) error {
	if err := c.tx.batch.Delete(k.row, nil); err != nil {
		return err
	}
	if err := c.moveExpiry(k, 0); err != nil {
		return err
	}
	c.tx.change(k.row, nil)
	c.tx.state.dbs[k.db].keys--
	k.ok, k.Head = false, keys.Head{}
	return nil
}

// moveExpiry replaces the key's row in the expiry index.
func (c *call) moveExpiry(k *keyRef, to int64) error {
	from := int64(0)
	if k.ok {
		from = k.ExpireMs
	}
	if from == to {
		return nil
	}
	db := &c.tx.state.dbs[k.db]
	if from != 0 {
		if err := c.tx.batch.Delete(c.expiryRow(db.id, from, k.key), nil); err != nil {
			return err
		}
		db.expires--
	}
	if to != 0 {
		if err := c.tx.batch.Set(c.expiryRow(db.id, to, k.key), nil, nil); err != nil {
			return err
		}
		db.expires++
		c.e.expiry.lower(to)
	}
	return nil
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
	if err := c.tx.batch.Set(keys.AppendReclaim(nil, d.id), nil, nil); err != nil {
		return err
	}
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

// commitBatch commits the tx's rows with the state row. Only the sequencer's holder calls it.
func (e *Engine) commitBatch(t *tx) error {
	row := t.state.appendTo(e.seq.stateBuf[:0])
	e.seq.stateBuf = row
	if err := t.batch.Set(stateRow, row, nil); err != nil {
		return err
	}
	e.committing.Store(t.state.applied)
	e.commitSeq.Add(1)
	defer e.commitSeq.Add(1)
	for i := range t.rows {
		t.ds.cache.begin(t.rows[i].row)
	}
	if err := t.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	for i := range t.rows {
		r := &t.rows[i]
		t.ds.cache.finish(r.row, r.value, r.value != nil)
	}
	t.ds.publish(&t.state)
	return nil
}
