package engine

import "bytes"

// zrangeForm is what a command of the ZRANGE family admits.
type zrangeForm struct {
	by         zrangeBy
	reverse    bool
	fixed      bool // what the range is by and its order are the command's, not options
	withScores bool // WITHSCORES is an option
	limit      bool // LIMIT is an option
}

// cmdZRange is ZRANGE key min max [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES].
func cmdZRange(c *call) error {
	return c.zrange(zrangeForm{withScores: true, limit: true})
}

// cmdZRevRange is ZREVRANGE key start stop [WITHSCORES].
func cmdZRevRange(c *call) error {
	return c.zrange(zrangeForm{by: byRank, reverse: true, fixed: true, withScores: true, limit: true})
}

// cmdZRangeByScore is ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count].
func cmdZRangeByScore(c *call) error {
	return c.zrange(zrangeForm{by: byScore, fixed: true, withScores: true, limit: true})
}

// cmdZRevRangeByScore is ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count].
func cmdZRevRangeByScore(c *call) error {
	return c.zrange(zrangeForm{by: byScore, reverse: true, fixed: true, withScores: true, limit: true})
}

// cmdZRangeByLex is ZRANGEBYLEX key min max [LIMIT offset count].
func cmdZRangeByLex(c *call) error {
	return c.zrange(zrangeForm{by: byLex, fixed: true, withScores: true, limit: true})
}

// cmdZRevRangeByLex is ZREVRANGEBYLEX key max min [LIMIT offset count].
func cmdZRevRangeByLex(c *call) error {
	return c.zrange(zrangeForm{by: byLex, reverse: true, fixed: true, withScores: true, limit: true})
}

// parseZRange reads a range from args[at], args[at+1] and the options behind them, or answers the error.
func (c *call) parseZRange(form zrangeForm, at int) (r zrange, withScores, ok bool) {
	r = zrange{by: form.by, reverse: form.reverse, count: -1}
	for i := at + 2; i < len(c.args); i++ {
		switch arg := c.args[i]; {
		case form.withScores && isWord(arg, "WITHSCORES"):
			withScores = true
		case isWord(arg, "LIMIT") && i+2 < len(c.args):
			if r.offset, r.count, ok = c.argSpan(i + 1); !ok {
				return r, false, false
			}
			r.limited = true
			i += 2
		case !form.fixed && isWord(arg, "REV"):
			r.reverse = true
		case !form.fixed && isWord(arg, "BYLEX"):
			r.by = byLex
		case !form.fixed && isWord(arg, "BYSCORE"):
			r.by = byScore
		default:
			c.w.Error(errSyntax)
			return r, false, false
		}
	}
	switch {
	case r.limited && r.count != -1 && r.by == byRank:
		c.w.Error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
		return r, false, false
	case withScores && r.by == byLex:
		c.w.Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
		return r, false, false
	}
	return r, withScores, c.setBounds(&r, at)
}

func (c *call) zrange(form zrangeForm) error {
	r, withScores, ok := c.parseZRange(form, 2)
	if !ok {
		return nil
	}
	return c.onView(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		return c.replyRange(&x, &r, withScores)
	})
}

// zrangeAtOnce is up to how many members a range is answered by one walk.
const zrangeAtOnce = 1024

// replyRange answers a range, from a view. A long one is not held in memory: it is walked once more, after it has been counted, unless its
// ranks say how long it is.
func (c *call) replyRange(x *zset, r *zrange, withScores bool) error {
	if r.by == byRank {
		from, to, _ := clampRange(r.first, r.last, x.h.Count)
		return c.streamRange(x, r, int(to-from+1), withScores)
	}
	var found []scored
	count := 0
	err := x.walkRange(r, func(member []byte, score float64) (bool, error) {
		if count++; count <= zrangeAtOnce {
			found = append(found, scored{bytes.Clone(member), score})
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if count <= zrangeAtOnce {
		c.replyScored(found, withScores)
		return nil
	}
	return c.streamRange(x, r, count, withScores)
}

func (c *call) streamRange(x *zset, r *zrange, count int, withScores bool) error {
	c.randomHeader(count, withScores)
	return x.walkRange(r, func(member []byte, score float64) (bool, error) {
		c.scoredReply(member, score, withScores)
		return true, c.w.Portion()
	})
}

// replyScored answers members, with their scores as pairs under protocol 3.
func (c *call) replyScored(all []scored, withScores bool) {
	c.randomHeader(len(all), withScores)
	for _, m := range all {
		c.scoredReply(m.member, m.score, withScores)
	}
}

func (c *call) scoredReply(member []byte, score float64, withScores bool) {
	if withScores && c.w.Proto == 3 {
		c.w.Array(2)
	}
	c.w.Bulk(member)
	if withScores {
		c.w.Double(score)
	}
}

// cmdZRangeStore is ZRANGESTORE dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count].
func cmdZRangeStore(c *call) error {
	r, _, ok := c.parseZRange(zrangeForm{limit: true}, 3)
	if !ok {
		return nil
	}
	x, ok, err := c.openZSet(c.args[2])
	if err != nil || !ok {
		return err
	}
	found, err := x.inRange(&r)
	if err != nil {
		return err
	}
	return c.storeZSet(c.args[1], found)
}

// storeZSet puts a sorted set of these members in place of whatever is at key, and answers their number.
func (c *call) storeZSet(key []byte, members []scored) error {
	to, err := c.open(c.db, key)
	if err != nil {
		return err
	}
	c.w.Int(int64(len(members)))
	if len(members) == 0 {
		if !to.ok {
			return nil
		}
		return c.removeAndLog(&to)
	}
	result := c.newZSet()
	result.presize(members)
	for _, m := range members {
		result.insert(m.member, m.score)
	}
	if err := c.put(&to, result.h); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// cmdZCount is ZCOUNT key min max.
func cmdZCount(c *call) error { return c.countRange(byScore) }

// cmdZLexCount is ZLEXCOUNT key min max.
func cmdZLexCount(c *call) error { return c.countRange(byLex) }

func (c *call) countRange(by zrangeBy) error {
	r := zrange{by: by}
	if !c.setBounds(&r, 2) {
		return nil
	}
	return c.onView(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		count := int64(0)
		err = x.walkRange(&r, func([]byte, float64) (bool, error) {
			count++
			return true, nil
		})
		if err != nil {
			return err
		}
		c.w.Int(count)
		return nil
	})
}

// cmdZRemRangeByRank is ZREMRANGEBYRANK key start stop.
func cmdZRemRangeByRank(c *call) error { return c.removeRange(byRank) }

// cmdZRemRangeByScore is ZREMRANGEBYSCORE key min max.
func cmdZRemRangeByScore(c *call) error { return c.removeRange(byScore) }

// cmdZRemRangeByLex is ZREMRANGEBYLEX key min max.
func cmdZRemRangeByLex(c *call) error { return c.removeRange(byLex) }

func (c *call) removeRange(by zrangeBy) error {
	r := zrange{by: by}
	if !c.setBounds(&r, 2) {
		return nil
	}
	x, ok, err := c.openZSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	gone, err := x.inRange(&r)
	if err != nil {
		return err
	}
	for _, m := range gone {
		x.remove(m.member, m.score)
	}
	if len(gone) > 0 {
		if err := x.save(); err != nil {
			return err
		}
		c.propagateSelf()
	}
	c.w.Int(int64(len(gone)))
	return nil
}
