package engine

import (
	"math"

	"replogd/engine/keys"
	"replogd/engine/longdouble"
	"replogd/engine/resp"
)

const errIncrOverflow = "ERR increment or decrement would overflow"

// cmdHSet is HSET key field value [field value ...].
func cmdHSet(c *call) error {
	return c.hset("hset", func(added int64) { c.w.Int(added) })
}

// cmdHMSet is HMSET: HSET that answers OK.
func cmdHMSet(c *call) error {
	return c.hset("hmset", func(int64) { c.w.OK() })
}

func (c *call) hset(name string, reply func(added int64)) error {
	if len(c.args)%2 != 0 {
		c.w.Error("ERR wrong number of arguments for '" + name + "' command")
		return nil
	}
	x, ok, err := c.openHash(c.args[1])
	if err != nil || !ok {
		return err
	}
	count := int64(0)
	for i := 2; i < len(c.args); i += 2 {
		added, err := x.set(c.args[i], c.args[i+1])
		if err != nil {
			return err
		}
		if added {
			count++
		}
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	reply(count)
	return nil
}

// cmdHSetNX is HSETNX key field value.
func cmdHSetNX(c *call) error {
	x, ok, err := c.openHash(c.args[1])
	if err != nil || !ok {
		return err
	}
	if _, ok, err := x.get(c.args[2]); err != nil || ok {
		c.w.Int(0)
		return err
	}
	if _, err := x.set(c.args[2], c.args[3]); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(1)
	return nil
}

// cmdHDel is HDEL key field [field ...].
func cmdHDel(c *call) error {
	x, ok, err := c.openHash(c.args[1])
	if err != nil || !ok {
		return err
	}
	removed := int64(0)
	for i := 2; x.k.ok && i < len(c.args) && x.h.Count > 0; i++ {
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

// readHash runs a read of a few fields as of one commit.
func (c *call) readHash(read func(x *hash) error) error {
	return c.atOnce(func() error {
		x, ok, err := c.openHash(c.args[1])
		if err != nil || !ok {
			return err
		}
		return read(&x)
	})
}

// replyField answers a field's value, or null.
func (x *hash) replyField(field []byte) error {
	value, ok, err := x.get(field)
	switch {
	case err != nil:
		return err
	case ok:
		x.c.w.Bulk(value)
	default:
		x.c.w.Null()
	}
	return nil
}

// cmdHGet is HGET key field.
func cmdHGet(c *call) error {
	return c.readHash(func(x *hash) error { return x.replyField(c.args[2]) })
}

// cmdHMGet is HMGET key field [field ...].
func cmdHMGet(c *call) error {
	return c.readHash(func(x *hash) error {
		c.w.Array(len(c.args) - 2)
		for _, field := range c.args[2:] {
			if err := x.replyField(field); err != nil {
				return err
			}
		}
		return nil
	})
}

// cmdHExists is HEXISTS key field.
func cmdHExists(c *call) error {
	return c.readHash(func(x *hash) error {
		_, ok, err := x.get(c.args[2])
		c.replyBool(ok)
		return err
	})
}

// cmdHStrLen is HSTRLEN key field.
func cmdHStrLen(c *call) error {
	return c.readHash(func(x *hash) error {
		value, _, err := x.get(c.args[2])
		c.w.Int(int64(len(value)))
		return err
	})
}

// cmdHLen is HLEN key.
func cmdHLen(c *call) error { return c.replyCount(keys.TypeHash) }

// replyCount answers the number of elements of a collection.
func (c *call) replyCount(t keys.Type) error {
	k, ok, err := c.openAs(c.args[1], t)
	if err == nil && ok {
		c.w.Int(k.Count)
	}
	return err
}

// cmdHGetAll is HGETALL key.
func cmdHGetAll(c *call) error {
	return c.hashFields(func(n int) { c.w.Map(n) }, func(field, value []byte) {
		c.w.Bulk(field)
		c.w.Bulk(value)
	})
}

// cmdHKeys is HKEYS key.
func cmdHKeys(c *call) error {
	return c.hashFields(func(n int) { c.w.Array(n) }, func(field, _ []byte) { c.w.Bulk(field) })
}

// cmdHVals is HVALS key.
func cmdHVals(c *call) error {
	return c.hashFields(func(n int) { c.w.Array(n) }, func(_, value []byte) { c.w.Bulk(value) })
}

// hashFields answers something about every field, from one view.
func (c *call) hashFields(begin func(n int), each func(field, value []byte)) error {
	return c.onView(func() error {
		x, ok, err := c.openHash(c.args[1])
		if err != nil || !ok {
			return err
		}
		begin(int(x.h.Count))
		if !x.k.ok {
			return nil
		}
		return c.allFields(&x.h, func(field, value []byte) error {
			each(field, value)
			return c.w.Portion()
		})
	})
}

// allFields is eachField for a reply that has announced the number of elements: another number of rows is damage.
func (c *call) allFields(h *keys.Head, each func(field, value []byte) error) error {
	n := int64(0)
	err := c.eachField(h.UID, func(field, value []byte) (bool, error) {
		n++
		return true, each(field, value)
	})
	if err == nil && n != h.Count {
		err = corruptCount(h, n)
	}
	return err
}

// cmdHIncrBy is HINCRBY key field n.
func cmdHIncrBy(c *call) error {
	by, ok := c.argInt(3)
	if !ok {
		return nil
	}
	x, ok, err := c.openHash(c.args[1])
	if err != nil || !ok {
		return err
	}
	value, ok, err := x.get(c.args[2])
	if err != nil {
		return err
	}
	old := int64(0)
	if ok {
		if old, ok = resp.ParseInt(value); !ok {
			c.w.Error("ERR hash value is not an integer")
			return nil
		}
	}
	if by < 0 && old < math.MinInt64-by || by > 0 && old > math.MaxInt64-by {
		c.w.Error(errIncrOverflow)
		return nil
	}
	var b intBuf
	if _, err := x.set(c.args[2], b.text(old+by)); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(old + by)
	return nil
}

// cmdHIncrByFloat is HINCRBYFLOAT key field n. Its effect is the result, so that nobody has to compute it again.
func cmdHIncrByFloat(c *call) error {
	by, ok := longdouble.Parse(c.args[3])
	if !ok {
		c.w.Error(errNotFloat)
		return nil
	}
	if by.IsInf() {
		c.w.Error("ERR value is NaN or Infinity")
		return nil
	}
	x, ok, err := c.openHash(c.args[1])
	if err != nil || !ok {
		return err
	}
	value, ok, err := x.get(c.args[2])
	if err != nil {
		return err
	}
	if !ok {
		value = []byte("0")
	}
	old, ok := longdouble.Parse(value)
	if !ok {
		c.w.Error("ERR hash value is not a float")
		return nil
	}
	sum, ok := longdouble.Add(old, by)
	if !ok {
		c.w.Error("ERR increment would produce NaN or Infinity")
		return nil
	}
	text := longdouble.Append(nil, sum)
	if _, err := x.set(c.args[2], text); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagate(c.db, wordHSet, c.args[1], c.args[2], text)
	c.w.Bulk(text)
	return nil
}
