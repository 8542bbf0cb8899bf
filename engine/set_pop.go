package engine

import (
	"bytes"
	"math/rand/v2"

	"replogd/engine/keys"
)

// popNext takes one member out, chosen at random.
//
// A set that has grown large is walked in the order of its members' hashes from a random place on: every SPOP goes on where the last
// one stopped. Tombstones of what was popped lie behind it, not in its way, so popping stays as fast at the end as at the beginning.
func (x *set) popNext() (member []byte, err error) {
	if x.h.Count <= spopShuffleUpTo {
		err = x.c.randomFields(&x.h, 1, true, func(m, _ []byte) { member = bytes.Clone(m) })
	} else {
		member, err = x.march()
	}
	if err != nil {
		return nil, err
	}
	_, err = x.del(member)
	return member, err
}

// spopShuffleUpTo is the size up to which a member is drawn from all.
const spopShuffleUpTo = 32

// march returns the next member of the walk.
func (x *set) march() (member []byte, err error) {
	c := x.c
	hints := &c.e.seq.hints
	from, ok := hints.get(x.h.UID)
	if !ok {
		from = keys.AppendFieldPlace(nil, x.h.UID, rand.Uint64()>>16)
	}
	lower, upper := keys.UIDBounds(keys.TagField, x.h.UID, x.h.UID)
	for _, row := range [][]byte{from, lower} {
		err := c.near(x.h.UID, row, upper, false, func(it *rowIter) (bool, error) {
			_, field, err := keys.ParseField(it.key())
			if err != nil {
				return false, corruptRow(it.key(), err)
			}
			member = bytes.Clone(field)
			hints.put(x.h.UID, bytes.Clone(it.key()))
			return false, nil
		})
		if err != nil || member != nil {
			return member, err
		}
	}
	return nil, corruptCount(&x.h, 0)
}
