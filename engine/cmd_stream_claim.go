package engine

import (
	"bytes"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// claimArgs are the options of XCLAIM.
type claimArgs struct {
	minIdle int64
	ids     []keys.StreamID
	time    int64 // delivery time to set
	count   int64 // delivery count to set; -1: one more
	force   bool
	justID  bool
	last    keys.StreamID // LASTID
}

func (c *call) parseClaim() (a claimArgs, ok bool) {
	if a.minIdle, ok = resp.ParseInt(c.args[4]); !ok {
		c.w.Error("ERR Invalid min-idle-time argument for XCLAIM")
		return a, false
	}
	a.minIdle, a.time, a.count = max(a.minIdle, 0), -1, -1
	i := 5
	for ; i < len(c.args); i++ {
		id, ok := parseStreamID(c.args[i], 0, true)
		if !ok {
			break
		}
		a.ids = append(a.ids, id)
	}
	for ; i < len(c.args); i++ {
		if i, ok = c.parseClaimOption(&a, i); !ok {
			return a, false
		}
	}
	switch {
	case a.time == -1:
		a.time = c.now
	case !c.replay && (a.time < 0 || a.time > c.now): // an effect's time is the leader's
		a.time = c.now
	}
	return a, true
}

// parseClaimOption reads the option at args[i] and returns the index of its last word.
func (c *call) parseClaimOption(a *claimArgs, i int) (at int, ok bool) {
	left := len(c.args) - i - 1
	number := func(name string) (n int64) {
		if n, ok = resp.ParseInt(c.args[i+1]); !ok {
			c.w.Error("ERR Invalid " + name + " option argument for XCLAIM")
		}
		return n
	}
	switch arg := c.args[i]; {
	case isWord(arg, "FORCE"):
		a.force = true
		return i, true
	case isWord(arg, "JUSTID"):
		a.justID = true
		return i, true
	case isWord(arg, "IDLE") && left > 0:
		a.time = c.now - number("IDLE")
	case isWord(arg, "TIME") && left > 0:
		a.time = number("TIME")
	case isWord(arg, "RETRYCOUNT") && left > 0:
		if a.count = number("RETRYCOUNT"); ok && a.count < 0 {
			a.count = -1
		}
	case isWord(arg, "LASTID") && left > 0:
		a.last, ok = c.argStreamID(i + 1)
	default:
		c.w.Error("ERR Unrecognized XCLAIM option '" + string(arg) + "'")
		return i, false
	}
	return i + 1, ok
}

// openForClaim opens args[1], the group args[2] and the consumer args[3]; ok is false when an error was answered.
func (c *call) openForClaim() (x stream, g group, o consumer, ok bool, err error) {
	if x, ok, err = c.openStream(c.args[1]); err != nil || !ok {
		return x, g, o, false, err
	}
	if g, err = x.openGroup(c.args[2]); err != nil {
		return x, g, o, false, err
	}
	if !g.ok {
		c.noGroup(c.args[1], c.args[2])
		return x, g, o, false, nil
	}
	o, err = g.openConsumer(c.args[3])
	return x, g, o, err == nil, err
}

// cmdXClaim is XCLAIM key group consumer min-idle id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]. Its effects
// are XCLAIMs that leave nothing open, one for each entry.
func cmdXClaim(c *call) error {
	x, g, o, ok, err := c.openForClaim()
	if err != nil || !ok {
		return err
	}
	a, ok := c.parseClaim()
	if !ok {
		return nil
	}
	g.x, o.g = &x, &g
	touched := c.moveGroup(&g, a.last)
	found, n := resp.Writer{Proto: c.w.Proto}, 0
	for _, id := range a.ids {
		claimed, changed, err := c.claim(&g, &o, id, a)
		if err != nil {
			return err
		}
		touched = touched || changed
		if claimed {
			n++
			if err := c.replyClaimed(&x, &found, id, a.justID); err != nil {
				return err
			}
		}
	}
	c.w.Array(n)
	c.w.Raw(found.Bytes())
	if !touched {
		return nil
	}
	return c.saveClaim(&x, &g, &o)
}

// moveGroup is LASTID. In an effect it says that an entry was delivered; from a client it sets the position and nothing else, which the
// effects of what is claimed would not tell apart: it has one of its own.
func (c *call) moveGroup(g *group, last keys.StreamID) (moved bool) {
	switch {
	case last.Compare(g.Last) <= 0:
		return false
	case c.replay:
		g.advance(last)
	default:
		g.Last = last
		c.propagatePosition(c.args[1], g)
	}
	return true
}

// saveClaim writes what a claim has changed.
func (c *call) saveClaim(x *stream, g *group, o *consumer) error {
	if o.ok || o.Pending > 0 {
		o.SeenMs = c.now
		o.put()
	}
	g.put()
	return x.save()
}

func (c *call) replyClaimed(x *stream, w *resp.Writer, id keys.StreamID, justID bool) error {
	if justID {
		w.Bulk(id.Append(nil))
		return nil
	}
	return x.replyOne(w, id)
}

// claim gives one pending entry to o if it may. changed says that it, or its disappearance, has left an effect.
func (c *call) claim(g *group, o *consumer, id keys.StreamID, a claimArgs) (claimed, changed bool, err error) {
	p, err := g.openPending(id)
	if err != nil {
		return false, false, err
	}
	exists, err := g.x.has(id)
	if err != nil {
		return false, false, err
	}
	if !exists {
		if !p.ok {
			return false, false, nil
		}
		return false, true, c.forgetPending(g, o, &p)
	}
	if !p.ok && !a.force || p.ok && a.minIdle > 0 && c.now-p.DeliveredMs < a.minIdle {
		return false, false, nil
	}
	if a.count >= 0 {
		p.Count = uint64(a.count)
	} else if !a.justID {
		p.Count++
	}
	p.DeliveredMs = a.time
	if err := g.assign(&p, o); err != nil {
		return false, false, err
	}
	c.propagateClaim(c.args[1], g, &p)
	return true, true, nil
}

// forgetPending removes a pending entry whose entry is gone. An XCLAIM of it finds the same elsewhere.
func (c *call) forgetPending(g *group, o *consumer, p *pendingEntry) error {
	p.Consumer = bytes.Clone(p.Consumer)
	c.propagateClaim(c.args[1], g, p)
	return g.release(p, o)
}

// autoClaimTries is how many pending entries XAUTOCLAIM looks at for each one that it may claim.
const autoClaimTries = 10

// cmdXAutoClaim is XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID].
func cmdXAutoClaim(c *call) error {
	a, first, count, ok := c.parseAutoClaim()
	if !ok {
		return nil
	}
	x, g, o, ok, err := c.openForClaim()
	if err != nil || !ok {
		return err
	}
	g.x, o.g = &x, &g
	var look []keys.StreamID // one more than there may be tries: where to go on
	err = g.pending(first, keys.MaxStreamID, nil, func(p *pendingEntry) (bool, error) {
		look = append(look, p.id)
		return int64(len(look)) <= count*autoClaimTries, nil
	})
	if err != nil {
		return err
	}
	found, n := resp.Writer{Proto: c.w.Proto}, int64(0)
	var deleted []keys.StreamID
	next, tries, touched := keys.StreamID{}, count*autoClaimTries, false
	for i, id := range look {
		if tries == 0 || count == 0 {
			next = look[i]
			break
		}
		tries--
		claimed, changed, err := c.claim(&g, &o, id, a)
		if err != nil {
			return err
		}
		touched = touched || changed
		switch {
		case claimed:
			n++
			count--
			if err := c.replyClaimed(&x, &found, id, a.justID); err != nil {
				return err
			}
		case changed:
			count--
			deleted = append(deleted, id)
		}
	}
	c.w.Array(3)
	c.w.Bulk(next.Append(nil))
	c.w.Array(int(n))
	c.w.Raw(found.Bytes())
	c.w.Array(len(deleted))
	for _, id := range deleted {
		c.w.Bulk(id.Append(nil))
	}
	if !touched {
		return nil
	}
	return c.saveClaim(&x, &g, &o)
}

// defaultAutoClaim is XAUTOCLAIM's COUNT if none is given.
const defaultAutoClaim = 100

func (c *call) parseAutoClaim() (a claimArgs, first keys.StreamID, count int64, ok bool) {
	a.count, a.time, count = -1, c.now, defaultAutoClaim
	if a.minIdle, ok = resp.ParseInt(c.args[4]); !ok {
		c.w.Error("ERR Invalid min-idle-time argument for XAUTOCLAIM")
		return a, first, 0, false
	}
	a.minIdle = max(a.minIdle, 0)
	first, exclusive, ok := c.argIntervalEnd(5, 0)
	if !ok {
		return a, first, 0, false
	}
	if exclusive {
		if first, ok = first.Next(); !ok {
			c.w.Error("ERR invalid start ID for the interval")
			return a, first, 0, false
		}
	}
	for i := 6; i < len(c.args); i++ {
		switch {
		case isWord(c.args[i], "COUNT") && i+1 < len(c.args):
			i++
			count, ok = resp.ParseInt(c.args[i])
			if !ok || count < 1 || count > maxInt64/autoClaimTries/16 {
				c.w.Error("ERR COUNT must be > 0")
				return a, first, 0, false
			}
		case isWord(c.args[i], "JUSTID"):
			a.justID = true
		default:
			c.w.Error(errSyntax)
			return a, first, 0, false
		}
	}
	return a, first, count, true
}
