package engine

import (
	"bytes"
	"slices"

	"replogd/engine/resp"
)

// openSets opens keys that are to be sets; ok is false if one holds something else, which has been answered. Absent ones are empty.
func (c *call) openSets(names [][]byte) (all []set, ok bool, err error) {
	for _, name := range names {
		x, ok, err := c.openSet(name)
		if err != nil || !ok {
			return nil, ok, err
		}
		all = append(all, x)
	}
	return all, true, nil
}

// setFunc calls fn with every member of a result, until it returns false.
type setFunc func(all []set, fn func(member []byte) (more bool, err error)) error

// intersect goes through the smallest set and asks the others.
func (c *call) intersect(all []set, fn func(member []byte) (bool, error)) error {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b set) int { return int(min(max(a.h.Count-b.h.Count, -1), 1)) })
	if order[0].h.Count == 0 {
		return nil
	}
	return c.membersWhile(&order[0], func(member []byte) (bool, error) {
		for i := range order[1:] {
			has, err := order[i+1].has(member)
			if err != nil || !has {
				return true, err
			}
		}
		return fn(member)
	})
}

// subtract goes through the first set and asks the others.
func (c *call) subtract(all []set, fn func(member []byte) (bool, error)) error {
	return c.membersWhile(&all[0], func(member []byte) (bool, error) {
		for i := range all[1:] {
			has, err := all[i+1].has(member)
			if err != nil || has {
				return true, err
			}
		}
		return fn(member)
	})
}

// unite goes through each set, and passes over what one before it has.
func (c *call) unite(all []set, fn func(member []byte) (bool, error)) error {
	for i := range all {
		more := true
		err := c.membersWhile(&all[i], func(member []byte) (_ bool, err error) {
			for j := range all[:i] {
				has, err := all[j].has(member)
				if err != nil || has {
					return true, err
				}
			}
			more, err = fn(member)
			return more, err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// membersWhile is eachField for a set that may be absent. The arena is used again for each member.
func (c *call) membersWhile(x *set, fn func(member []byte) (bool, error)) error {
	if x.h.Count == 0 {
		return nil
	}
	keep := len(c.rowBuf)
	return c.eachField(x.h.UID, func(member, _ []byte) (bool, error) {
		c.rowBuf = c.rowBuf[:keep]
		return fn(member)
	})
}

// replySet answers the result of a set operation on args[1:].
func (c *call) replySet(op setFunc) error {
	return c.onView(func() error {
		all, ok, err := c.openSets(c.args[1:])
		if err != nil || !ok {
			return err
		}
		count := 0
		var found resp.Writer
		err = op(all, func(member []byte) (bool, error) {
			count++
			found.Bulk(member)
			return true, nil
		})
		if err != nil {
			return err
		}
		c.w.Set(count)
		c.w.Raw(found.Bytes())
		return nil
	})
}

// storeSet puts the result of a set operation on args[2:] into args[1], in place of whatever is there.
func (c *call) storeSet(op setFunc) error {
	all, ok, err := c.openSets(c.args[2:])
	if err != nil || !ok {
		return err
	}
	var members [][]byte
	err = op(all, func(member []byte) (bool, error) {
		members = append(members, bytes.Clone(member))
		return true, nil
	})
	if err != nil {
		return err
	}
	to, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	c.w.Int(int64(len(members)))
	if len(members) == 0 {
		if to.ok {
			if err := c.remove(&to); err != nil {
				return err
			}
			c.propagateSelf()
		}
		return nil
	}
	result := c.newSet()
	for _, member := range members {
		result.insert(c.fieldRow(result.h.UID, member), member)
	}
	if err := c.put(&to, result.h); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// cmdSInter is SINTER key [key ...].
func cmdSInter(c *call) error { return c.replySet(c.intersect) }

// cmdSUnion is SUNION key [key ...].
func cmdSUnion(c *call) error { return c.replySet(c.unite) }

// cmdSDiff is SDIFF key [key ...].
func cmdSDiff(c *call) error { return c.replySet(c.subtract) }

// cmdSInterStore is SINTERSTORE destination key [key ...].
func cmdSInterStore(c *call) error { return c.storeSet(c.intersect) }

// cmdSUnionStore is SUNIONSTORE destination key [key ...].
func cmdSUnionStore(c *call) error { return c.storeSet(c.unite) }

// cmdSDiffStore is SDIFFSTORE destination key [key ...].
func cmdSDiffStore(c *call) error { return c.storeSet(c.subtract) }

// cmdSInterCard is SINTERCARD numkeys key [key ...] [LIMIT n].
func cmdSInterCard(c *call) error {
	names, rest, ok := c.numKeys(1)
	if !ok {
		return nil
	}
	limit, ok := c.cardLimit(rest)
	if !ok {
		return nil
	}
	return c.onView(func() error {
		all, ok, err := c.openSets(names)
		if err != nil || !ok {
			return err
		}
		count := int64(0)
		err = c.intersect(all, func([]byte) (bool, error) {
			count++
			return limit == 0 || count < limit, nil
		})
		if err != nil {
			return err
		}
		c.w.Int(count)
		return nil
	})
}

// numKeys reads args[at], a number of keys, and the keys behind it, as SINTERCARD, LMPOP and ZMPOP do; or answers the error. rest is
// the index behind the keys.
func (c *call) numKeys(at int) (names [][]byte, rest int, ok bool) {
	n, ok := resp.ParseInt(c.args[at])
	switch {
	case !ok || n <= 0:
		c.w.Error("ERR numkeys should be greater than 0")
	case n > int64(len(c.args)-at-1):
		c.w.Error("ERR Number of keys can't be greater than number of args")
	default:
		return c.args[at+1 : at+1+int(n)], at + 1 + int(n), true
	}
	return nil, 0, false
}

// cardLimit reads the [LIMIT n] of SINTERCARD and ZINTERCARD.
func (c *call) cardLimit(at int) (limit int64, ok bool) {
	for i := at; i < len(c.args); i += 2 {
		if !isWord(c.args[i], "LIMIT") || i+1 == len(c.args) {
			c.w.Error(errSyntax)
			return 0, false
		}
		n, ok := resp.ParseInt(c.args[i+1])
		if !ok || n < 0 {
			c.w.Error("ERR LIMIT can't be negative")
			return 0, false
		}
		limit = n
	}
	return limit, true
}
