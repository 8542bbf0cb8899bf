package engine

import (
	"math"

	"replogd/engine/keys"
	"replogd/engine/longdouble"
	"replogd/engine/resp"
)

// cmdIncr is INCR key.
func cmdIncr(c *call) error { return c.add(1) }

// cmdDecr is DECR key.
func cmdDecr(c *call) error { return c.add(-1) }

// cmdIncrBy is INCRBY key n.
func cmdIncrBy(c *call) error {
	n, ok := c.argInt(2)
	if !ok {
		return nil
	}
	return c.add(n)
}

// cmdDecrBy is DECRBY key n.
func cmdDecrBy(c *call) error {
	n, ok := c.argInt(2)
	if !ok {
		return nil
	}
	if n == math.MinInt64 {
		c.w.Error("ERR decrement would overflow")
		return nil
	}
	return c.add(-n)
}

// add changes an integer by n; a missing key counts as 0. The time to live stays.
func (c *call) add(n int64) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	var old int64
	if k.ok {
		var ok bool
		if old, ok = resp.ParseInt(k.Value); !ok {
			c.w.Error(errNotInteger)
			return nil
		}
	}
	sum := old + n
	if n > 0 && sum < old || n < 0 && sum > old {
		c.w.Error("ERR increment or decrement would overflow")
		return nil
	}
	var b intBuf
	if err := c.put(&k, keys.Head{ExpireMs: k.ExpireMs, Value: b.text(sum)}); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(sum)
	return nil
}

// cmdIncrByFloat is INCRBYFLOAT key n. Its effect is the result, so that nobody has to compute it again.
func cmdIncrByFloat(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	old := []byte("0")
	if k.ok {
		old = k.Value
	}
	a, ok := longdouble.Parse(old)
	if !ok {
		c.w.Error(errNotFloat)
		return nil
	}
	b, ok := longdouble.Parse(c.args[2])
	if !ok {
		c.w.Error(errNotFloat)
		return nil
	}
	sum, ok := longdouble.Add(a, b)
	if !ok {
		c.w.Error("ERR increment would produce NaN or Infinity")
		return nil
	}
	text := longdouble.Append(nil, sum)
	if err := c.put(&k, keys.Head{ExpireMs: k.ExpireMs, Value: text}); err != nil {
		return err
	}
	c.propagate(c.db, wordSet, c.args[1], text, wordKeepTTL)
	c.w.Bulk(text)
	return nil
}
