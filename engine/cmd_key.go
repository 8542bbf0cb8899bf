package engine

// cmdDel is DEL key [key ...], and UNLINK: taking a key away is the same work for both.
func cmdDel(c *call) error {
	removed := int64(0)
	for _, key := range c.args[1:] {
		k, err := c.open(c.db, key)
		if err != nil {
			return err
		}
		if !k.ok {
			continue
		}
		if err := c.remove(&k); err != nil {
			return err
		}
		removed++
	}
	if removed > 0 {
		c.propagateSelf()
	}
	c.w.Int(removed)
	return nil
}

// cmdExists is EXISTS key [key ...]: a key named twice counts twice.
func cmdExists(c *call) error {
	refs, err := c.openAll(c.db, c.args[1:])
	if err != nil {
		return err
	}
	found := int64(0)
	for i := range refs {
		if refs[i].ok {
			found++
		}
	}
	c.w.Int(found)
	return nil
}

// cmdTouch is TOUCH key [key ...]. There is no access time to touch, so it only counts.
func cmdTouch(c *call) error { return cmdExists(c) }

// cmdType is TYPE key.
func cmdType(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if k.ok {
		c.w.Simple(k.Type.String())
	} else {
		c.w.Simple("none")
	}
	return nil
}

// cmdRandomKey is RANDOMKEY.
func cmdRandomKey(c *call) error {
	key, ok, err := c.randomKey(c.db)
	if err != nil {
		return err
	}
	if ok {
		c.w.Bulk(key)
	} else {
		c.w.Null()
	}
	return nil
}
