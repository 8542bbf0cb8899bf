package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// cmdXLen is XLEN key.
func cmdXLen(c *call) error { return c.replyCount(keys.TypeStream) }

// cmdXDel is XDEL key id [id ...].
func cmdXDel(c *call) error {
	x, ok, err := c.openStream(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !x.k.ok {
		c.w.Int(0)
		return nil
	}
	var gone []keys.StreamID
	seen := map[keys.StreamID]bool{}
	for i := 2; i < len(c.args); i++ {
		id, ok := c.argStreamID(i)
		if !ok {
			return nil
		}
		has, err := x.has(id)
		if err != nil {
			return err
		}
		if has && !seen[id] {
			seen[id] = true
			gone = append(gone, id)
		}
	}
	c.w.Int(int64(len(gone)))
	if len(gone) == 0 {
		return nil
	}
	for _, id := range gone {
		if id.Compare(x.s.MaxDeleted) > 0 {
			x.s.MaxDeleted = id
		}
	}
	if err := x.remove(gone); err != nil {
		return err
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}

// cmdXSetID is XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id].
func cmdXSetID(c *call) error {
	id, ok := c.argStreamID(2)
	if !ok {
		return nil
	}
	added, maxDeleted := int64(-1), keys.StreamID{}
	given := false
	for i := 3; i < len(c.args); i += 2 {
		last := i+1 == len(c.args)
		switch {
		case isWord(c.args[i], "ENTRIESADDED") && !last:
			if added, ok = c.argInt(i + 1); !ok {
				return nil
			}
			if added < 0 {
				c.w.Error("ERR entries_added must be positive")
				return nil
			}
		case isWord(c.args[i], "MAXDELETEDID") && !last:
			if maxDeleted, ok = c.argStreamID(i + 1); !ok {
				return nil
			}
			if id.Compare(maxDeleted) < 0 {
				c.w.Error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
				return nil
			}
			given = true
		default:
			c.w.Error(errSyntax)
			return nil
		}
	}
	x, ok, err := c.openStream(c.args[1])
	if err != nil || !ok {
		return err
	}
	switch {
	case !x.k.ok:
		c.w.Error(errNoSuchKey)
		return nil
	case x.h.Count > 0 && id.Compare(x.lastEntry()) < 0:
		c.w.Error("ERR The ID specified in XSETID is smaller than the target stream top item")
		return nil
	case x.h.Count > 0 && added != -1 && added < x.h.Count:
		c.w.Error("ERR The entries_added specified in XSETID is smaller than the target stream length")
		return nil
	}
	x.s.Last = id
	if added != -1 {
		x.s.Added = uint64(added)
	}
	if given && maxDeleted != (keys.StreamID{}) {
		x.s.MaxDeleted = maxDeleted
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}

// lastEntry is the id of the last entry that is left; an error shows at the write.
func (x *stream) lastEntry() (last keys.StreamID) {
	_ = x.walk(x.s.First, keys.MaxStreamID, true, func(id keys.StreamID, _ []byte) (bool, error) {
		last = id
		return false, nil
	})
	return last
}

// cmdXRange is XRANGE key start end [COUNT n].
func cmdXRange(c *call) error { return c.xrange(false) }

// cmdXRevRange is XREVRANGE key end start [COUNT n].
func cmdXRevRange(c *call) error { return c.xrange(true) }

func (c *call) xrange(back bool) error {
	low, high := 2, 3
	if back {
		low, high = high, low
	}
	first, last, ok := c.argInterval(low, high)
	if !ok {
		return nil
	}
	count := int64(-1)
	for i := 4; i < len(c.args); i += 2 {
		if !isWord(c.args[i], "COUNT") || i+1 == len(c.args) {
			c.w.Error(errSyntax)
			return nil
		}
		if count, ok = c.argInt(i + 1); !ok {
			return nil
		}
		count = max(count, 0)
	}
	return c.onView(func() error {
		x, ok, err := c.openStream(c.args[1])
		if err != nil || !ok {
			return err
		}
		switch {
		case !x.k.ok:
			c.w.Array(0)
			return nil
		case count == 0:
			c.w.NullArray()
			return nil
		}
		_, err = x.replyEntries(c.w, first, last, back, count)
		return err
	})
}

// replyEntries answers the entries from first to last, at most count (0 or less: all), and returns how many there were.
func (x *stream) replyEntries(w *resp.Writer, first, last keys.StreamID, back bool, count int64) (n int64, err error) {
	found := resp.Writer{Proto: w.Proto}
	err = x.walk(first, last, back, func(id keys.StreamID, value []byte) (bool, error) {
		n++
		return n != count, appendEntry(&found, id, value)
	})
	if err != nil {
		return n, err
	}
	w.Array(int(n))
	w.Raw(found.Bytes())
	return n, nil
}

// appendEntry writes one entry: its id, and its fields and values.
func appendEntry(w *resp.Writer, id keys.StreamID, value []byte) error {
	fields, err := keys.ParseFields(value)
	if err != nil {
		return err
	}
	w.Array(2)
	w.Bulk(id.Append(nil))
	w.Array(len(fields))
	for _, f := range fields {
		w.Bulk(f)
	}
	return nil
}

// readArgs are the arguments of XREAD.
type readArgs struct {
	count int64 // 0: all
	names [][]byte
	ids   int // index of the first id
}

func (c *call) parseRead() (a readArgs, ok bool) {
	for i := 1; i < len(c.args); i++ {
		last := i+1 == len(c.args)
		switch arg := c.args[i]; {
		case isWord(arg, "COUNT") && !last:
			if a.count, ok = c.argInt(i + 1); !ok {
				return a, false
			}
			a.count = max(a.count, 0)
			i++
		case isWord(arg, "BLOCK") && !last:
			c.w.Error("ERR BLOCK is not supported yet: ask again after a while")
			return a, false
		case isWord(arg, "STREAMS") && !last:
			streams := len(c.args) - i - 1
			if streams%2 != 0 {
				c.w.Error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
				return a, false
			}
			a.ids = i + 1 + streams/2
			a.names = c.args[i+1 : a.ids]
			return a, true
		default:
			c.w.Error(errSyntax)
			return a, false
		}
	}
	c.w.Error(errSyntax)
	return a, false
}

// cmdXRead is XREAD [COUNT n] STREAMS key [key ...] id [id ...].
func cmdXRead(c *call) error {
	a, ok := c.parseRead()
	if !ok {
		return nil
	}
	return c.onView(func() error {
		after := make([]keys.StreamID, len(a.names))
		all := make([]stream, len(a.names))
		for i, name := range a.names {
			x, ok, err := c.openStream(name)
			if err != nil || !ok {
				return err
			}
			all[i] = x
			switch arg := c.args[a.ids+i]; {
			case len(arg) == 1 && arg[0] == '$':
				after[i] = x.s.Last
			case len(arg) == 1 && arg[0] == '>':
				c.w.Error("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
				return nil
			default:
				if after[i], ok = c.argStreamID(a.ids + i); !ok {
					return nil
				}
			}
		}
		return c.replyNew(a, all, after)
	})
}

// replyNew answers what each stream has behind an id; streams that have nothing are left out.
func (c *call) replyNew(a readArgs, all []stream, after []keys.StreamID) error {
	found := resp.Writer{Proto: c.w.Proto}
	streams := 0
	for i := range all {
		x := &all[i]
		first, ok := after[i].Next()
		if !ok || x.h.Count == 0 || x.s.Last.Compare(after[i]) <= 0 {
			continue
		}
		one := resp.Writer{Proto: c.w.Proto}
		n, err := x.replyEntries(&one, first, keys.MaxStreamID, false, a.count)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		streams++
		if c.w.Proto != 3 {
			found.Array(2)
		}
		found.Bulk(a.names[i])
		found.Raw(one.Bytes())
	}
	switch {
	case streams == 0:
		c.w.NullArray()
	case c.w.Proto == 3:
		c.w.Map(streams)
	default:
		c.w.Array(streams)
	}
	c.w.Raw(found.Bytes())
	return nil
}
