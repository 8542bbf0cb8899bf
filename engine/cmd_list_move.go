package engine

import (
	"bytes"

	"replogd/engine/resp"
)

// cmdRPopLPush is RPOPLPUSH source destination.
func cmdRPopLPush(c *call) error { return c.moveElement(false, true) }

// cmdLMove is LMOVE source destination LEFT|RIGHT LEFT|RIGHT.
func cmdLMove(c *call) error {
	from, ok := c.argSide(3)
	if !ok {
		return nil
	}
	to, ok := c.argSide(4)
	if !ok {
		return nil
	}
	return c.moveElement(from, to)
}

// argSide reads LEFT or RIGHT, or answers the error.
func (c *call) argSide(i int) (head, ok bool) {
	switch {
	case isWord(c.args[i], "LEFT"):
		return true, true
	case isWord(c.args[i], "RIGHT"):
		return false, true
	}
	c.w.Error(errSyntax)
	return false, false
}

func (c *call) moveElement(fromHead, toHead bool) error {
	from, ok, err := c.openList(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !from.k.ok {
		c.w.Null()
		return nil
	}
	same := bytes.Equal(c.args[1], c.args[2])
	to := &from
	if !same {
		other, ok, err := c.openList(c.args[2])
		if err != nil || !ok {
			return err
		}
		to = &other
	}
	value, err := from.pop(fromHead)
	if err != nil {
		return err
	}
	to.push(value, toHead)
	if err := from.save(); err != nil {
		return err
	}
	if !same {
		if err := to.save(); err != nil {
			return err
		}
	}
	c.propagateSelf()
	c.w.Bulk(value)
	return nil
}

// popArgs are the arguments of LMPOP and ZMPOP: numkeys key [key ...] word|word [COUNT n].
type popArgs struct {
	names [][]byte
	first bool // the first of the two words
	count int64
}

func (c *call) parsePopArgs(first, second string) (a popArgs, ok bool) {
	n, ok := resp.ParseInt(c.args[1])
	if !ok || n < 1 {
		c.w.Error("ERR numkeys should be greater than 0")
		return a, false
	}
	if n > int64(len(c.args)-3) {
		c.w.Error(errSyntax)
		return a, false
	}
	at := 2 + int(n)
	a.names, a.count = c.args[2:at], 1
	switch {
	case isWord(c.args[at], first):
		a.first = true
	case !isWord(c.args[at], second):
		c.w.Error(errSyntax)
		return a, false
	}
	counted := false
	for i := at + 1; i < len(c.args); i += 2 {
		if counted || !isWord(c.args[i], "COUNT") || i+1 == len(c.args) {
			c.w.Error(errSyntax)
			return a, false
		}
		counted = true
		if a.count, ok = resp.ParseInt(c.args[i+1]); !ok || a.count < 1 {
			c.w.Error("ERR count should be greater than 0")
			return a, false
		}
	}
	return a, true
}

// cmdLMPop is LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT n]. Its effect is the LPOP or RPOP that it comes to.
func cmdLMPop(c *call) error {
	a, ok := c.parsePopArgs("LEFT", "RIGHT")
	if !ok {
		return nil
	}
	for _, name := range a.names {
		x, ok, err := c.openList(name)
		if err != nil || !ok {
			return err
		}
		if !x.k.ok {
			continue
		}
		count := min(a.count, x.h.Count)
		c.w.Array(2)
		c.w.Bulk(name)
		c.w.Array(int(count))
		if err := x.popInto(c.w, a.first, count); err != nil {
			return err
		}
		verb := wordRPop
		if a.first {
			verb = wordLPop
		}
		var b intBuf
		c.propagate(c.db, verb, name, b.text(count))
		return nil
	}
	c.w.NullArray()
	return nil
}

// posOptions are those of LPOS.
type posOptions struct {
	rank, count, maxLen int64
	all                 bool // COUNT was given: an array is answered
}

func (c *call) parsePosOptions() (o posOptions, ok bool) {
	o.rank, o.count = 1, 1
	for i := 3; i < len(c.args); i += 2 {
		last := i+1 == len(c.args)
		switch {
		case isWord(c.args[i], "RANK") && !last:
			if o.rank, ok = c.argRange(i+1, -maxInt64, maxInt64); !ok {
				return o, false
			}
			if o.rank == 0 {
				c.w.Error("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
					"or use negative to start from the end of the list")
				return o, false
			}
		case isWord(c.args[i], "COUNT") && !last:
			if o.count, ok = resp.ParseInt(c.args[i+1]); !ok || o.count < 0 {
				c.w.Error("ERR COUNT can't be negative")
				return o, false
			}
			o.all = true
		case isWord(c.args[i], "MAXLEN") && !last:
			if o.maxLen, ok = resp.ParseInt(c.args[i+1]); !ok || o.maxLen < 0 {
				c.w.Error("ERR MAXLEN can't be negative")
				return o, false
			}
		default:
			c.w.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// cmdLPos is LPOS key element [RANK rank] [COUNT n] [MAXLEN len].
func cmdLPos(c *call) error {
	o, ok := c.parsePosOptions()
	if !ok {
		return nil
	}
	return c.onView(func() error {
		x, ok, err := c.openList(c.args[1])
		if err != nil || !ok {
			return err
		}
		at, err := x.positions(c.args[2], o)
		switch {
		case err != nil:
			return err
		case o.all:
			c.w.Array(len(at))
			for _, i := range at {
				c.w.Int(i)
			}
		case len(at) == 0:
			c.w.Null()
		default:
			c.w.Int(at[0])
		}
		return nil
	})
}

func (x *list) positions(value []byte, o posOptions) (at []int64, err error) {
	look := x.h.Count
	if o.maxLen > 0 {
		look = min(look, o.maxLen)
	}
	skip := max(o.rank, -o.rank) - 1
	note := func(i int64, v []byte) (bool, error) {
		if !bytes.Equal(v, value) {
			return true, nil
		}
		if skip > 0 {
			skip--
			return true, nil
		}
		at = append(at, i)
		return o.count == 0 || int64(len(at)) < o.count, nil
	}
	if o.rank > 0 {
		err = x.each(0, look, note)
	} else {
		err = x.eachBack(x.h.Count-1, look, note)
	}
	return at, err
}
