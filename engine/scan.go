package engine

import (
	"fmt"
	"math/rand/v2"

	"replogd/engine/keys"
)

// scan walks the keys of a database from a position on, in the order of positions, on one consistent view; keys whose time is up
// are left out. It stops when fn returns false. The slices are valid during fn only. In a transaction the view is the transaction's.
func (c *call) scan(db int, from keys.Pos, fn func(pos keys.Pos, key []byte, h keys.Head) bool) error {
	if c.tx == nil && c.v == nil {
		return c.onView(func() error { return c.scan(db, from, fn) })
	}
	// Read after the view was taken: a commit that it shows has announced itself before.
	c.s.Need = max(c.s.Need, c.e.committing.Load())
	it, err := c.keysFrom(db, from)
	if err != nil {
		return err
	}
	defer func() { _ = it.close() }() // what went wrong is returned below
	for ok := it.first(); ok; ok = it.next() {
		_, pos, key, err := keys.ParseKey(it.key())
		if err != nil {
			return corruptRow(it.key(), err)
		}
		value, err := it.value()
		if err != nil {
			return err
		}
		h, err := keys.ParseHead(value)
		if err != nil {
			return corruptRow(it.key(), err)
		}
		if !c.replay && h.Expired(c.now) {
			continue
		}
		if !fn(pos, key, h) {
			return nil
		}
	}
	return it.err()
}

// keysFrom iterates over the rows of a database's keys from a position on.
func (c *call) keysFrom(db int, from keys.Pos) (*rowIter, error) {
	id := c.dbID(db)
	lower := keys.AppendKeyPos(nil, id, from)
	_, upper := keys.DBBounds(keys.TagKey, id, id)
	if c.tx != nil {
		return c.ds.iterLocked(c.tx, 0, lower, upper)
	}
	return c.v.iter(lower, upper)
}

// randomKeyWindow is how many keys behind a random position randomKey chooses among: it evens out the gaps between positions.
const randomKeyWindow = 8

// randomKey returns a copy of some key of the database.
func (c *call) randomKey(db int) (key []byte, ok bool, err error) {
	seen := 0
	choose := func(_ keys.Pos, k []byte, _ keys.Head) bool {
		seen++
		if rand.IntN(seen) == 0 {
			key, ok = append(key[:0], k...), true
		}
		return seen < randomKeyWindow
	}
	start := keys.Pos(uint64(rand.IntN(keys.Slots))<<48 | rand.Uint64()>>16)
	if err := c.scan(db, start, choose); err != nil {
		return nil, false, err
	}
	if seen < randomKeyWindow {
		err = c.scan(db, 0, choose)
	}
	return key, ok, err
}

func corruptRow(row []byte, err error) error {
	return fmt.Errorf("%w: row %x: %w", ErrCorrupt, row, err)
}
