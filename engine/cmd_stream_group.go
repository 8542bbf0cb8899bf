package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// noGroup is the error of commands that need a group.
func (c *call) noGroup(key, name []byte) {
	c.w.Error("NOGROUP No such key '" + string(key) + "' or consumer group '" + string(name) + "'")
}

// openForGroup opens args[2], for the subcommands of XGROUP; ok is false when an error was answered. needsGroup and needsKey say what
// must exist.
func (c *call) openForGroup(needsKey, needsGroup bool) (x *stream, g *group, ok bool, err error) {
	opened, ok, err := c.openStream(c.args[2])
	if err != nil || !ok {
		return nil, nil, false, err
	}
	x = &opened
	if needsKey && !x.k.ok {
		c.w.Error("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create " +
			"an empty stream automatically.")
		return nil, nil, false, nil
	}
	found, err := x.openGroup(c.args[3])
	if err != nil {
		return nil, nil, false, err
	}
	if needsGroup && !found.ok {
		c.w.Error("NOGROUP No such consumer group '" + string(c.args[3]) + "' for key name '" + string(c.args[2]) + "'")
		return nil, nil, false, nil
	}
	return x, &found, true, nil
}

// parseGroupOptions reads [MKSTREAM] [ENTRIESREAD n] from args[5] on.
func (c *call) parseGroupOptions(create bool) (makeStream bool, entriesRead int64, ok bool) {
	entriesRead = unknownRead
	for i := 5; i < len(c.args); i++ {
		switch {
		case create && isWord(c.args[i], "MKSTREAM"):
			makeStream = true
		case isWord(c.args[i], "ENTRIESREAD") && i+1 < len(c.args):
			i++
			if entriesRead, ok = c.argInt(i); !ok {
				return false, 0, false
			}
			if entriesRead < 0 && entriesRead != unknownRead && !c.replay { // a master's counter may have run over
				c.w.Error("ERR value for ENTRIESREAD must be positive or -1")
				return false, 0, false
			}
		default:
			c.w.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.args[1]) + "'. Try XGROUP HELP.")
			return false, 0, false
		}
	}
	return makeStream, entriesRead, true
}

// argGroupID reads args[4]: an id, or $ for the stream's last one.
func (c *call) argGroupID(x *stream) (id keys.StreamID, ok bool) {
	if arg := c.args[4]; len(arg) == 1 && arg[0] == '$' {
		return x.s.Last, true
	}
	return c.argStreamID(4)
}

// cmdXGroupCreate is XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n].
func cmdXGroupCreate(c *call) error {
	makeStream, entriesRead, ok := c.parseGroupOptions(true)
	if !ok {
		return nil
	}
	x, g, ok, err := c.openForGroup(!makeStream, false)
	if err != nil || !ok {
		return err
	}
	id, ok := c.argGroupID(x)
	if !ok {
		return nil
	}
	if g.ok {
		c.w.Error("BUSYGROUP Consumer Group name already exists")
		return nil
	}
	x.writable()
	g.create(id, entriesRead)
	return c.saveGroup(x, func() { c.w.OK() })
}

// saveGroup writes the head of a stream whose groups changed, with the command itself as the effect, and answers.
func (c *call) saveGroup(x *stream, reply func()) error {
	if err := x.save(); err != nil {
		return err
	}
	c.propagateSelf()
	reply()
	return nil
}

// cmdXGroupSetID is XGROUP SETID key group id|$ [ENTRIESREAD n].
func cmdXGroupSetID(c *call) error {
	_, entriesRead, ok := c.parseGroupOptions(false)
	if !ok {
		return nil
	}
	x, g, ok, err := c.openForGroup(true, true)
	if err != nil || !ok {
		return err
	}
	id, ok := c.argGroupID(x)
	if !ok {
		return nil
	}
	g.Last, g.EntriesRead = id, entriesRead
	g.put()
	return c.saveGroup(x, func() { c.w.OK() })
}

// cmdXGroupDestroy is XGROUP DESTROY key group.
func cmdXGroupDestroy(c *call) error {
	x, g, ok, err := c.openForGroup(true, false)
	if err != nil || !ok {
		return err
	}
	if !g.ok {
		c.w.Int(0)
		return nil
	}
	if err := g.destroy(); err != nil {
		return err
	}
	return c.saveGroup(x, func() { c.w.Int(1) })
}

// cmdXGroupCreateConsumer is XGROUP CREATECONSUMER key group consumer.
func cmdXGroupCreateConsumer(c *call) error {
	x, g, ok, err := c.openForGroup(true, true)
	if err != nil || !ok {
		return err
	}
	o, err := g.openConsumer(c.args[4])
	if err != nil {
		return err
	}
	if o.ok {
		c.w.Int(0)
		return nil
	}
	o.SeenMs = c.now
	o.put()
	return c.saveGroup(x, func() { c.w.Int(1) })
}

// cmdXGroupDelConsumer is XGROUP DELCONSUMER key group consumer.
func cmdXGroupDelConsumer(c *call) error {
	x, g, ok, err := c.openForGroup(true, true)
	if err != nil || !ok {
		return err
	}
	o, err := g.openConsumer(c.args[4])
	if err != nil {
		return err
	}
	if !o.ok {
		c.w.Int(0)
		return nil
	}
	var ids []keys.StreamID
	err = g.pending(keys.StreamID{}, keys.MaxStreamID, o.name, func(p *pendingEntry) (bool, error) {
		ids = append(ids, p.id)
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		c.deleteRow(keys.AppendOwned(nil, x.h.UID, g.Number, o.name, id))
		c.deleteRow(keys.AppendPending(nil, x.h.UID, g.Number, id))
	}
	g.Pending -= uint64(len(ids))
	c.deleteRow(keys.AppendConsumer(nil, x.h.UID, g.Number, o.name))
	g.put()
	return c.saveGroup(x, func() { c.w.Int(int64(len(ids))) })
}

// cmdXAck is XACK key group id [id ...].
func cmdXAck(c *call) error {
	x, ok, err := c.openStream(c.args[1])
	if err != nil || !ok {
		return err
	}
	g, err := x.openGroup(c.args[2])
	if err != nil {
		return err
	}
	if !g.ok {
		c.w.Int(0)
		return nil
	}
	ids := make([]keys.StreamID, 0, len(c.args)-3)
	for i := 3; i < len(c.args); i++ {
		id, ok := c.argStreamID(i)
		if !ok {
			return nil
		}
		ids = append(ids, id)
	}
	acked := int64(0)
	for _, id := range ids {
		p, err := g.openPending(id)
		if err != nil {
			return err
		}
		if !p.ok {
			continue
		}
		if err := g.release(&p, nil); err != nil {
			return err
		}
		acked++
	}
	c.w.Int(acked)
	if acked == 0 {
		return nil
	}
	g.put()
	return c.saveGroup(&x, func() {})
}

// pendingArgs are those of the long form of XPENDING: [IDLE ms] start end count [consumer].
type pendingArgs struct {
	idle        int64
	first, last keys.StreamID
	count       int64
	consumer    []byte
}

func (c *call) parsePending() (a pendingArgs, ok bool) {
	at := 3
	if isWord(c.args[3], "IDLE") {
		if len(c.args) < 5 {
			c.w.Error(errSyntax)
			return a, false
		}
		if a.idle, ok = c.argInt(4); !ok {
			return a, false
		}
		at = 5
	}
	if left := len(c.args) - at; left != 3 && left != 4 {
		c.w.Error(errSyntax)
		return a, false
	}
	if a.count, ok = c.argInt(at + 2); !ok {
		return a, false
	}
	a.count = max(a.count, 0)
	if a.first, a.last, ok = c.argInterval(at, at+1); !ok {
		return a, false
	}
	if len(c.args)-at == 4 {
		a.consumer = c.args[at+3]
	}
	return a, true
}

// cmdXPending is XPENDING key group [[IDLE ms] start end count [consumer]].
func cmdXPending(c *call) error {
	var a pendingArgs
	long := len(c.args) > 3
	if long {
		var ok bool
		if a, ok = c.parsePending(); !ok {
			return nil
		}
	}
	return c.onView(func() error {
		x, ok, err := c.openStream(c.args[1])
		if err != nil || !ok {
			return err
		}
		g, err := x.openGroup(c.args[2])
		if err != nil {
			return err
		}
		if !g.ok {
			c.noGroup(c.args[1], c.args[2])
			return nil
		}
		if long {
			return g.replyPending(a)
		}
		return g.replySummary()
	})
}

// replySummary answers the number of pending entries, the lowest and highest id, and how many each consumer has.
func (g *group) replySummary() error {
	w := g.x.c.w
	w.Array(4)
	w.Int(int64(g.Pending))
	if g.Pending == 0 {
		w.Null()
		w.Null()
		w.NullArray()
		return nil
	}
	var first, last keys.StreamID
	n := 0
	err := g.pending(keys.StreamID{}, keys.MaxStreamID, nil, func(p *pendingEntry) (bool, error) {
		if n == 0 {
			first = p.id
		}
		n++
		last = p.id
		return true, nil
	})
	if err != nil {
		return err
	}
	w.Bulk(first.Append(nil))
	w.Bulk(last.Append(nil))
	owners := 0
	found := resp.Writer{Proto: w.Proto}
	err = g.consumers(func(o *consumer) error {
		if o.Pending > 0 {
			owners++
			found.Array(2)
			found.Bulk(o.name)
			var b intBuf
			found.Bulk(b.text(int64(o.Pending)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Array(owners)
	w.Raw(found.Bytes())
	return nil
}

// replyPending answers pending entries one by one.
func (g *group) replyPending(a pendingArgs) error {
	c := g.x.c
	found, n := resp.Writer{Proto: c.w.Proto}, int64(0)
	if a.count > 0 {
		err := g.pending(a.first, a.last, a.consumer, func(p *pendingEntry) (bool, error) {
			idle := max(c.now-p.DeliveredMs, 0)
			if a.idle > 0 && idle < a.idle {
				return true, nil
			}
			n++
			found.Array(4)
			found.Bulk(p.id.Append(nil))
			found.Bulk(p.Consumer)
			found.Int(idle)
			found.Int(int64(p.Count))
			return n < a.count, nil
		})
		if err != nil {
			return err
		}
	}
	c.w.Array(int(n))
	c.w.Raw(found.Bytes())
	return nil
}
