package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"replogd/engine/keys"
)

const (
	// randomAll is the size up to which a collection is read whole to choose from.
	randomAll = 512

	// randomWindow is how many elements behind a random place one is chosen among: it evens out the gaps between places.
	randomWindow = 16

	// randomDense is the share of a collection from which distinct elements are chosen in one walk: 1 in so many.
	randomDense = 8
)

// element is a field or member and its row's value.
type element struct{ field, value []byte }

// randomFields calls fn with count elements of a hash, set or sorted set, chosen at random; distinct ones, as many as there are,
// or each from all. The slices are valid during fn. It needs a view or the sequencer, as all range reads do.
func (c *call) randomFields(h *keys.Head, count int64, distinct bool, fn func(field, value []byte)) error {
	switch {
	case count == 0 || h.Count == 0:
		return nil
	case distinct && count >= h.Count:
		return c.allFields(h, func(field, value []byte) error {
			fn(field, value)
			return nil
		})
	case h.Count <= randomAll:
		return c.randomOfFew(h, count, distinct, fn)
	case distinct && count > h.Count/randomDense:
		return c.randomWalk(h, count, fn)
	}
	return c.randomSeeks(h, count, distinct, fn)
}

// randomOfFew reads all elements and draws from them.
func (c *call) randomOfFew(h *keys.Head, count int64, distinct bool, fn func(field, value []byte)) error {
	all := make([]element, 0, h.Count)
	err := c.allFields(h, func(field, value []byte) error {
		all = append(all, element{bytes.Clone(field), bytes.Clone(value)})
		return nil
	})
	if err != nil {
		return err
	}
	for i := range count {
		at := rand.IntN(len(all))
		if distinct {
			left := len(all) - int(i)
			at = int(i) + rand.IntN(left)
			all[i], all[at] = all[at], all[i]
			at = int(i)
		}
		fn(all[at].field, all[at].value)
	}
	return nil
}

// randomWalk takes each element with the chance that makes count of them in the end.
func (c *call) randomWalk(h *keys.Head, count int64, fn func(field, value []byte)) error {
	left := h.Count
	return c.allFields(h, func(field, value []byte) error {
		if rand.Int64N(left) < count {
			count--
			fn(field, value)
		}
		left--
		return nil
	})
}

// randomSeeks goes to random places.
func (c *call) randomSeeks(h *keys.Head, count int64, distinct bool, fn func(field, value []byte)) (err error) {
	it, err := c.elements(keys.TagField, h.UID)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.close(); err == nil {
			err = cerr
		}
	}()
	var seen map[string]bool
	if distinct {
		seen = make(map[string]bool, count)
	}
	var row []byte
	for count > 0 {
		row = keys.AppendFieldPlace(row[:0], h.UID, rand.Uint64()>>16)
		ok := it.seekGE(row)
		for range rand.IntN(randomWindow) {
			if !ok {
				ok = it.first()
			} else if ok = it.next(); !ok {
				ok = it.first()
			}
		}
		if !ok && !it.first() {
			if err := it.err(); err != nil {
				return err
			}
			return corruptCount(h, 0)
		}
		_, field, err := keys.ParseField(it.key())
		if err != nil {
			return corruptRow(it.key(), err)
		}
		if distinct {
			if seen[string(field)] {
				continue
			}
			seen[string(field)] = true
		}
		value, err := it.value()
		if err != nil {
			return err
		}
		fn(field, value)
		count--
	}
	return nil
}

// corruptCount reports a collection that has not as many rows as its head says.
func corruptCount(h *keys.Head, rows int64) error {
	return fmt.Errorf("%w: %s %d has %d rows and a count of %d", ErrCorrupt, h.Type, h.UID, rows, h.Count)
}

// randomCount reads the count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER: below 0 elements may come again.
func (c *call) randomCount(i int) (count int64, distinct, ok bool) {
	n, ok := c.argRange(i, -maxInt64, maxInt64)
	if !ok {
		return 0, false, false
	}
	if n < 0 {
		return -n, false, true
	}
	return n, true, true
}

// replyRandom answers HRANDFIELD and ZRANDMEMBER: key [count [withWord]].
func (c *call) replyRandom(t keys.Type, withWord string, value func(value []byte) error) error {
	count, distinct := int64(1), true
	if len(c.args) > 2 {
		var ok bool
		if count, distinct, ok = c.randomCount(2); !ok {
			return nil
		}
	}
	with := len(c.args) == 4 && isWord(c.args[3], withWord)
	switch {
	case len(c.args) > 4 || len(c.args) == 4 && !with:
		c.w.Error(errSyntax)
		return nil
	case with && count > maxInt64/2:
		c.w.Error("ERR value is out of range")
		return nil
	}
	return c.onView(func() error {
		k, ok, err := c.openAs(c.args[1], t)
		if err != nil || !ok {
			return err
		}
		if len(c.args) == 2 {
			if !k.ok {
				c.w.Null()
				return nil
			}
		} else {
			n := count
			if distinct {
				n = min(n, k.Count)
			} else if !k.ok {
				n = 0
			}
			c.randomHeader(int(n), with)
		}
		if !k.ok {
			return nil
		}
		var valueErr error
		err = c.randomFields(&k.Head, count, distinct, func(field, v []byte) {
			if with && c.w.Proto == 3 {
				c.w.Array(2)
			}
			c.w.Bulk(field)
			if with && valueErr == nil {
				valueErr = value(v)
			}
		})
		if err == nil {
			err = valueErr
		}
		return err
	})
}

// randomHeader announces n elements, with their values as pairs under protocol 3.
func (c *call) randomHeader(n int, with bool) {
	if with && c.w.Proto != 3 {
		n *= 2
	}
	c.w.Array(n)
}

// cmdHRandField is HRANDFIELD key [count [WITHVALUES]].
func cmdHRandField(c *call) error {
	return c.replyRandom(keys.TypeHash, "WITHVALUES", func(value []byte) error {
		c.w.Bulk(value)
		return nil
	})
}
