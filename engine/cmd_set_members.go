package engine

import (
	"bytes"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// cmdSAdd is SADD key member [member ...].
func cmdSAdd(c *call) error {
	x, ok, err := c.openSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	count := int64(0)
	for _, member := range c.args[2:] {
		added, err := x.add(member)
		if err != nil {
			return err
		}
		if added {
			count++
		}
	}
	if count > 0 {
		if err := x.save(); err != nil {
			return err
		}
		c.propagateSelf()
	}
	c.w.Int(count)
	return nil
}

// cmdSRem is SREM key member [member ...].
func cmdSRem(c *call) error {
	x, ok, err := c.openSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	removed := int64(0)
	for i := 2; i < len(c.args) && x.h.Count > 0; i++ {
		ok, err := x.del(c.args[i])
		if err != nil {
			return err
		}
		if ok {
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

// cmdSMove is SMOVE source destination member.
func cmdSMove(c *call) error {
	from, ok, err := c.openSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !from.k.ok {
		c.w.Int(0)
		return nil
	}
	to, ok, err := c.openSet(c.args[2])
	if err != nil || !ok {
		return err
	}
	has, err := from.has(c.args[3])
	if err != nil {
		return err
	}
	c.replyBool(has)
	if !has || bytes.Equal(c.args[1], c.args[2]) {
		return nil
	}
	if _, err := from.del(c.args[3]); err != nil {
		return err
	}
	if err := from.save(); err != nil {
		return err
	}
	if _, err := to.add(c.args[3]); err != nil {
		return err
	}
	if err := to.save(); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// readSet runs a read of a few members as of one commit.
func (c *call) readSet(read func(x *set) error) error {
	return c.atOnce(func() error {
		x, ok, err := c.openSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		return read(&x)
	})
}

// cmdSIsMember is SISMEMBER key member.
func cmdSIsMember(c *call) error {
	return c.readSet(func(x *set) error {
		ok, err := x.has(c.args[2])
		c.replyBool(ok)
		return err
	})
}

// cmdSMIsMember is SMISMEMBER key member [member ...].
func cmdSMIsMember(c *call) error {
	return c.readSet(func(x *set) error {
		c.w.Array(len(c.args) - 2)
		for _, member := range c.args[2:] {
			ok, err := x.has(member)
			if err != nil {
				return err
			}
			c.replyBool(ok)
		}
		return nil
	})
}

// cmdSCard is SCARD key.
func cmdSCard(c *call) error { return c.replyCount(keys.TypeSet) }

// cmdSMembers is SMEMBERS key.
func cmdSMembers(c *call) error {
	return c.onView(func() error {
		x, ok, err := c.openSet(c.args[1])
		if err != nil || !ok {
			return err
		}
		c.w.Set(int(x.h.Count))
		if !x.k.ok {
			return nil
		}
		return c.members(&x.h, func(member []byte) error {
			c.w.Bulk(member)
			return c.w.Portion()
		})
	})
}

// cmdSRandMember is SRANDMEMBER key [count].
func cmdSRandMember(c *call) error {
	if len(c.args) > 3 {
		c.w.Error(errSyntax)
		return nil
	}
	return c.replyRandom(keys.TypeSet, "", nil)
}

// cmdSScan is SSCAN key cursor [MATCH pattern] [COUNT n].
func cmdSScan(c *call) error {
	return c.scanElements(keys.TypeSet, func(w *resp.Writer, member, _ []byte) (int, error) {
		w.Bulk(member)
		return 1, nil
	})
}

// spopBatch is how many members one SREM of SPOP's effects names.
const spopBatch = 1024

// cmdSPop is SPOP key [count]. Its effects name what went.
func cmdSPop(c *call) error {
	count := int64(1)
	switch {
	case len(c.args) > 3:
		c.w.Error(errSyntax)
		return nil
	case len(c.args) == 3:
		n, ok := resp.ParseInt(c.args[2])
		if !ok || n < 0 {
			c.w.Error("ERR value is out of range, must be positive")
			return nil
		}
		count = n
	}
	x, ok, err := c.openSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	if len(c.args) == 2 {
		return x.popOne()
	}
	count = min(count, x.h.Count)
	c.w.Set(int(count))
	if count == 0 {
		return nil
	}
	if count == x.h.Count {
		err := c.members(&x.h, func(member []byte) error {
			c.w.Bulk(member) // under the sequencer nothing is handed out: the client's pace is not everybody's
			return nil
		})
		if err != nil {
			return err
		}
		return c.removeAs(&x.k, delArg)
	}
	return x.pop(count)
}

// popOne is SPOP key.
func (x *set) popOne() error {
	c := x.c
	if !x.k.ok {
		c.w.Null()
		return nil
	}
	member, err := x.popNext()
	if err != nil {
		return err
	}
	c.w.Bulk(member)
	if err := x.save(); err != nil {
		return err
	}
	c.propagate(c.db, wordSRem, c.args[1], member)
	return nil
}

// pop takes count members out, fewer than there are.
func (x *set) pop(count int64) error {
	c := x.c
	effect := make([][]byte, 2, 2+min(count, spopBatch))
	effect[0], effect[1] = wordSRem, c.args[1]
	var popped [][]byte
	err := c.randomFields(&x.h, count, true, func(member, _ []byte) { popped = append(popped, bytes.Clone(member)) })
	if err != nil {
		return err
	}
	for i, member := range popped {
		c.w.Bulk(member)
		if _, err := x.del(member); err != nil {
			return err
		}
		effect = append(effect, member)
		if len(effect) == spopBatch+2 || i == len(popped)-1 {
			c.propagate(c.db, effect...)
			effect = effect[:2]
		}
	}
	return x.save()
}
