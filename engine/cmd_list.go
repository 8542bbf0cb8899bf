package engine

import (
	"bytes"
	"slices"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// cmdLPush is LPUSH key element [element ...].
func cmdLPush(c *call) error { return c.pushAll(true, false) }

// cmdRPush is RPUSH key element [element ...].
func cmdRPush(c *call) error { return c.pushAll(false, false) }

// cmdLPushX is LPUSHX key element [element ...]: only if the list exists.
func cmdLPushX(c *call) error { return c.pushAll(true, true) }

// cmdRPushX is RPUSHX key element [element ...].
func cmdRPushX(c *call) error { return c.pushAll(false, true) }

func (c *call) pushAll(head, onlyExisting bool) error {
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	if onlyExisting && !x.k.ok {
		c.w.Int(0)
		return nil
	}
	for _, value := range c.args[2:] {
		x.push(value, head)
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(x.h.Count)
	return nil
}

// cmdLPop is LPOP key [count].
func cmdLPop(c *call) error { return c.popSome("lpop", true) }

// cmdRPop is RPOP key [count].
func cmdRPop(c *call) error { return c.popSome("rpop", false) }

func (c *call) popSome(name string, head bool) error {
	counted := len(c.args) == 3
	count := int64(1)
	if len(c.args) > 3 {
		c.w.Error("ERR wrong number of arguments for '" + name + "' command")
		return nil
	}
	if counted {
		var ok bool
		if count, ok = c.argPositive(2); !ok {
			return nil
		}
	}
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	switch {
	case !x.k.ok && counted:
		c.w.NullArray()
		return nil
	case !x.k.ok:
		c.w.Null()
		return nil
	}
	count = min(count, x.h.Count)
	if counted {
		c.w.Array(int(count))
	}
	if count == 0 {
		return nil
	}
	if err := x.popInto(c.w, head, count); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// argPositive reads args[i] as an integer of at least 0, or answers the error.
func (c *call) argPositive(i int) (n int64, ok bool) {
	n, ok = resp.ParseInt(c.args[i])
	if !ok || n < 0 {
		c.w.Error("ERR value is out of range, must be positive")
		return 0, false
	}
	return n, true
}

// popInto takes count elements, which there are, and answers them.
func (x *list) popInto(w *resp.Writer, head bool, count int64) error {
	if count > dropAtOnce { // one walk instead of as many look-ups
		if err := x.popMany(w, head, count); err != nil {
			return err
		}
		return x.save()
	}
	for range count {
		value, err := x.pop(head)
		if err != nil {
			return err
		}
		w.Bulk(value)
	}
	return x.save()
}

func (x *list) popMany(w *resp.Writer, head bool, count int64) error {
	reply := func(_ int64, value []byte) (bool, error) {
		w.Bulk(value)
		return true, nil
	}
	if head {
		if err := x.each(0, count, reply); err != nil {
			return err
		}
		x.dropEnds(count, 0)
		return nil
	}
	if err := x.eachBack(x.h.Count-1, count, reply); err != nil {
		return err
	}
	x.dropEnds(0, count)
	return nil
}

// cmdLLen is LLEN key.
func cmdLLen(c *call) error { return c.replyCount(keys.TypeList) }

// cmdLIndex is LINDEX key index.
func cmdLIndex(c *call) error {
	return c.atOnce(func() error {
		x, ok, err := c.openList(c.args[1])
		if err != nil || !ok {
			return err
		}
		if !x.k.ok {
			c.w.Null()
			return nil
		}
		i, ok := c.argInt(2)
		if !ok {
			return nil
		}
		if i < 0 {
			i += x.h.Count
		}
		if i < 0 || i >= x.h.Count {
			c.w.Null()
			return nil
		}
		value, err := x.at(i)
		if err != nil {
			return err
		}
		c.w.Bulk(value)
		return nil
	})
}

// cmdLSet is LSET key index element.
func cmdLSet(c *call) error {
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !x.k.ok {
		c.w.Error(errNoSuchKey)
		return nil
	}
	i, ok := c.argInt(2)
	if !ok {
		return nil
	}
	if i < 0 {
		i += x.h.Count
	}
	if i < 0 || i >= x.h.Count {
		c.w.Error(errOutOfRange)
		return nil
	}
	x.set(i, c.args[3])
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}

// clampRange turns a first and a last index, both counted from the end if negative, into those of size elements; empty if there are
// none between them.
func clampRange(first, last, size int64) (from, to int64, empty bool) {
	if first < 0 {
		first = max(first+size, 0)
	}
	if last < 0 {
		last += size
	}
	if first > last || first >= size {
		return 0, -1, true
	}
	return first, min(last, size-1), false
}

// argSpan reads two indexes.
func (c *call) argSpan(i int) (first, last int64, ok bool) {
	if first, ok = c.argInt(i); !ok {
		return 0, 0, false
	}
	last, ok = c.argInt(i + 1)
	return first, last, ok
}

// cmdLRange is LRANGE key start stop.
func cmdLRange(c *call) error {
	first, last, ok := c.argSpan(2)
	if !ok {
		return nil
	}
	return c.onView(func() error {
		x, ok, err := c.openList(c.args[1])
		if err != nil || !ok {
			return err
		}
		from, to, _ := clampRange(first, last, x.h.Count)
		c.w.Array(int(to - from + 1))
		return x.each(from, to-from+1, func(_ int64, value []byte) (bool, error) {
			c.w.Bulk(value)
			return true, c.w.Portion()
		})
	})
}

// cmdLTrim is LTRIM key start stop.
func cmdLTrim(c *call) error {
	first, last, ok := c.argSpan(2)
	if !ok {
		return nil
	}
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	c.w.OK()
	if !x.k.ok {
		return nil
	}
	from, to, empty := clampRange(first, last, x.h.Count)
	switch {
	case empty:
		return c.removeAndLog(&x.k)
	case from == 0 && to == x.h.Count-1:
		return nil
	}
	x.dropEnds(from, x.h.Count-1-to)
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// removeAndLog deletes a key with the command itself as the effect.
func (c *call) removeAndLog(k *keyRef) error {
	if err := c.remove(k); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// cmdLRem is LREM key count element.
func cmdLRem(c *call) error {
	count, ok := c.argInt(2)
	if !ok {
		return nil
	}
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	at, err := x.find(c.args[3], count)
	if err != nil {
		return err
	}
	if len(at) > 0 {
		if err := x.removeAll(at); err != nil {
			return err
		}
		if err := x.save(); err != nil {
			return err
		}
		c.propagateSelf()
	}
	c.w.Int(int64(len(at)))
	return nil
}

// find returns the indexes, in increasing order, of the first count elements equal to value; of the last -count ones if count is
// negative, of all if it is 0.
func (x *list) find(value []byte, count int64) (at []int64, err error) {
	most := count
	note := func(i int64, v []byte) (bool, error) {
		if bytes.Equal(v, value) {
			at = append(at, i)
		}
		return most == 0 || int64(len(at)) < most, nil
	}
	if count >= 0 {
		err = x.each(0, x.h.Count, note)
		return at, err
	}
	if most = -count; most < 0 {
		most = maxInt64
	}
	if err := x.eachBack(x.h.Count-1, x.h.Count, note); err != nil {
		return nil, err
	}
	slices.Reverse(at)
	return at, nil
}

// cmdLInsert is LINSERT key BEFORE|AFTER pivot element.
func cmdLInsert(c *call) error {
	after := isWord(c.args[2], "AFTER")
	if !after && !isWord(c.args[2], "BEFORE") {
		c.w.Error(errSyntax)
		return nil
	}
	x, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !x.k.ok {
		c.w.Int(0)
		return nil
	}
	at, err := x.find(c.args[3], 1)
	if err != nil {
		return err
	}
	if len(at) == 0 {
		c.w.Int(-1)
		return nil
	}
	i := at[0]
	if after {
		i++
	}
	if err := x.insert(i, c.args[4]); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(x.h.Count)
	return nil
}
