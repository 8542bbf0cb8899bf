package engine

import (
	"bytes"
	"math"

	"replogd/engine/keys"
)

// zset is an open sorted set. Each member has two rows: one by member with the score as its value (keys.AppendField), for look-ups, and
// one by score and member (keys.AppendScore), which is the order.
type zset struct {
	c *call
	k keyRef
	h keys.Head // as it is going to be
}

// openZSet opens a key for sorted-set commands; ok is false if it holds something else, which has been answered.
func (c *call) openZSet(key []byte) (x zset, ok bool, err error) {
	k, ok, err := c.openAs(key, keys.TypeZSet)
	return zset{c: c, k: k, h: k.Head}, ok, err
}

// newZSet is a sorted set under construction, for a key that is written when it is done.
func (c *call) newZSet() zset { return zset{c: c, h: c.newHead(keys.TypeZSet)} }

func (x *zset) writable() {
	if !x.k.ok && x.h.UID == 0 {
		x.c.start(&x.k, keys.TypeZSet)
		x.h = x.k.Head
	}
}

// score looks a member up.
func (x *zset) score(member []byte) (score float64, ok bool, err error) {
	if x.h.Count == 0 {
		return 0, false, nil
	}
	row := x.c.fieldRow(x.h.UID, member)
	value, ok, err := x.c.elem(x.h.UID, row)
	if err != nil || !ok {
		return 0, false, err
	}
	if score, err = keys.ParseBits(value); err != nil {
		return 0, false, corruptRow(row, err)
	}
	return score, true, nil
}

// insert adds a member that is known to be absent.
func (x *zset) insert(member []byte, score float64) {
	x.writable()
	limits := x.c.e.o.Limits()
	x.h.Count++
	if int64(len(member)) > limits.ZSetValue || x.h.Count > limits.ZSetEntries {
		x.h.Encoding = keys.EncodingSkiplist
	}
	keep := len(x.c.rowBuf)
	x.putRows(member, score, false)
	x.c.rowBuf = x.c.rowBuf[:keep]
}

// presize sets the encoding of a sorted set that is made of these members at once.
func (x *zset) presize(members []scored) {
	limits := x.c.e.o.Limits()
	for _, m := range members {
		if int64(len(m.member)) > limits.ZSetValue || int64(len(members)) > limits.ZSetEntries {
			x.h.Encoding = keys.EncodingSkiplist
			return
		}
	}
}

// putRows writes both rows of a member; existed says that the one by member is there already. -0 becomes 0 in the compact encoding,
// as in Redis, which has no sign for it there.
func (x *zset) putRows(member []byte, score float64, existed bool) {
	c := x.c
	if score == 0 && x.h.Encoding == keys.EncodingListpack {
		score = 0
	}
	var bits [8]byte
	c.setRow(c.fieldRow(x.h.UID, member), keys.AppendBits(bits[:0], score), existed)
	row := x.scoreRow(score, member)
	var value []byte
	if score == 0 && math.Signbit(score) {
		value = keys.NegativeZero
	}
	c.setRow(row, value, false)
	x.scoreChanges(row)
	if c.loading {
		return
	}
	if first, ok := c.e.seq.hints.get(x.h.UID); ok && bytes.Compare(row, first) < 0 {
		c.e.seq.hints.put(x.h.UID, bytes.Clone(row))
	}
}

// scoreChanges notes that a score row is written, or removed otherwise than by a pop from the lowest score.
func (x *zset) scoreChanges(row []byte) {
	if !x.c.loading {
		x.c.e.seq.hints.changed(x.h.UID, row)
	}
}

// move gives an existing member another score.
func (x *zset) move(member []byte, from, to float64) {
	keep := len(x.c.rowBuf)
	row := x.scoreRow(from, member)
	x.scoreChanges(row)
	x.c.deleteRow(row)
	x.putRows(member, to, true)
	x.c.rowBuf = x.c.rowBuf[:keep]
}

// remove takes out an existing member.
func (x *zset) remove(member []byte, score float64) {
	keep := len(x.c.rowBuf)
	row := x.scoreRow(score, member)
	x.scoreChanges(row)
	x.c.deleteRow(row)
	x.c.deleteRow(x.c.fieldRow(x.h.UID, member))
	x.c.rowBuf = x.c.rowBuf[:keep]
	x.h.Count--
}

// removeLowest is remove for the first member in the order of scores, which has been taken from the set's front.
func (x *zset) removeLowest(member []byte, score float64) {
	keep := len(x.c.rowBuf)
	x.c.deleteRow(x.c.fieldRow(x.h.UID, member))
	x.c.deleteLowest(x.scoreRow(score, member))
	x.c.rowBuf = x.c.rowBuf[:keep]
	x.h.Count--
}

func (x *zset) scoreRow(score float64, member []byte) []byte {
	from := len(x.c.rowBuf)
	x.c.rowBuf = keys.AppendScore(x.c.rowBuf, x.h.UID, score, member)
	return x.c.rowBuf[from:len(x.c.rowBuf):len(x.c.rowBuf)]
}

func (x *zset) save() error {
	if x.h.Count == 0 {
		x.c.dropHint(x.h.UID)
	}
	return x.c.save(&x.k, x.h)
}

// dropHint forgets where a collection begins: it is no more.
func (c *call) dropHint(uid uint64) { c.e.seq.hints.drop(uid) }

// scored is a member with its score.
type scored struct {
	member []byte
	score  float64
}

// walkScores calls fn with the members whose score rows lie in [lower, upper), in order or backwards, until it returns false. member is
// valid during fn. Under the sequencer no row may be changed meanwhile.
func (x *zset) walkScores(lower, upper []byte, back bool, fn func(member []byte, score float64) (more bool, err error)) error {
	it, err := x.c.between(x.h.UID, lower, upper)
	if err != nil {
		return err
	}
	return it.walk(back, func() (bool, error) {
		member, score, err := scoreAt(it)
		if err != nil {
			return false, err
		}
		return fn(member, score)
	})
}

// scoreAt reads the score row an iterator stands at; member is valid until it moves.
func scoreAt(it *rowIter) (member []byte, score float64, err error) {
	score, member, err = keys.ParseScore(it.key())
	if err != nil {
		return nil, 0, corruptRow(it.key(), err)
	}
	if score == 0 {
		value, err := it.value()
		if err != nil {
			return nil, 0, err
		}
		if bytes.Equal(value, keys.NegativeZero) {
			score = math.Copysign(0, -1)
		}
	}
	return member, score, nil
}

// scoreBounds are those of all score rows.
func (x *zset) scoreBounds() (lower, upper []byte) {
	return keys.UIDBounds(keys.TagScore, x.h.UID, x.h.UID)
}

// walkAll is walkScores over everything.
func (x *zset) walkAll(back bool, fn func(member []byte, score float64) (bool, error)) error {
	lower, upper := x.scoreBounds()
	return x.walkScores(lower, upper, back, fn)
}

// takeLowest collects count members from the lowest score on, under the sequencer, for removeLowest. They come from the set's front, which is
// filled anew from where the last pop ended.
func (x *zset) takeLowest(count int64) ([]scored, error) {
	hints := &x.c.e.seq.hints
	f := hints.front(x.h.UID)
	if int64(len(f.members)) < count {
		if err := x.fillFront(f, count); err != nil {
			return nil, err
		}
	}
	taken := f.members[:count:count]
	f.members = f.members[count:]
	x.touchFront(f, int(count))
	last := taken[count-1]
	first, _ := hints.get(x.h.UID)
	hints.put(x.h.UID, keys.AppendScore(first[:0], x.h.UID, last.score, last.member))
	if len(f.members) == 0 {
		f.extra.usedUp()
	}
	return taken, nil
}

// touchFront touches the rows of the members that the next pops are going to remove, once those touched before are used up.
func (x *zset) touchFront(f *zsetFront, taken int) {
	if f.touched -= taken; f.touched > 0 {
		return
	}
	f.touched = min(len(f.members), touchRows)
	t := &x.c.e.seq.toucher
	t.begin()
	for i := range f.members[:f.touched] {
		t.row = keys.AppendField(t.row[:0], x.h.UID, f.members[i].member)
		t.add()
	}
	t.touch(x.c.ds.cache)
}

// fillFront reads the lowest count members and some more.
func (x *zset) fillFront(f *zsetFront, count int64) error {
	row, upper := x.scoreBounds()
	if first, ok := x.c.e.seq.hints.get(x.h.UID); ok {
		row = bytes.Clone(first)
	}
	members, err := x.collect(row, upper, false, count, min(count+int64(f.extra), x.h.Count))
	if err != nil {
		return err
	}
	last := members[len(members)-1]
	f.touched = 0
	f.members, f.last = members, keys.AppendScore(f.last[:0], x.h.UID, last.score, last.member)
	return nil
}

// takeHighest collects count members from the highest score on, under the sequencer.
func (x *zset) takeHighest(count int64) ([]scored, error) {
	lower, upper := x.scoreBounds()
	return x.collect(upper, lower, true, count, count)
}

// collect returns members that there are for certain, from row towards bound: least, and up to most as long as they are small.
func (x *zset) collect(row, bound []byte, back bool, least, most int64) (members []scored, err error) {
	size, stopped := 0, false
	err = x.c.near(x.h.UID, row, bound, back, func(it *rowIter) (bool, error) {
		member, score, err := scoreAt(it)
		members = append(members, scored{member, score}) // near's keys stay valid
		size += len(member)
		n := int64(len(members))
		stopped = n == most || n >= least && size >= frontBytes
		return !stopped, err
	})
	if err == nil && !stopped {
		err = corruptCount(&x.h, int64(len(members)))
	}
	return members, err
}
