package engine

import "replogd/engine/keys"

// cmdAppend is APPEND key value. It counts as a change even if value is empty.
func cmdAppend(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	tail := c.args[2]
	if k.ok {
		if ok, err := c.fits(int64(len(k.Value)), int64(len(tail))); !ok {
			return err
		}
	}
	h := keys.Head{ExpireMs: k.ExpireMs}
	if k.ok {
		h.Encoding = keys.EncodingRaw
	}
	size := len(k.Value) + len(tail)
	err = withScratch(size, func(b []byte) error {
		copy(b[copy(b, k.Value):], tail)
		h.Value = b
		return c.put(&k, h)
	})
	if err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(int64(size))
	return nil
}

// cmdSetRange is SETRANGE key offset value. Nothing is set and nothing logged if value is empty.
func cmdSetRange(c *call) error {
	offset, ok := c.argInt(2)
	if !ok {
		return nil
	}
	if offset < 0 {
		c.w.Error("ERR offset is out of range")
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	value := c.args[3]
	if len(value) == 0 {
		c.w.Int(int64(len(k.Value)))
		return nil
	}
	if ok, err := c.fits(offset, int64(len(value))); !ok {
		return err
	}
	h := keys.Head{ExpireMs: k.ExpireMs, Encoding: keys.EncodingRaw}
	size := max(len(k.Value), int(offset)+len(value))
	err = withScratch(size, func(b []byte) error {
		clear(b[copy(b, k.Value):])
		copy(b[offset:], value)
		h.Value = b
		return c.put(&k, h)
	})
	if err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(int64(size))
	return nil
}

// cmdGetRange is GETRANGE key start end, and SUBSTR. Negative positions count from the end; both ends are included.
func cmdGetRange(c *call) error {
	start, ok := c.argInt(2)
	if !ok {
		return nil
	}
	end, ok := c.argInt(3)
	if !ok {
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isString(&k) {
		return err
	}
	size := int64(len(k.Value))
	if start < 0 && end < 0 && start > end {
		c.w.Bulk(nil)
		return nil
	}
	if start < 0 {
		start = max(size+start, 0)
	}
	if end < 0 {
		end = max(size+end, 0)
	}
	end = min(end, size-1)
	if start > end {
		c.w.Bulk(nil)
		return nil
	}
	c.w.Bulk(k.Value[start : end+1])
	return nil
}
