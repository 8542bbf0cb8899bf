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
	if x.h.Count > spopShuffleUpTo {
		return x.march()
	}
	err = x.c.randomFields(&x.h, 1, true, func(m, _ []byte) { member = bytes.Clone(m) })
	if err != nil {
		return nil, err
	}
	_, err = x.del(member)
	return member, err
}

// spopShuffleUpTo is the size up to which a member is drawn from all.
const spopShuffleUpTo = 32

// march takes out the next member of the walk, under the sequencer.
func (x *set) march() (member []byte, err error) {
	hints := &x.c.e.seq.hints
	w := hints.walk(x.h.UID)
	if len(w.members) == 0 {
		if err := x.fillWalk(w); err != nil {
			return nil, err
		}
	}
	member, w.members = w.members[0], w.members[1:]
	if len(w.members) == 0 {
		w.extra.usedUp()
	}
	row := x.c.fieldRow(x.h.UID, member)
	place, _ := hints.get(x.h.UID)
	hints.put(x.h.UID, append(place[:0], row...))
	x.c.deleteRow(row)
	x.h.Count--
	return member, nil
}

// fillWalk reads the next member and some more, from behind the last one popped on, or else from the set's beginning.
func (x *set) fillWalk(w *setWalk) error {
	from, ok := x.c.e.seq.hints.get(x.h.UID)
	if !ok {
		from = keys.AppendFieldPlace(nil, x.h.UID, rand.Uint64()>>16)
	}
	lower, upper := keys.UIDBounds(keys.TagField, x.h.UID, x.h.UID)
	size := 0
	for _, row := range [][]byte{bytes.Clone(from), lower} {
		err := x.c.near(x.h.UID, row, upper, false, func(it *rowIter) (bool, error) {
			_, member, err := keys.ParseField(it.key())
			if err != nil {
				return false, corruptRow(it.key(), err)
			}
			if len(w.members) == 0 {
				w.first = append(w.first[:0], it.key()...)
			}
			w.last = append(w.last[:0], it.key()...)
			w.members = append(w.members, member) // near's keys stay valid
			size += len(member)
			return len(w.members) <= int(w.extra) && size < frontBytes, nil
		})
		if err != nil {
			w.members = nil
			return err
		}
		if len(w.members) > 0 {
			return nil
		}
	}
	return corruptCount(&x.h, 0)
}
