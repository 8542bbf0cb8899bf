package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// openForInfo opens args[2], which must exist; ok is false when an error was answered.
func (c *call) openForInfo() (x stream, ok bool, err error) {
	x, ok, err = c.openStream(c.args[2])
	if err == nil && ok && !x.k.ok {
		c.w.Error(errNoSuchKey)
		return x, false, nil
	}
	return x, ok, err
}

// defaultFullCount is how many entries XINFO STREAM FULL shows if no COUNT is given.
const defaultFullCount = 10

// cmdXInfoStream is XINFO STREAM key [FULL [COUNT n]].
func cmdXInfoStream(c *call) error {
	return c.onView(func() error {
		x, ok, err := c.openForInfo()
		if err != nil || !ok {
			return err
		}
		if len(c.args) == 3 {
			return x.replyInfo()
		}
		count, ok := c.parseInfoFull()
		if !ok {
			return nil
		}
		return x.replyFull(count)
	})
}

func (c *call) parseInfoFull() (count int64, ok bool) {
	if !isWord(c.args[3], "FULL") || len(c.args) != 4 && len(c.args) != 6 || len(c.args) == 6 && !isWord(c.args[4], "COUNT") {
		c.w.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.args[1]) + "'. Try XINFO HELP.")
		return 0, false
	}
	if len(c.args) == 4 {
		return defaultFullCount, true
	}
	if count, ok = c.argInt(5); ok && count < 0 {
		count = defaultFullCount
	}
	return count, ok
}

// replyCommon answers the fields that both forms begin with.
func (x *stream) replyCommon() {
	w := x.c.w
	nodes := (x.h.Count + streamNodeEntries - 1) / streamNodeEntries // as Redis would have them
	w.BulkString("length")
	w.Int(x.h.Count)
	w.BulkString("radix-tree-keys")
	w.Int(nodes)
	w.BulkString("radix-tree-nodes")
	w.Int(nodes + 1)
	w.BulkString("last-generated-id")
	w.Bulk(x.s.Last.Append(nil))
	w.BulkString("max-deleted-entry-id")
	w.Bulk(x.s.MaxDeleted.Append(nil))
	w.BulkString("entries-added")
	w.Int(int64(x.s.Added))
	w.BulkString("recorded-first-entry-id")
	w.Bulk(x.s.First.Append(nil))
}

func (x *stream) replyInfo() error {
	groups := 0
	if err := x.groups(func(*group) error { groups++; return nil }); err != nil {
		return err
	}
	w := x.c.w
	w.Map(10)
	x.replyCommon()
	w.BulkString("groups")
	w.Int(int64(groups))
	for _, end := range []struct {
		name string
		back bool
	}{{"first-entry", false}, {"last-entry", true}} {
		w.BulkString(end.name)
		found := false
		err := x.walk(x.s.First, keys.MaxStreamID, end.back, func(id keys.StreamID, value []byte) (bool, error) {
			found = true
			return false, appendEntry(w, id, value)
		})
		if err != nil {
			return err
		}
		if !found {
			w.Null()
		}
	}
	return nil
}

// replyFull answers everything about a stream, with at most count entries of each list (0: all).
func (x *stream) replyFull(count int64) error {
	w := x.c.w
	w.Map(9)
	x.replyCommon()
	w.BulkString("entries")
	if _, err := x.replyEntries(w, x.s.First, keys.MaxStreamID, false, count); err != nil {
		return err
	}
	w.BulkString("groups")
	found, n := &resp.Writer{Proto: w.Proto}, 0
	err := x.groups(func(g *group) error {
		n++
		return g.replyFull(found, count)
	})
	if err != nil {
		return err
	}
	w.Array(n)
	w.Raw(found.Bytes())
	return nil
}

// replyRead answers entries-read and lag.
func (g *group) replyRead(w *resp.Writer) {
	w.BulkString("entries-read")
	if g.EntriesRead == unknownRead {
		w.Null()
	} else {
		w.Int(g.EntriesRead)
	}
	w.BulkString("lag")
	lag, ok := g.lag()
	if ok {
		w.Int(lag)
	} else {
		w.Null()
	}
}

// lag is how many entries the group has not been given; ok is false if that cannot be told.
func (g *group) lag() (lag int64, ok bool) {
	x := g.x
	added := int64(x.s.Added)
	switch {
	case added == 0:
		return 0, true
	case g.EntriesRead != unknownRead && !x.deletedFrom(g.Last):
		return added - g.EntriesRead, true
	}
	read := x.entriesUpTo(g.Last)
	return added - read, read != unknownRead
}

func (g *group) replyFull(w *resp.Writer, count int64) error {
	w.Map(7)
	w.BulkString("name")
	w.Bulk(g.name)
	w.BulkString("last-delivered-id")
	w.Bulk(g.Last.Append(nil))
	g.replyRead(w)
	w.BulkString("pel-count")
	w.Int(int64(g.Pending))
	w.BulkString("pending")
	err := g.replyPEL(w, nil, count, func(w *resp.Writer, p *pendingEntry) {
		w.Array(4)
		w.Bulk(p.id.Append(nil))
		w.Bulk(p.Consumer)
		w.Int(p.DeliveredMs)
		w.Int(int64(p.Count))
	})
	if err != nil {
		return err
	}
	w.BulkString("consumers")
	found, n := &resp.Writer{Proto: w.Proto}, 0
	err = g.consumers(func(o *consumer) error {
		n++
		found.Map(4)
		found.BulkString("name")
		found.Bulk(o.name)
		found.BulkString("seen-time")
		found.Int(o.SeenMs)
		found.BulkString("pel-count")
		found.Int(int64(o.Pending))
		found.BulkString("pending")
		return g.replyPEL(found, o.name, count, func(w *resp.Writer, p *pendingEntry) {
			w.Array(3)
			w.Bulk(p.id.Append(nil))
			w.Int(p.DeliveredMs)
			w.Int(int64(p.Count))
		})
	})
	if err != nil {
		return err
	}
	w.Array(n)
	w.Raw(found.Bytes())
	return nil
}

// replyPEL answers pending entries, of one consumer or of all, at most count (0: all).
func (g *group) replyPEL(w *resp.Writer, of []byte, count int64, one func(w *resp.Writer, p *pendingEntry)) error {
	found, n := &resp.Writer{Proto: w.Proto}, int64(0)
	err := g.pending(keys.StreamID{}, keys.MaxStreamID, of, func(p *pendingEntry) (bool, error) {
		n++
		one(found, p)
		return n != count, nil
	})
	if err != nil {
		return err
	}
	w.Array(int(n))
	w.Raw(found.Bytes())
	return nil
}

// cmdXInfoGroups is XINFO GROUPS key.
func cmdXInfoGroups(c *call) error {
	return c.onView(func() error {
		x, ok, err := c.openForInfo()
		if err != nil || !ok {
			return err
		}
		found, n := &resp.Writer{Proto: c.w.Proto}, 0
		err = x.groups(func(g *group) error {
			n++
			consumers := 0
			if err := g.consumers(func(*consumer) error { consumers++; return nil }); err != nil {
				return err
			}
			found.Map(6)
			found.BulkString("name")
			found.Bulk(g.name)
			found.BulkString("consumers")
			found.Int(int64(consumers))
			found.BulkString("pending")
			found.Int(int64(g.Pending))
			found.BulkString("last-delivered-id")
			found.Bulk(g.Last.Append(nil))
			g.replyRead(found)
			return nil
		})
		if err != nil {
			return err
		}
		c.w.Array(n)
		c.w.Raw(found.Bytes())
		return nil
	})
}

// cmdXInfoConsumers is XINFO CONSUMERS key group.
func cmdXInfoConsumers(c *call) error {
	return c.onView(func() error {
		x, ok, err := c.openForInfo()
		if err != nil || !ok {
			return err
		}
		g, err := x.openGroup(c.args[3])
		if err != nil {
			return err
		}
		if !g.ok {
			c.w.Error("NOGROUP No such consumer group '" + string(c.args[3]) + "' for key name '" + string(c.args[2]) + "'")
			return nil
		}
		found, n := &resp.Writer{Proto: c.w.Proto}, 0
		err = g.consumers(func(o *consumer) error {
			n++
			found.Map(3)
			found.BulkString("name")
			found.Bulk(o.name)
			found.BulkString("pending")
			found.Int(int64(o.Pending))
			found.BulkString("idle")
			found.Int(max(c.now-o.SeenMs, 0))
			return nil
		})
		if err != nil {
			return err
		}
		c.w.Array(n)
		c.w.Raw(found.Bytes())
		return nil
	})
}
