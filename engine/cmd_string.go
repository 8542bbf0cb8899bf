package engine

import "replogd/engine/keys"

// replyValue answers a string, or null if it does not exist.
func (c *call) replyValue(k *keyRef) {
	if !k.ok {
		c.w.Null()
		return
	}
	c.w.Bulk(k.Value)
}

// replyBool answers 1 or 0.
func (c *call) replyBool(yes bool) {
	if yes {
		c.w.Int(1)
	} else {
		c.w.Int(0)
	}
}

// cmdGet is GET key.
func cmdGet(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	c.replyValue(&k)
	return nil
}

// cmdMGet is MGET key [key ...]: null for what is no string.
func cmdMGet(c *call) error {
	found, err := c.openAll(c.db, c.args[1:])
	if err != nil {
		return err
	}
	c.w.Array(len(found))
	for i := range found {
		k := &found[i]
		if k.Type != keys.TypeString {
			c.w.Null()
			continue
		}
		c.replyValue(k)
	}
	return nil
}

// cmdGetDel is GETDEL key.
func cmdGetDel(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	c.replyValue(&k)
	if !k.ok {
		return nil
	}
	return c.removeAs(&k, delArg)
}

// removeAs deletes an existing key, with the effect "verb key".
func (c *call) removeAs(k *keyRef, verb []byte) error {
	if err := c.remove(k); err != nil {
		return err
	}
	c.propagate(k.db, verb, k.key)
	return nil
}

// cmdGetEx is GETEX key [EX|PX|EXAT|PXAT time | PERSIST].
func cmdGetEx(c *call) error {
	o, ok := c.parseSetOptions(2, true)
	if !ok {
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	if !k.ok {
		c.w.Null()
		return nil
	}
	var at int64
	if o.unit != noExpire {
		if at, ok = c.expireTime(o.time, o.unit, "getex"); !ok {
			return nil
		}
	}
	c.replyValue(&k)
	switch {
	case o.unit != noExpire && c.isPast(at):
		return c.removeAs(&k, delArg)
	case o.unit != noExpire:
		return c.putExpire(&k, at)
	case o.persist && k.ExpireMs != 0:
		return c.dropExpire(&k)
	}
	return nil
}

// putExpire gives an existing key a time, with PEXPIREAT as its effect.
func (c *call) putExpire(k *keyRef, at int64) error {
	if err := c.setExpire(k, at); err != nil {
		return err
	}
	var b intBuf
	c.propagate(k.db, wordPExpireAt, k.key, b.text(at))
	return nil
}

// dropExpire takes an existing key's time away, with PERSIST as its effect.
func (c *call) dropExpire(k *keyRef) error {
	if err := c.setExpire(k, 0); err != nil {
		return err
	}
	c.propagate(k.db, wordPersist, k.key)
	return nil
}

// setExpire rewrites an existing key's row with another time (0: none), without an effect.
func (c *call) setExpire(k *keyRef, at int64) error {
	h := k.Head
	h.ExpireMs = at
	return c.put(k, h)
}

// cmdStrLen is STRLEN key.
func cmdStrLen(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	c.w.Int(int64(len(k.Value)))
	return nil
}
