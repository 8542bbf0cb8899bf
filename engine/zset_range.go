package engine

import (
	"bytes"
	"slices"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// zrange is a part of a sorted set: by rank, by score or by member.
type zrange struct {
	by          zrangeBy
	reverse     bool
	first, last int64      // by rank, as given
	min, max    scoreBound // by score
	lexMin      lexBound
	lexMax      lexBound
	limited     bool  // LIMIT was given
	offset      int64 // members to pass over
	count       int64 // most members; negative: all
}

type zrangeBy uint8

const (
	byRank zrangeBy = iota
	byScore
	byLex
)

// scoreBound is one end of a range of scores.
type scoreBound struct {
	score     float64
	exclusive bool
}

// lexBound is one end of a range of members.
type lexBound struct {
	member    []byte
	exclusive bool
	infinite  int // -1: before all members, 1: behind all, 0: neither
}

// parseScoreBound reads a score, or "(" and a score.
func parseScoreBound(arg []byte) (b scoreBound, ok bool) {
	if len(arg) > 0 && arg[0] == '(' {
		b.exclusive, arg = true, arg[1:]
	}
	b.score, ok = resp.ParseFloat(arg)
	return b, ok
}

// parseLexBound reads "-", "+", "[member" or "(member".
func parseLexBound(arg []byte) (b lexBound, ok bool) {
	switch {
	case len(arg) == 1 && arg[0] == '-':
		return lexBound{infinite: -1, exclusive: true}, true
	case len(arg) == 1 && arg[0] == '+':
		return lexBound{infinite: 1, exclusive: true}, true
	case len(arg) > 0 && arg[0] == '(':
		return lexBound{member: arg[1:], exclusive: true}, true
	case len(arg) > 0 && arg[0] == '[':
		return lexBound{member: arg[1:]}, true
	}
	return b, false
}

// compare orders a bound and a member.
func (b *lexBound) compare(member []byte) int {
	if b.infinite != 0 {
		return b.infinite
	}
	return bytes.Compare(b.member, member)
}

// setBounds reads a range's two ends from args[i] and args[i+1], or answers the error. The second one comes first in reverse order by
// score and by member.
func (c *call) setBounds(r *zrange, i int) bool {
	low, high := c.args[i], c.args[i+1]
	if r.reverse && r.by != byRank {
		low, high = high, low
	}
	var ok, ok2 bool
	switch r.by {
	case byRank:
		r.first, r.last, ok = c.argSpan(i)
		return ok
	case byScore:
		r.min, ok = parseScoreBound(low)
		if r.max, ok2 = parseScoreBound(high); !ok || !ok2 {
			c.w.Error("ERR min or max is not a float")
			return false
		}
	case byLex:
		r.lexMin, ok = parseLexBound(low)
		if r.lexMax, ok2 = parseLexBound(high); !ok || !ok2 {
			c.w.Error("ERR min or max not valid string range item")
			return false
		}
	}
	return true
}

// walkRange calls fn with the members of a range, in its order, until it returns false. member is valid during fn.
func (x *zset) walkRange(r *zrange, fn func(member []byte, score float64) (bool, error)) error {
	if x.h.Count == 0 {
		return nil
	}
	lower, upper := x.scoreBounds()
	skip, left := r.offset, r.count
	var filter func(member []byte) (in, more bool)
	switch r.by {
	case byRank:
		from, to, empty := clampRange(r.first, r.last, x.h.Count)
		if empty {
			return nil
		}
		skip, left = from, to-from+1
		if size := x.h.Count; skip > size/2 && left <= farEndMost { // nearer from the other end
			return x.walkFarEnd(r.reverse, size-1-to, left, fn)
		}
	case byScore:
		lower, upper = x.scoresBetween(r.min, r.max)
		if bytes.Compare(lower, upper) >= 0 {
			return nil
		}
	case byLex:
		var err error
		if lower, upper, filter, err = x.lexBetween(r); err != nil || bytes.Compare(lower, upper) >= 0 {
			return err
		}
	}
	if r.by != byRank && (r.limited && (skip < 0 || left == 0)) {
		return nil
	}
	if !r.limited && r.by != byRank {
		left = -1
	}
	return x.walkScores(lower, upper, r.reverse, func(member []byte, score float64) (bool, error) {
		if filter != nil {
			in, more := filter(member)
			if !in {
				return more, nil
			}
		}
		if skip > 0 {
			skip--
			return true, nil
		}
		more, err := fn(member, score)
		if left > 0 {
			left--
		}
		return more && left != 0, err
	})
}

// inRange collects the members of a range.
func (x *zset) inRange(r *zrange) (found []scored, err error) {
	err = x.walkRange(r, func(member []byte, score float64) (bool, error) {
		found = append(found, scored{bytes.Clone(member), score})
		return true, nil
	})
	return found, err
}

// farEndMost bounds what walkFarEnd holds in memory.
const farEndMost = 1 << 16

// walkFarEnd shows count members behind which beyond are left, from the other end, in the asked order.
func (x *zset) walkFarEnd(reverse bool, beyond, count int64, fn func(member []byte, score float64) (bool, error)) error {
	var found []scored
	err := x.walkAll(!reverse, func(member []byte, score float64) (bool, error) {
		if beyond > 0 {
			beyond--
			return true, nil
		}
		found = append(found, scored{bytes.Clone(member), score})
		return int64(len(found)) < count, nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(found)
	for _, m := range found {
		if more, err := fn(m.member, m.score); err != nil || !more {
			return err
		}
	}
	return nil
}

// scoresBetween are the bounds of the rows of a range of scores.
func (x *zset) scoresBetween(low, high scoreBound) (lower, upper []byte) {
	at := func(b scoreBound, behind bool) []byte {
		row := keys.AppendScore(nil, x.h.UID, b.score, nil)
		if behind {
			return after(row)
		}
		return row
	}
	return at(low, low.exclusive), at(high, !high.exclusive)
}

// after is the smallest row behind all that begin with prefix, which is not all ones.
func after(prefix []byte) []byte {
	row := bytes.Clone(prefix)
	for i := len(row) - 1; ; i-- {
		if row[i]++; row[i] != 0 {
			return row[:i+1]
		}
	}
}

// lexBetween are the bounds of the rows of a range of members; lower is not below upper if it is empty. They mean something where all
// scores are equal, which is when members are in order; elsewhere every member is looked at, as Redis does while the set is small.
func (x *zset) lexBetween(r *zrange) (lower, upper []byte, filter func(member []byte) (in, more bool), err error) {
	lower, upper = x.scoreBounds()
	first, last, err := x.ends()
	if err != nil {
		return nil, nil, nil, err
	}
	if cmp := r.lexMin.compare(last.member); cmp > 0 || cmp == 0 && r.lexMin.exclusive {
		return upper, lower, nil, nil
	}
	if cmp := r.lexMax.compare(first.member); cmp < 0 || cmp == 0 && r.lexMax.exclusive {
		return upper, lower, nil, nil
	}
	if first.score != last.score {
		return lower, upper, x.lexFilter(r), nil
	}
	if r.lexMin.infinite == 0 {
		lower = x.lexRow(first.score, r.lexMin, r.lexMin.exclusive)
	}
	if r.lexMax.infinite == 0 {
		upper = x.lexRow(first.score, r.lexMax, !r.lexMax.exclusive)
	}
	return lower, upper, nil, nil
}

// lexRow is the row of a bound, or what comes directly behind it.
func (x *zset) lexRow(score float64, b lexBound, behind bool) []byte {
	row := keys.AppendScore(nil, x.h.UID, score, b.member)
	if behind {
		return append(row, 0)
	}
	return row
}

// lexFilter takes members in order from the first one that is not before the range to the first one that is behind it.
func (x *zset) lexFilter(r *zrange) func(member []byte) (in, more bool) {
	begun := false
	near, far := &r.lexMin, &r.lexMax
	sign := 1
	if r.reverse {
		near, far, sign = far, near, -1
	}
	return func(member []byte) (in, more bool) {
		if !begun {
			if cmp := near.compare(member) * sign; cmp > 0 || cmp == 0 && near.exclusive {
				return false, true
			}
			begun = true
		}
		cmp := far.compare(member) * sign
		in = cmp > 0 || cmp == 0 && !far.exclusive
		return in, in
	}
}

// ends are the first and the last member of a sorted set that has any.
func (x *zset) ends() (first, last scored, err error) {
	for back, end := range map[bool]*scored{false: &first, true: &last} {
		err = x.walkAll(back, func(member []byte, score float64) (bool, error) {
			*end = scored{bytes.Clone(member), score}
			return false, nil
		})
		if err != nil {
			return first, last, err
		}
	}
	return first, last, nil
}
