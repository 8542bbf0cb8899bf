package engine

import (
	"strconv"

	"replogd/engine/rdb"
)

// cmdDump is DUMP key.
func cmdDump(c *call) error {
	return c.onView(func() error {
		k, err := c.open(c.db, c.args[1])
		if err != nil {
			return err
		}
		if !k.ok {
			c.w.Null()
			return nil
		}
		d := dumper{w: rdb.NewDump(), rows: c.rows}
		if err := d.value(&k.Head, func() {}); err != nil {
			return err
		}
		c.w.Bulk(d.w.Dump())
		return nil
	})
}

// cmdRestore is RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n], and RESTORE-ASKING. Its effect has the time as a date.
func cmdRestore(c *call) error {
	a, ok := c.parseRestore()
	if !ok {
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if k.ok && !a.replace {
		c.w.Error("BUSYKEY Target key name already exists.")
		return nil
	}
	if a.ttl, ok = c.argInt(2); !ok {
		return nil
	}
	if a.ttl < 0 {
		c.w.Error("ERR Invalid TTL value, must be >= 0")
		return nil
	}
	if !c.checkPayload(c.args[3]) {
		return nil
	}
	at := a.ttl
	if at != 0 && !a.absolute {
		at += c.now
	}
	c.w.OK()
	if at != 0 && c.isPast(at) {
		if !k.ok {
			return nil
		}
		return c.removeAs(&k, delArg)
	}
	return c.restore(&k, at, a.absolute)
}

// restore writes a payload that has been checked.
func (c *call) restore(k *keyRef, at int64, absolute bool) error {
	s := restorer{c: c}
	if _, err := rdb.Restore(c.args[3], &s); err != nil {
		return err
	}
	h := s.head()
	if at != 0 {
		h.ExpireMs = max(at, 1)
	}
	if err := c.put(k, h); err != nil {
		return err
	}
	if at == 0 || absolute {
		c.propagateSelf()
		return nil
	}
	args := append([][]byte{}, c.args...)
	args[2] = strconv.AppendInt(nil, at, 10)
	c.propagate(c.db, append(args, []byte("ABSTTL"))...)
	return nil
}
