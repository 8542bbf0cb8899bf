package engine

import (
	"bytes"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// groupRead is one stream of an XREADGROUP.
type groupRead struct {
	x     stream
	g     group
	fresh bool          // ">": what nobody of the group has seen
	after keys.StreamID // else the consumer's own pending entries behind this id
}

// readGroupArgs are the arguments of XREADGROUP.
type readGroupArgs struct {
	readArgs
	group, consumer []byte
	noAck           bool
}

// cmdXReadGroup is XREADGROUP GROUP group consumer [COUNT n] [NOACK] STREAMS key [key ...] id [id ...]. Its effects say what was
// delivered to whom: XCLAIM for each entry, or with NOACK the group's new position.
func cmdXReadGroup(c *call) error {
	a, ok := c.parseReadGroup()
	if !ok {
		return nil
	}
	all := make([]groupRead, len(a.names))
	for i, name := range a.names {
		r, ok, err := c.openGroupRead(name, a.group, a.ids+i)
		if err != nil || !ok {
			return err
		}
		all[i] = r
	}
	found, streams := resp.Writer{Proto: c.w.Proto}, 0
	for i := range all {
		r := &all[i]
		if i > 0 { // the same stream may be named twice
			again, ok, err := c.openGroupRead(a.names[i], a.group, a.ids+i)
			if err != nil || !ok {
				return err
			}
			*r = again
		}
		if news, err := r.hasNews(); err != nil {
			return err
		} else if !news {
			continue
		}
		one := resp.Writer{Proto: c.w.Proto}
		if err := c.deliver(r, &a, &one, a.names[i]); err != nil {
			return err
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

func (c *call) parseReadGroup() (a readGroupArgs, ok bool) {
	all := c.args
	rest := [][]byte{c.args[0]} // as XREAD takes them
	for i := 1; i < len(all); i++ {
		switch arg := all[i]; {
		case isWord(arg, "GROUP") && i+2 < len(all):
			a.group, a.consumer = all[i+1], all[i+2]
			i += 2
			continue
		case isWord(arg, "NOACK"):
			a.noAck = true
			continue
		case isWord(arg, "STREAMS"):
			rest = append(rest, all[i:]...)
			i = len(all)
			continue
		}
		rest = append(rest, all[i])
	}
	c.args = rest
	a.readArgs, ok = c.parseRead()
	c.args = all
	a.ids += len(all) - len(rest)
	if ok && a.group == nil {
		c.w.Error("ERR Missing GROUP option for XREADGROUP")
		return a, false
	}
	return a, ok
}

// openGroupRead opens one stream and its group; ok is false when an error was answered.
func (c *call) openGroupRead(key, name []byte, id int) (r groupRead, ok bool, err error) {
	if r.x, ok, err = c.openStream(key); err != nil || !ok {
		return r, false, err
	}
	x := r.x
	if r.g, err = x.openGroup(name); err != nil {
		return r, false, err
	}
	if !r.g.ok {
		c.w.Error("NOGROUP No such key '" + string(key) + "' or consumer group '" + string(name) + "' in XREADGROUP with GROUP option")
		return r, false, nil
	}
	switch arg := c.args[id]; {
	case len(arg) == 1 && arg[0] == '$':
		c.w.Error("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a " +
			"proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.")
		return r, false, nil
	case len(arg) == 1 && arg[0] == '>':
		r.fresh = true
	default:
		if r.after, ok = c.argStreamID(id); !ok {
			return r, false, nil
		}
	}
	return r, true, nil
}

// hasNews says whether there is anything to answer: a consumer's history always is.
func (r *groupRead) hasNews() (news bool, err error) {
	if !r.fresh {
		return true, nil
	}
	if r.x.h.Count == 0 || r.x.s.Last.Compare(r.g.Last) <= 0 {
		return false, nil
	}
	first, ok := r.g.Last.Next()
	if !ok {
		return false, nil
	}
	err = r.x.walk(first, keys.MaxStreamID, false, func(keys.StreamID, []byte) (bool, error) {
		news = true
		return false, nil
	})
	return news, err
}

// deliver answers one stream's part, and writes down who has what now.
func (c *call) deliver(r *groupRead, a *readGroupArgs, w *resp.Writer, key []byte) error {
	r.g.x = &r.x
	o, err := r.g.openConsumer(a.consumer)
	if err != nil {
		return err
	}
	created := !o.ok
	changed := created || r.fresh
	if !r.fresh {
		again, err := c.deliverAgain(r, &o, a.count, w, key)
		if err != nil {
			return err
		}
		changed = changed || again
	} else if err := c.deliverNew(r, &o, a.count, a.noAck, w, key); err != nil {
		return err
	}
	if created {
		o.SeenMs = c.now
		o.put()
	}
	if created && (a.noAck || !r.fresh) {
		c.propagate(c.db, wordXGroup, wordCreateConsumer, key, r.g.name, o.name)
	}
	if changed {
		return r.x.save()
	}
	return nil
}

// deliverNew hands out entries behind the group's position.
func (c *call) deliverNew(r *groupRead, o *consumer, count int64, noAck bool, w *resp.Writer, key []byte) error {
	g := &r.g
	first, _ := g.Last.Next() // there is something behind it
	var ids []keys.StreamID
	found := resp.Writer{Proto: w.Proto}
	err := r.x.walk(first, keys.MaxStreamID, false, func(id keys.StreamID, value []byte) (bool, error) {
		ids = append(ids, id)
		return int64(len(ids)) != count, appendEntry(&found, id, value)
	})
	if err != nil {
		return err
	}
	w.Array(len(ids))
	w.Raw(found.Bytes())
	for _, id := range ids {
		g.advance(id)
		if noAck {
			continue
		}
		p, err := g.openPending(id)
		if err != nil {
			return err
		}
		p.DeliveredMs, p.Count = c.now, 1
		if err := g.assign(&p, o); err != nil {
			return err
		}
		c.propagateClaim(key, g, &p)
	}
	if noAck && len(ids) > 0 {
		c.propagatePosition(key, g)
	}
	if !noAck && len(ids) > 0 {
		o.SeenMs = c.now
		o.put()
	}
	g.put()
	return nil
}

// deliverAgain answers a consumer's pending entries behind an id, which counts as another delivery; those that were deleted since have
// no fields. Redis keeps the new counts to itself; here replicas are told. changed says that there are any.
func (c *call) deliverAgain(r *groupRead, o *consumer, count int64, w *resp.Writer, key []byte) (changed bool, err error) {
	g := &r.g
	first, ok := r.after.Next()
	if !ok {
		w.Array(0)
		return false, nil
	}
	var again []pendingEntry
	err = g.pending(first, keys.MaxStreamID, o.name, func(p *pendingEntry) (bool, error) {
		p.Consumer = o.name
		again = append(again, *p)
		return int64(len(again)) != count, nil
	})
	if err != nil {
		return false, err
	}
	w.Array(len(again))
	for i := range again {
		p := &again[i]
		exists, err := r.x.has(p.id)
		if err != nil {
			return false, err
		}
		if err := r.x.replyOne(w, p.id); err != nil {
			return false, err
		}
		if !exists {
			continue
		}
		changed = true
		p.DeliveredMs = c.now
		p.Count++
		if err := g.assign(p, o); err != nil {
			return false, err
		}
		c.propagateClaim(key, g, p)
	}
	return changed, nil
}

// replyOne answers an entry, or only its id if it is gone.
func (x *stream) replyOne(w *resp.Writer, id keys.StreamID) error {
	value, ok, err := x.c.elem(x.h.UID, x.row(id))
	if err != nil {
		return err
	}
	if !ok {
		w.Array(2)
		w.Bulk(id.Append(nil))
		w.NullArray()
		return nil
	}
	return appendEntry(w, id, value)
}

var (
	wordXClaim         = []byte("XCLAIM")
	wordXGroup         = []byte("XGROUP")
	wordCreateConsumer = []byte("CREATECONSUMER")
	wordSetID          = []byte("SETID")
	wordEntriesRead    = []byte("ENTRIESREAD")
	wordTime           = []byte("TIME")
	wordRetryCount     = []byte("RETRYCOUNT")
	wordForce          = []byte("FORCE")
	wordJustID         = []byte("JUSTID")
	wordLastID         = []byte("LASTID")
	wordZero           = []byte("0")
)

// propagateClaim says that p is o's now, and where the group stands.
func (c *call) propagateClaim(key []byte, g *group, p *pendingEntry) {
	var at, count intBuf
	c.propagate(c.db, wordXClaim, key, g.name, bytes.Clone(p.Consumer), wordZero, p.id.Append(nil), wordTime, at.text(p.DeliveredMs),
		wordRetryCount, count.text(int64(p.Count)), wordForce, wordJustID, wordLastID, g.Last.Append(nil))
}

// propagatePosition says where the group stands.
func (c *call) propagatePosition(key []byte, g *group) {
	var read intBuf
	c.propagate(c.db, wordXGroup, wordSetID, key, g.name, g.Last.Append(nil), wordEntriesRead, read.text(g.EntriesRead))
}
