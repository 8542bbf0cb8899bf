package engine

import "replogd/engine/keys"

// cmdSet is SET key value [NX|XX] [GET] [EX|PX|EXAT|PXAT time | KEEPTTL].
func cmdSet(c *call) error {
	if len(c.args) == 3 {
		return c.set(setOptions{}, "set", setReplies{})
	}
	o, ok := c.parseSetOptions(3, false)
	if !ok {
		return nil
	}
	return c.set(o, "set", setReplies{})
}

// cmdSetNX is SETNX key value.
func cmdSetNX(c *call) error {
	return c.set(setOptions{nx: true}, "setnx", setReplies{integers: true})
}

// cmdSetEx is SETEX key seconds value.
func cmdSetEx(c *call) error { return c.setWithTime(expireEX, "setex") }

// cmdPSetEx is PSETEX key milliseconds value.
func cmdPSetEx(c *call) error { return c.setWithTime(expirePX, "psetex") }

func (c *call) setWithTime(unit expireUnit, name string) error {
	return c.set(setOptions{unit: unit, time: c.args[2]}, name, setReplies{value: 3})
}

// setReplies is what differs between the commands that set one key.
type setReplies struct {
	integers bool // 1 and 0 in place of OK and null
	value    int  // index of the value among the arguments; 0: 2
}

// set is the common part of SET, SETNX, SETEX and PSETEX. The order of checks is Redis': time, type (with GET), NX and XX.
func (c *call) set(o setOptions, name string, r setReplies) error {
	var at int64
	if o.unit != noExpire {
		var ok bool
		if at, ok = c.expireTime(o.time, o.unit, name); !ok {
			return nil
		}
	}
	value := c.args[max(r.value, 2)]
	if o.get {
		c.bare = false
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil || o.get && !c.isString(&k) {
		return err
	}
	done := !(o.nx && k.ok || o.xx && !k.ok)
	switch {
	case o.get:
		c.replyValue(&k)
	case r.integers:
		c.replyBool(done)
	case done:
		c.w.OK()
	default:
		c.w.Null()
	}
	if !done {
		return nil
	}
	if o.keepTTL {
		at = k.ExpireMs
	}
	if err := c.put(&k, keys.Head{ExpireMs: at, Value: value}); err != nil {
		return err
	}
	c.propagateSet(o, at, value)
	return nil
}

// propagateSet writes a SET with a time as SET key value PXAT time, whatever else it said; without one it drops GET, and leaves
// the rest as the client wrote it.
func (c *call) propagateSet(o setOptions, at int64, value []byte) {
	switch {
	case c.replay:
	case o.unit != noExpire:
		var b intBuf
		c.propagate(c.db, wordSet, c.args[1], value, wordPXAT, b.text(at))
	case o.get:
		args := make([][]byte, 0, len(c.args))
		args = append(args, c.args[:3]...)
		for _, arg := range c.args[3:] {
			if !isWord(arg, "GET") {
				args = append(args, arg)
			}
		}
		c.propagate(c.db, args...)
	default:
		c.propagateSelf()
	}
}

// cmdGetSet is GETSET key value: SET with GET.
func cmdGetSet(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	c.replyValue(&k)
	if err := c.put(&k, keys.Head{Value: c.args[2]}); err != nil {
		return err
	}
	c.propagate(c.db, wordSet, c.args[1], c.args[2])
	return nil
}

// cmdMSet is MSET key value [key value ...].
func cmdMSet(c *call) error {
	if !c.pairs("mset") {
		return nil
	}
	if err := c.putPairs(); err != nil {
		return err
	}
	c.w.OK()
	return nil
}

// cmdMSetNX is MSETNX key value [key value ...]: all or, if one of the keys exists, none.
func cmdMSetNX(c *call) error {
	if !c.pairs("msetnx") {
		return nil
	}
	for i := 1; i < len(c.args); i += 2 {
		k, err := c.open(c.db, c.args[i])
		if err != nil {
			return err
		}
		if k.ok {
			c.w.Int(0)
			return nil
		}
	}
	if err := c.putPairs(); err != nil {
		return err
	}
	c.w.Int(1)
	return nil
}

// pairs reports whether every key has its value, or answers the error.
func (c *call) pairs(name string) bool {
	if len(c.args)%2 == 0 {
		c.w.Error("ERR wrong number of arguments for '" + name + "' command")
		return false
	}
	return true
}

func (c *call) putPairs() error {
	for i := 1; i < len(c.args); i += 2 {
		k, err := c.open(c.db, c.args[i])
		if err != nil {
			return err
		}
		if err := c.put(&k, keys.Head{Value: c.args[i+1]}); err != nil {
			return err
		}
	}
	c.propagateSelf()
	return nil
}
