package engine

import (
	"bytes"

	"replogd/engine/keys"
)

// unknownRead is Group.EntriesRead when nobody can tell.
const unknownRead = -1

// group is an open consumer group of a stream. Its rows, its consumers' and those of pending entries are in one table (package keys);
// the group and each consumer count their pending entries.
type group struct {
	x    *stream
	name []byte
	keys.Group
	ok bool
}

// openGroup looks a group up; ok is false in it if there is none.
func (x *stream) openGroup(name []byte) (g group, err error) {
	g = group{x: x, name: name}
	if !x.k.ok {
		return g, nil
	}
	row := keys.AppendGroup(nil, x.h.UID, name)
	value, ok, err := x.c.elem(x.h.UID, row)
	if err != nil || !ok {
		return g, err
	}
	if g.Group, err = keys.ParseGroupValue(value); err != nil {
		return g, corruptRow(row, err)
	}
	g.ok = true
	return g, nil
}

// create makes a group that is not there.
func (g *group) create(last keys.StreamID, entriesRead int64) {
	g.Group = keys.Group{Number: g.x.s.NextGroup, Last: last, EntriesRead: entriesRead}
	g.x.s.NextGroup++
	g.put()
}

// put writes the group's row.
func (g *group) put() {
	g.x.c.setRow(keys.AppendGroup(nil, g.x.h.UID, g.name), keys.AppendGroupValue(nil, g.Group), g.ok)
	g.ok = true
}

// destroy removes the group and everything in it.
func (g *group) destroy() error {
	x := g.x
	rows := [][]byte{keys.AppendGroup(nil, x.h.UID, g.name)}
	for _, lower := range [][]byte{
		keys.AppendConsumer(nil, x.h.UID, g.Number, nil),
		keys.AppendPending(nil, x.h.UID, g.Number, keys.StreamID{}),
		keys.AppendOwned(nil, x.h.UID, g.Number, nil, keys.StreamID{}),
	} {
		prefix := lower[:groupPrefix]
		err := x.eachGroupRow(prefix, after(prefix), func(row, _ []byte) (bool, error) {
			rows = append(rows, bytes.Clone(row))
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	for _, row := range rows {
		x.c.deleteRow(row)
	}
	return nil
}

// groupPrefix is what the rows of a kind of a group have in common: table, uid, kind, group.
const groupPrefix = 1 + 8 + 1 + 8

// eachGroupRow calls fn with rows of the groups' table, until it returns false.
func (x *stream) eachGroupRow(lower, upper []byte, fn func(row, value []byte) (more bool, err error)) error {
	it, err := x.c.between(x.h.UID, lower, upper)
	if err != nil {
		return err
	}
	return it.rows(fn)
}

// groups calls fn with every group of a stream, in the order of names.
func (x *stream) groups(fn func(g *group) error) error {
	lower := keys.AppendGroup(nil, x.h.UID, nil)
	return x.eachGroupRow(lower, after(lower), func(row, value []byte) (bool, error) {
		g := group{x: x, name: keys.GroupName(row), ok: true}
		var err error
		if g.Group, err = keys.ParseGroupValue(value); err != nil {
			return false, corruptRow(row, err)
		}
		return true, fn(&g)
	})
}

// consumer is an open consumer of a group.
type consumer struct {
	g    *group
	name []byte
	keys.Consumer
	ok bool
}

// openConsumer looks a consumer up.
func (g *group) openConsumer(name []byte) (o consumer, err error) {
	o = consumer{g: g, name: name}
	row := keys.AppendConsumer(nil, g.x.h.UID, g.Number, name)
	value, ok, err := g.x.c.elem(g.x.h.UID, row)
	if err != nil || !ok {
		return o, err
	}
	if o.Consumer, err = keys.ParseConsumerValue(value); err != nil {
		return o, corruptRow(row, err)
	}
	o.ok = true
	return o, nil
}

// put writes the consumer's row.
func (o *consumer) put() {
	x := o.g.x
	x.c.setRow(keys.AppendConsumer(nil, x.h.UID, o.g.Number, o.name), keys.AppendConsumerValue(nil, o.Consumer), o.ok)
	o.ok = true
}

// consumers calls fn with every consumer of a group, in the order of names.
func (g *group) consumers(fn func(o *consumer) error) error {
	lower := keys.AppendConsumer(nil, g.x.h.UID, g.Number, nil)
	return g.x.eachGroupRow(lower, after(lower), func(row, value []byte) (bool, error) {
		o := consumer{g: g, name: keys.ConsumerName(row), ok: true}
		var err error
		if o.Consumer, err = keys.ParseConsumerValue(value); err != nil {
			return false, corruptRow(row, err)
		}
		return true, fn(&o)
	})
}

// pendingEntry is an entry that was delivered and not acknowledged.
type pendingEntry struct {
	id keys.StreamID
	keys.Pending
	ok bool
}

// openPending looks a pending entry up.
func (g *group) openPending(id keys.StreamID) (p pendingEntry, err error) {
	row := keys.AppendPending(nil, g.x.h.UID, g.Number, id)
	value, ok, err := g.x.c.elem(g.x.h.UID, row)
	p = pendingEntry{id: id, ok: ok}
	if err != nil || !ok {
		return p, err
	}
	if p.Pending, err = keys.ParsePendingValue(value); err != nil {
		return p, corruptRow(row, err)
	}
	return p, nil
}

// pending calls fn with the pending entries from first to last, of one consumer or, if it is nil, of all, until it returns false.
func (g *group) pending(first, last keys.StreamID, of []byte, fn func(p *pendingEntry) (bool, error)) error {
	x := g.x
	if of == nil {
		lower := keys.AppendPending(nil, x.h.UID, g.Number, first)
		upper := append(keys.AppendPending(nil, x.h.UID, g.Number, last), 0)
		return x.eachGroupRow(lower, upper, func(row, value []byte) (bool, error) {
			id, err := keys.PendingID(row)
			if err != nil {
				return false, corruptRow(row, err)
			}
			p := pendingEntry{id: id, ok: true}
			if p.Pending, err = keys.ParsePendingValue(value); err != nil {
				return false, corruptRow(row, err)
			}
			return fn(&p)
		})
	}
	lower := keys.AppendOwned(nil, x.h.UID, g.Number, of, first)
	upper := append(keys.AppendOwned(nil, x.h.UID, g.Number, of, last), 0)
	return x.eachGroupRow(lower, upper, func(row, _ []byte) (bool, error) {
		id, err := keys.PendingID(row)
		if err != nil {
			return false, corruptRow(row, err)
		}
		p, err := g.openPending(id)
		if err != nil {
			return false, err
		}
		return fn(&p)
	})
}

// assign makes p a pending entry of o, whoever had it. The caller puts the group and o.
func (g *group) assign(p *pendingEntry, o *consumer) error {
	x := g.x
	switch {
	case p.ok && bytes.Equal(p.Consumer, o.name):
	case p.ok:
		if err := g.disown(p); err != nil {
			return err
		}
		o.Pending++
		x.c.setRow(keys.AppendOwned(nil, x.h.UID, g.Number, o.name, p.id), nil, false)
	default:
		g.Pending++
		o.Pending++
		x.c.setRow(keys.AppendOwned(nil, x.h.UID, g.Number, o.name, p.id), nil, false)
	}
	p.Consumer = o.name
	x.c.setRow(keys.AppendPending(nil, x.h.UID, g.Number, p.id), keys.AppendPendingValue(nil, p.Pending), p.ok)
	p.ok = true
	return nil
}

// disown takes p from the consumer that has it.
func (g *group) disown(p *pendingEntry) error {
	x := g.x
	old, err := g.openConsumer(p.Consumer)
	if err != nil {
		return err
	}
	old.Pending--
	old.put()
	x.c.deleteRow(keys.AppendOwned(nil, x.h.UID, g.Number, p.Consumer, p.id))
	return nil
}

// release removes a pending entry. The caller puts the group, and o, which is nil or an open consumer that may be the owner.
func (g *group) release(p *pendingEntry, o *consumer) error {
	if o != nil && bytes.Equal(p.Consumer, o.name) {
		o.Pending--
		g.x.c.deleteRow(keys.AppendOwned(nil, g.x.h.UID, g.Number, p.Consumer, p.id))
	} else if err := g.disown(p); err != nil {
		return err
	}
	g.x.c.deleteRow(keys.AppendPending(nil, g.x.h.UID, g.Number, p.id))
	g.Pending--
	return nil
}

// advance notes that the entry id was delivered to somebody of the group, which moves its position.
func (g *group) advance(id keys.StreamID) {
	if id.Compare(g.Last) <= 0 {
		return
	}
	if g.EntriesRead != unknownRead && !g.x.deletedFrom(id) {
		g.EntriesRead++
	} else if g.x.s.Added > 0 {
		g.EntriesRead = g.x.entriesUpTo(id)
	}
	g.Last = id
}

// deletedFrom says whether XDEL has removed an entry at or behind id.
func (x *stream) deletedFrom(id keys.StreamID) bool {
	zero := keys.StreamID{}
	return x.h.Count > 0 && x.s.MaxDeleted != zero && x.s.First.Compare(x.s.MaxDeleted) <= 0 && id.Compare(x.s.MaxDeleted) <= 0
}

// entriesUpTo is how many entries were added in the stream's life up to id, unknownRead if that cannot be told.
func (x *stream) entriesUpTo(id keys.StreamID) int64 {
	zero := keys.StreamID{}
	added := int64(x.s.Added)
	switch {
	case added == 0:
		return 0
	case x.h.Count == 0 && id.Compare(x.s.Last) <= 0:
		return added
	case id != zero && id.Compare(x.s.MaxDeleted) < 0:
		return unknownRead
	case id == x.s.Last:
		return added
	case id.Compare(x.s.Last) > 0:
		return unknownRead
	case x.s.MaxDeleted == zero || x.s.MaxDeleted.Compare(x.s.First) < 0:
		switch id.Compare(x.s.First) {
		case -1:
			return added - x.h.Count
		case 0:
			return added - x.h.Count + 1
		}
	}
	return unknownRead
}
