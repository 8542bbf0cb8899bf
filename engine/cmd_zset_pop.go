package engine

// cmdZPopMin is ZPOPMIN key [count].
func cmdZPopMin(c *call) error { return c.zpop(false) }

// cmdZPopMax is ZPOPMAX key [count].
func cmdZPopMax(c *call) error { return c.zpop(true) }

func (c *call) zpop(highest bool) error {
	count, counted := int64(1), len(c.args) == 3
	if len(c.args) > 3 {
		c.w.Error(errSyntax)
		return nil
	}
	if counted {
		var ok bool
		if count, ok = c.argPositive(2); !ok {
			return nil
		}
	}
	x, ok, err := c.openZSet(c.args[1])
	if err != nil || !ok {
		return err
	}
	taken, err := x.takeOut(highest, count)
	if err != nil {
		return err
	}
	if len(taken) > 0 {
		c.propagateSelf()
	}
	if counted {
		c.replyScored(taken, true)
		return nil
	}
	c.w.Array(2 * len(taken))
	for _, m := range taken {
		c.w.Bulk(m.member)
		c.w.Double(m.score)
	}
	return nil
}

// takeOut removes up to count members from one end and returns them.
func (x *zset) takeOut(highest bool, count int64) ([]scored, error) {
	count = min(count, x.h.Count)
	if count <= 0 {
		return nil, nil
	}
	take, remove := x.takeLowest, x.removeLowest
	if highest {
		take, remove = x.takeHighest, x.remove
	}
	taken, err := take(count)
	if err != nil {
		return nil, err
	}
	for _, m := range taken {
		remove(m.member, m.score)
	}
	return taken, x.save()
}

// cmdZMPop is ZMPOP numkeys key [key ...] MIN|MAX [COUNT n]. Its effect is the ZPOPMIN or ZPOPMAX that it comes to.
func cmdZMPop(c *call) error {
	a, ok := c.parsePopArgs("MIN", "MAX")
	if !ok {
		return nil
	}
	for _, name := range a.names {
		x, ok, err := c.openZSet(name)
		if err != nil || !ok {
			return err
		}
		if !x.k.ok {
			continue
		}
		taken, err := x.takeOut(!a.first, a.count)
		if err != nil {
			return err
		}
		c.w.Array(2)
		c.w.Bulk(name)
		c.w.Array(len(taken))
		for _, m := range taken {
			c.w.Array(2)
			c.w.Bulk(m.member)
			c.w.Double(m.score)
		}
		verb := wordZPopMax
		if a.first {
			verb = wordZPopMin
		}
		var b intBuf
		c.propagate(c.db, verb, name, b.text(int64(len(taken))))
		return nil
	}
	c.w.NullArray()
	return nil
}
