package engine

import "fmt"

// cmdDBSize is DBSIZE. Keys whose time is up count until they are removed, as in Redis.
func cmdDBSize(c *call) error {
	c.w.Int(c.count(c.db))
	return nil
}

// flushMode reports whether args[1:] is nothing, SYNC or ASYNC, or answers the error. The two mean the same here: a database is
// emptied in one step, and its rows are reclaimed in the background.
func (c *call) flushMode() bool {
	if len(c.args) == 1 || len(c.args) == 2 && (isWord(c.args[1], "SYNC") || isWord(c.args[1], "ASYNC")) {
		return true
	}
	c.w.Error(errSyntax)
	return false
}

// cmdFlushDB is FLUSHDB [SYNC|ASYNC]. It is logged even if there was nothing to remove.
func cmdFlushDB(c *call) error {
	if !c.flushMode() {
		return nil
	}
	if err := c.flushDB(c.db); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}

// cmdFlushAll is FLUSHALL [SYNC|ASYNC].
func cmdFlushAll(c *call) error {
	if !c.flushMode() {
		return nil
	}
	for db := range c.databases() {
		if err := c.flushDB(db); err != nil {
			return fmt.Errorf("flush database %d: %w", db, err)
		}
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}

// cmdSwapDB is SWAPDB index1 index2.
func cmdSwapDB(c *call) error {
	a, ok := c.argIndex(1, "ERR invalid first DB index")
	if !ok {
		return nil
	}
	b, ok := c.argIndex(2, "ERR invalid second DB index")
	if !ok {
		return nil
	}
	if !c.isDB(a) || !c.isDB(b) {
		c.w.Error(errDBRange)
		return nil
	}
	if err := c.swapDB(int(a), int(b)); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}
