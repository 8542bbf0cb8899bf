package engine

import "math"

// cmdExpire is EXPIRE key seconds [NX|XX|GT|LT].
func cmdExpire(c *call) error { return c.expire(expireEX, "expire") }

// cmdPExpire is PEXPIRE key milliseconds [NX|XX|GT|LT].
func cmdPExpire(c *call) error { return c.expire(expirePX, "pexpire") }

// cmdExpireAt is EXPIREAT key unix-seconds [NX|XX|GT|LT].
func cmdExpireAt(c *call) error { return c.expire(expireEXAT, "expireat") }

// cmdPExpireAt is PEXPIREAT key unix-milliseconds [NX|XX|GT|LT].
func cmdPExpireAt(c *call) error { return c.expire(expirePXAT, "pexpireat") }

// expire is the common part of the four. A time that is up deletes the key.
func (c *call) expire(unit expireUnit, name string) error {
	o, ok := c.parseExpireOptions()
	if !ok {
		return nil
	}
	at, ok := c.argInt(2)
	if !ok {
		return nil
	}
	if at, ok = c.deadline(at, unit); !ok {
		c.errExpireTime(name)
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !k.ok || !o.allow(k.ExpireMs, at) {
		c.w.Int(0)
		return nil
	}
	c.w.Int(1)
	if c.isPast(at) {
		return c.removeAs(&k, delArg)
	}
	// A time before 1970 can only come from the log, and there is no row for it: it becomes the earliest there is.
	if err := c.setExpire(&k, max(at, 1)); err != nil {
		return err
	}
	c.propagateExpire(unit, at)
	return nil
}

// deadline turns a time given in unit into milliseconds since 1970; ok is false if it is too far from now. Negative ones are fine.
func (c *call) deadline(n int64, unit expireUnit) (at int64, ok bool) {
	if unit.seconds() {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, false
		}
		n *= 1000
	}
	if unit.relative() {
		if n > math.MaxInt64-c.now {
			return 0, false
		}
		n += c.now
	}
	return n, true
}

// propagateExpire writes the command as PEXPIREAT, conditions included: replicas come to the same answer. The text of what
// needs no change stays as the client wrote it.
func (c *call) propagateExpire(unit expireUnit, at int64) {
	if c.replay {
		return
	}
	if unit == expirePXAT {
		c.propagateSelf()
		return
	}
	var b intBuf
	args := append(make([][]byte, 0, 8), wordPExpireAt, c.args[1], b.text(at))
	c.propagate(c.db, append(args, c.args[3:]...)...)
}

// cmdTTL is TTL key.
func cmdTTL(c *call) error { return c.ttl(true, true) }

// cmdPTTL is PTTL key.
func cmdPTTL(c *call) error { return c.ttl(false, true) }

// cmdExpireTime is EXPIRETIME key.
func cmdExpireTime(c *call) error { return c.ttl(true, false) }

// cmdPExpireTime is PEXPIRETIME key.
func cmdPExpireTime(c *call) error { return c.ttl(false, false) }

// ttl answers a key's time: -2 without the key, -1 without a time. Seconds are rounded to the nearest.
func (c *call) ttl(seconds, relative bool) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !k.ok {
		c.w.Int(-2)
		return nil
	}
	if k.ExpireMs == 0 {
		c.w.Int(-1)
		return nil
	}
	ms := k.ExpireMs
	if relative {
		ms = max(ms-c.now, 0)
	}
	if seconds {
		ms = int64((uint64(ms) + 500) / 1000) // unsigned: the largest time does not wrap round, as measured on 7.0.15
	}
	c.w.Int(ms)
	return nil
}

// cmdPersist is PERSIST key.
func cmdPersist(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !k.ok || k.ExpireMs == 0 {
		c.w.Int(0)
		return nil
	}
	if err := c.setExpire(&k, 0); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(1)
	return nil
}
