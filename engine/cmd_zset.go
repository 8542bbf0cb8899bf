package engine

import (
	"math"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// zaddFlags are the options of ZADD.
type zaddFlags struct{ nx, xx, gt, lt, ch, incr bool }

// cmdZAdd is ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...].
func cmdZAdd(c *call) error {
	f, at := c.parseZAddFlags()
	return c.zadd(f, at)
}

// cmdZIncrBy is ZINCRBY key increment member.
func cmdZIncrBy(c *call) error { return c.zadd(zaddFlags{incr: true}, 2) }

func (c *call) parseZAddFlags() (f zaddFlags, at int) {
	for at = 2; at < len(c.args); at++ {
		switch arg := c.args[at]; {
		case isWord(arg, "NX"):
			f.nx = true
		case isWord(arg, "XX"):
			f.xx = true
		case isWord(arg, "CH"):
			f.ch = true
		case isWord(arg, "INCR"):
			f.incr = true
		case isWord(arg, "GT"):
			f.gt = true
		case isWord(arg, "LT"):
			f.lt = true
		default:
			return f, at
		}
	}
	return f, at
}

// refusal is the error of flags that do not go together, "" if they do.
func (f zaddFlags) refusal(elements int) string {
	switch {
	case elements == 0 || elements%2 != 0:
		return errSyntax
	case f.nx && f.xx:
		return "ERR XX and NX options at the same time are not compatible"
	case f.gt && f.nx || f.lt && f.nx || f.gt && f.lt:
		return "ERR GT, LT, and/or NX options at the same time are not compatible"
	case f.incr && elements > 2:
		return "ERR INCR option supports a single increment-element pair"
	}
	return ""
}

// zadd adds the pairs from args[at] on.
func (c *call) zadd(f zaddFlags, at int) error {
	if text := f.refusal(len(c.args) - at); text != "" {
		c.w.Error(text)
		return nil
	}
	scores := make([]float64, 0, (len(c.args)-at)/2)
	for i := at; i < len(c.args); i += 2 {
		score, ok := c.argScore(i)
		if !ok {
			return nil
		}
		scores = append(scores, score)
	}
	x, ok, err := c.openZSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	var added, updated int64
	var last zaddResult
	for i, score := range scores {
		if last, err = x.add(c.args[at+2*i+1], score, f); err != nil {
			return err
		}
		switch {
		case last.nan:
			c.w.Error("ERR resulting score is not a number (NaN)")
			return nil
		case last.added:
			added++
		case last.updated:
			updated++
		}
	}
	if added+updated > 0 {
		if err := x.save(); err != nil {
			return err
		}
		c.propagateSelf()
	}
	c.replyZAdd(f, added, updated, last)
	return nil
}

func (c *call) replyZAdd(f zaddFlags, added, updated int64, last zaddResult) {
	switch {
	case f.incr && last.skipped:
		c.w.Null()
	case f.incr:
		c.w.Double(last.score)
	case f.ch:
		c.w.Int(added + updated)
	default:
		c.w.Int(added)
	}
}

// argScore reads args[i] as a score, or answers the error.
func (c *call) argScore(i int) (score float64, ok bool) {
	score, ok = resp.ParseFloat(c.args[i])
	if !ok {
		c.w.Error(errNotFloat)
	}
	return score, ok
}

// zaddResult is what became of one pair.
type zaddResult struct {
	score                        float64 // the member's now
	added, updated, skipped, nan bool
}

// add is ZADD for one pair.
func (x *zset) add(member []byte, score float64, f zaddFlags) (r zaddResult, err error) {
	old, exists, err := x.score(member)
	if err != nil {
		return r, err
	}
	if !exists {
		if f.xx {
			return zaddResult{skipped: true}, nil
		}
		x.insert(member, score)
		return zaddResult{score: score, added: true}, nil
	}
	if f.nx {
		return zaddResult{score: old, skipped: true}, nil
	}
	if f.incr {
		if score += old; math.IsNaN(score) {
			return zaddResult{nan: true}, nil
		}
	}
	if f.lt && score >= old || f.gt && score <= old {
		return zaddResult{score: old, skipped: true}, nil
	}
	if score == old {
		return zaddResult{score: score}, nil
	}
	x.move(member, old, score)
	return zaddResult{score: score, updated: true}, nil
}

// cmdZRem is ZREM key member [member ...].
func cmdZRem(c *call) error {
	x, ok, err := c.openZSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	removed := int64(0)
	for i := 2; i < len(c.args) && x.h.Count > 0; i++ {
		score, ok, err := x.score(c.args[i])
		if err != nil {
			return err
		}
		if ok {
			x.remove(c.args[i], score)
			removed++
		}
	}
	if removed > 0 {
		if err := x.save(); err != nil {
			return err
		}
		c.propagateSelf()
	}
	c.w.Int(removed)
	return nil
}

// cmdZCard is ZCARD key.
func cmdZCard(c *call) error { return c.replyCount(keys.TypeZSet) }

// readZSet runs a read of a few members as of one commit.
func (c *call) readZSet(read func(x *zset) error) error {
	return c.atOnce(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		return read(&x)
	})
}

// replyScore answers a member's score, or null.
func (x *zset) replyScore(member []byte) error {
	score, ok, err := x.score(member)
	switch {
	case err != nil:
		return err
	case ok:
		x.c.w.Double(score)
	default:
		x.c.w.Null()
	}
	return nil
}

// cmdZScore is ZSCORE key member.
func cmdZScore(c *call) error {
	return c.readZSet(func(x *zset) error { return x.replyScore(c.args[2]) })
}

// cmdZMScore is ZMSCORE key member [member ...].
func cmdZMScore(c *call) error {
	return c.readZSet(func(x *zset) error {
		c.w.Array(len(c.args) - 2)
		for _, member := range c.args[2:] {
			if err := x.replyScore(member); err != nil {
				return err
			}
		}
		return nil
	})
}

// cmdZRank is ZRANK key member.
func cmdZRank(c *call) error { return c.replyRank(false) }

// cmdZRevRank is ZREVRANK key member.
func cmdZRevRank(c *call) error { return c.replyRank(true) }

// replyRank counts the members before one. There is no index of ranks: the cost grows with the rank.
func (c *call) replyRank(reverse bool) error {
	return c.onView(func() error {
		x, ok, err := c.openZSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		score, ok, err := x.score(c.args[2])
		if err != nil {
			return err
		}
		if !ok {
			c.w.Null()
			return nil
		}
		rank := int64(0)
		lower, upper := x.scoreBounds()
		at := x.scoreRow(score, c.args[2])
		if reverse {
			lower = append(at, 0) // behind it
		} else {
			upper = at
		}
		err = x.walkScores(lower, upper, false, func([]byte, float64) (bool, error) {
			rank++
			return true, nil
		})
		if err != nil {
			return err
		}
		c.w.Int(rank)
		return nil
	})
}

// cmdZRandMember is ZRANDMEMBER key [count [WITHSCORES]].
func cmdZRandMember(c *call) error {
	return c.replyRandom(keys.TypeZSet, "WITHSCORES", func(value []byte) error {
		score, err := keys.ParseBits(value)
		c.w.Double(score)
		return err
	})
}

// cmdZScan is ZSCAN key cursor [MATCH pattern] [COUNT n].
func cmdZScan(c *call) error {
	return c.scanElements(keys.TypeZSet, func(w *resp.Writer, member, value []byte) (int, error) {
		score, err := keys.ParseBits(value)
		if err != nil {
			return 0, err
		}
		w.Bulk(member)
		w.Bulk(resp.AppendDouble(nil, score))
		return 2, nil
	})
}
