package engine

import "bytes"

// cmdRename is RENAME key newkey.
func cmdRename(c *call) error { return c.rename(false) }

// cmdRenameNX is RENAMENX key newkey.
func cmdRenameNX(c *call) error { return c.rename(true) }

// rename gives a key another name; the time to live goes with it. A key renamed to itself stays, and nothing is logged.
func (c *call) rename(onlyNew bool) error {
	from, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !from.ok {
		c.w.Error(errNoSuchKey)
		return nil
	}
	moved := false
	if !bytes.Equal(c.args[1], c.args[2]) {
		to, err := c.open(c.db, c.args[2])
		if err != nil {
			return err
		}
		if !onlyNew || !to.ok {
			if err := c.moveKey(&from, &to); err != nil {
				return err
			}
			moved = true
		}
	} else if !onlyNew {
		c.w.OK()
		return nil
	}
	if onlyNew {
		c.replyBool(moved)
	} else {
		c.w.OK()
	}
	return nil
}

// moveKey puts from's value in to's place, with the command itself as the effect.
func (c *call) moveKey(from, to *keyRef) error {
	if err := c.put(to, from.Head); err != nil {
		return err
	}
	c.forget(from)
	c.propagateSelf()
	return nil
}

// cmdMove is MOVE key db.
func cmdMove(c *call) error {
	db, ok := c.argDB(2)
	if !ok {
		return nil
	}
	if db == c.db {
		c.w.Error(errSameObject)
		return nil
	}
	from, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !from.ok {
		c.w.Int(0)
		return nil
	}
	to, err := c.open(db, c.args[1])
	if err != nil {
		return err
	}
	if to.ok {
		c.w.Int(0)
		return nil
	}
	if err := c.moveKey(&from, &to); err != nil {
		return err
	}
	c.w.Int(1)
	return nil
}

// cmdCopy is COPY source destination [DB n] [REPLACE].
func cmdCopy(c *call) error {
	db, replace, ok := c.parseCopyOptions()
	if !ok {
		return nil
	}
	if db == c.db && bytes.Equal(c.args[1], c.args[2]) {
		c.w.Error(errSameObject)
		return nil
	}
	from, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if !from.ok {
		c.w.Int(0)
		return nil
	}
	to, err := c.open(db, c.args[2])
	if err != nil {
		return err
	}
	if to.ok && !replace {
		c.w.Int(0)
		return nil
	}
	h, err := c.copyElements(&from.Head)
	if err != nil {
		return err
	}
	if err := c.put(&to, h); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(1)
	return nil
}

func (c *call) parseCopyOptions() (db int, replace, ok bool) {
	db = c.db
	for i := 3; i < len(c.args); i++ {
		switch {
		case isWord(c.args[i], "REPLACE"):
			replace = true
		case isWord(c.args[i], "DB") && i+1 < len(c.args):
			i++
			if db, ok = c.argDB(i); !ok {
				return 0, false, false
			}
		default:
			c.w.Error(errSyntax)
			return 0, false, false
		}
	}
	return db, replace, true
}
