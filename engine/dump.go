package engine

import (
	"fmt"

	"replogd/engine/keys"
	"replogd/engine/rdb"
)

// Values in Redis' serialised form (package rdb): from rows to bytes here, from bytes to rows in restore.go.

// rowSource calls fn with every row from lower to upper, in order. key and value are valid during fn.
type rowSource func(uid uint64, lower, upper []byte, fn func(row, value []byte) error) error

// rows is the source of a call's own view: that of the tx, or one that onView has opened.
func (c *call) rows(uid uint64, lower, upper []byte, fn func(row, value []byte) error) error {
	it, err := c.between(uid, lower, upper)
	if err != nil {
		return err
	}
	return it.all(fn)
}

// dumper writes values.
type dumper struct {
	w    *rdb.Writer
	rows rowSource
}

// value writes the type and the value of a key; between is called once, when the type has been written.
func (d *dumper) value(h *keys.Head, between func()) error {
	switch h.Type {
	case keys.TypeString:
		d.begin(rdb.TypeString, between)
		d.w.String(h.Value)
		return nil
	case keys.TypeList:
		return d.collection(h, rdb.TypeList, keys.TagList, between, func(_, value []byte) error {
			d.w.String(value)
			return nil
		})
	case keys.TypeSet:
		return d.fields(h, rdb.TypeSet, between, func(member, _ []byte) error {
			d.w.String(member)
			return nil
		})
	case keys.TypeHash:
		return d.fields(h, rdb.TypeHash, between, func(field, value []byte) error {
			d.w.String(field)
			d.w.String(value)
			return nil
		})
	case keys.TypeZSet:
		return d.fields(h, rdb.TypeZSet, between, func(member, value []byte) error {
			score, err := keys.ParseBits(value)
			d.w.String(member)
			d.w.Score(score)
			return err
		})
	case keys.TypeStream:
		return d.stream(h, between)
	}
	return fmt.Errorf("BUG: dump of a %v", h.Type)
}

func (d *dumper) begin(t rdb.Type, between func()) {
	d.w.Byte(byte(t))
	between()
}

// fields is collection for the types that have a row by field or member.
func (d *dumper) fields(h *keys.Head, t rdb.Type, between func(), fn func(field, value []byte) error) error {
	return d.collection(h, t, keys.TagField, between, func(row, value []byte) error {
		_, field, err := keys.ParseField(row)
		if err != nil {
			return corruptRow(row, err)
		}
		if err := fn(field, value); err != nil {
			return corruptRow(row, err)
		}
		return nil
	})
}

// collection writes as many elements as the head promises, or fails.
func (d *dumper) collection(h *keys.Head, t rdb.Type, tag byte, between func(), fn func(row, value []byte) error) error {
	d.begin(t, between)
	d.w.Len(uint64(h.Count))
	lower, upper := keys.UIDBounds(tag, h.UID, h.UID)
	n := int64(0)
	err := d.rows(h.UID, lower, upper, func(row, value []byte) error {
		n++
		return fn(row, value)
	})
	if err == nil && n != h.Count {
		err = corruptCount(h, n)
	}
	return err
}

// stream writes a stream in two passes over its entries: how many nodes they make is said before the first.
func (d *dumper) stream(h *keys.Head, between func()) error {
	s, err := keys.ParseStream(h.Value)
	if err != nil {
		return fmt.Errorf("stream %d: %w", h.UID, err)
	}
	info := rdb.StreamInfo{
		Length: uint64(h.Count), Last: rdb.ID(s.Last), First: rdb.ID(s.First), MaxDeleted: rdb.ID(s.MaxDeleted), Added: s.Added,
	}
	groups, err := d.groups(h.UID)
	if err != nil {
		return err
	}
	forms := make([]rdb.Group, len(groups))
	for i := range groups {
		forms[i] = groups[i].form()
	}
	var nodes rdb.NodeCounter
	if err := d.entries(h, func(_ keys.StreamID, fields [][]byte) {
		size := 0
		for _, f := range fields {
			size += len(f)
		}
		nodes.Entry(size)
	}); err != nil {
		return err
	}
	form := info.Form(forms)
	d.begin(form, between)
	w := d.w.Stream(form, &nodes)
	if err := d.entries(h, func(id keys.StreamID, fields [][]byte) { w.Entry(rdb.ID(id), fields) }); err != nil {
		return err
	}
	w.Finish(info, len(groups))
	for i := range groups {
		if err := d.group(h.UID, w, &groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// entries calls fn with the entries of a stream, as many as the head promises.
func (d *dumper) entries(h *keys.Head, fn func(id keys.StreamID, fields [][]byte)) error {
	lower, upper := keys.UIDBounds(keys.TagEntry, h.UID, h.UID)
	n := int64(0)
	err := d.rows(h.UID, lower, upper, func(row, value []byte) error {
		id, err := keys.ParseEntry(row)
		if err != nil {
			return corruptRow(row, err)
		}
		fields, err := keys.ParseFields(value)
		if err != nil {
			return corruptRow(row, err)
		}
		n++
		fn(id, fields)
		return nil
	})
	if err == nil && n != h.Count {
		err = corruptCount(h, n)
	}
	return err
}

// dumpGroup is a consumer group of a stream.
type dumpGroup struct {
	name []byte
	keys.Group
}

func (g *dumpGroup) form() rdb.Group {
	return rdb.Group{Name: g.name, Last: rdb.ID(g.Last), EntriesRead: g.EntriesRead}
}

func (d *dumper) groups(uid uint64) (groups []dumpGroup, err error) {
	lower := keys.AppendGroup(nil, uid, nil)
	err = d.rows(uid, lower, after(lower), func(row, value []byte) error {
		g, err := keys.ParseGroupValue(value)
		if err != nil {
			return corruptRow(row, err)
		}
		groups = append(groups, dumpGroup{append([]byte(nil), keys.GroupName(row)...), g})
		return nil
	})
	return groups, err
}

// group writes a group, what it has pending, and its consumers.
func (d *dumper) group(uid uint64, w *rdb.StreamWriter, g *dumpGroup) error {
	w.Group(g.form(), g.Pending)
	lower := keys.AppendPending(nil, uid, g.Number, keys.StreamID{})[:groupPrefix]
	n := uint64(0)
	err := d.rows(uid, lower, after(lower), func(row, value []byte) error {
		id, err := keys.PendingID(row)
		if err != nil {
			return corruptRow(row, err)
		}
		p, err := keys.ParsePendingValue(value)
		if err != nil {
			return corruptRow(row, err)
		}
		n++
		w.PendingEntry(rdb.Pending{ID: rdb.ID(id), DeliveredMs: p.DeliveredMs, Count: p.Count})
		return nil
	})
	if err == nil && n != g.Pending {
		err = fmt.Errorf("%w: group %q of stream %d has %d entries pending, not %d", ErrCorrupt, g.name, uid, n, g.Pending)
	}
	if err != nil {
		return err
	}
	return d.consumers(uid, w, g)
}

func (d *dumper) consumers(uid uint64, w *rdb.StreamWriter, g *dumpGroup) error {
	type consumer struct {
		name []byte
		keys.Consumer
	}
	var all []consumer
	lower := keys.AppendConsumer(nil, uid, g.Number, nil)
	err := d.rows(uid, lower, after(lower), func(row, value []byte) error {
		c, err := keys.ParseConsumerValue(value)
		if err != nil {
			return corruptRow(row, err)
		}
		all = append(all, consumer{append([]byte(nil), keys.ConsumerName(row)...), c})
		return nil
	})
	if err != nil {
		return err
	}
	w.Consumers(len(all))
	for _, c := range all {
		w.Consumer(rdb.Consumer{Name: c.name, SeenMs: c.SeenMs}, c.Consumer.Pending)
		owned := keys.AppendOwned(nil, uid, g.Number, c.name, keys.StreamID{})
		owned = owned[:len(owned)-streamIDSize]
		n := uint64(0)
		err := d.rows(uid, owned, after(owned), func(row, _ []byte) error {
			id, err := keys.PendingID(row)
			if err != nil {
				return corruptRow(row, err)
			}
			n++
			w.Owned(rdb.ID(id))
			return nil
		})
		if err == nil && n != c.Consumer.Pending {
			err = fmt.Errorf("%w: consumer %q of group %q of stream %d has %d entries pending, not %d", ErrCorrupt, c.name, g.name, uid, n, c.Consumer.Pending)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// streamIDSize is that of an id within a row.
const streamIDSize = 16
