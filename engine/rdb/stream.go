package rdb

import (
	"encoding/binary"
	"math"
)

// A stream is the number of its nodes; for each of them its first id (a string of 16 bytes, big endian) and a listpack; the number of
// entries, the last id (from TypeStream2 on: the first id, the highest deleted one, the number of entries ever added), and the consumer
// groups. Ids outside of nodes and pending lists are two lengths.
//
// A node begins with a master entry: how many entries are there, how many of its entries are deleted, how many fields the master has, the
// fields, and 0. Each entry is its flags, what its id is above the node's (two integers), its fields and values, or only values if it has
// the master's fields, and the number of elements it took.
//
// A group is its name, its last id (from TypeStream2 on: how many entries it has read, all ones if unknown), the number of entries pending,
// for each of them id, time of delivery and number of deliveries, and the consumers: name, time last seen (typeStream3: last active), and
// the ids of those entries that are theirs.

// ID is an entry's id.
type ID struct{ Ms, Seq uint64 }

func (id ID) less(other ID) bool {
	return id.Ms < other.Ms || id.Ms == other.Ms && id.Seq < other.Seq
}

// UnknownRead is Group.EntriesRead where nobody can tell.
const UnknownRead = -1

// StreamInfo is what a stream knows beside its entries.
type StreamInfo struct {
	Length                  uint64
	Last, First, MaxDeleted ID
	Added                   uint64 // entries added in its life
}

// Group is a consumer group.
type Group struct {
	Name        []byte
	Last        ID
	EntriesRead int64
}

// Consumer is one of the last group. Its pending entries follow.
type Consumer struct {
	Name   []byte
	SeenMs int64
}

// Pending is an entry that the last consumer has not acknowledged.
type Pending struct {
	ID          ID
	DeliveredMs int64
	Count       uint64
}

// StreamSink takes a stream apart: the entries in order, StreamInfo, then each group, its consumers, and theirs.
type StreamSink interface {
	Entry(id ID, fields [][]byte) error // fields and values in turn
	StreamInfo(info StreamInfo) error
	Group(g Group) error
	Consumer(c Consumer) error
	Pending(p Pending) error
}

const (
	entryDeleted    = 1
	entrySameFields = 2

	idSize = 16
	// maxPending bounds how many pending entries of a group are taken up before its consumers say whose they are.
	maxPending = 1 << 28
)

func (r *Reader) stream(t Type, s Sink) error {
	nodes, err := r.Len()
	if err != nil {
		return err
	}
	var info StreamInfo
	entries := streamEntries{s: s}
	for ; nodes > 0; nodes-- {
		if err := r.streamNode(&entries); err != nil {
			return err
		}
	}
	if info.Length, err = r.Len(); err != nil {
		return err
	}
	if info.Last, err = r.id(); err != nil {
		return err
	}
	info.First, info.Added = entries.first, info.Length
	if t != TypeStream {
		if info.First, err = r.id(); err != nil {
			return err
		}
		if info.MaxDeleted, err = r.id(); err != nil {
			return err
		}
		if info.Added, err = r.Len(); err != nil {
			return err
		}
	}
	if info.Length != entries.count || info.Last.less(entries.last) {
		return r.bad("a stream of %d entries up to %v that says it has %d up to %v", entries.count, entries.last, info.Length, info.Last)
	}
	info.First = entries.first // what the stream says is not always kept up to date
	if err := s.StreamInfo(info); err != nil {
		return err
	}
	return r.groups(t, s)
}

// id reads an id as two lengths.
func (r *Reader) id() (id ID, err error) {
	if id.Ms, err = r.Len(); err == nil {
		id.Seq, err = r.Len()
	}
	return id, err
}

// rawID reads an id as 16 bytes.
func (r *Reader) rawID() (ID, error) {
	b := r.text[:idSize]
	err := r.Full(b)
	return parseID(b), err
}

func parseID(b []byte) ID { return ID{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])} }

// streamEntries counts the entries that have gone to the sink.
type streamEntries struct {
	s           Sink
	count       uint64
	first, last ID
	fields      [][]byte
	text        []byte // of integers
}

func (r *Reader) streamNode(e *streamEntries) error {
	key, err := r.String()
	if err != nil {
		return err
	}
	if len(key) != idSize {
		return r.bad("a stream's node with a key of %d bytes", len(key))
	}
	base := parseID(key)
	b, err := r.String()
	if err != nil {
		return err
	}
	p, err := openListpack(b)
	if err == nil {
		err = e.node(p, base)
	}
	if err == errPacked { //nolint:errorlint // only ever returned as it is, and a sink's error must pass
		return r.bad("a stream's node of %d bytes, from %v, does not hold together", len(b), base)
	}
	return err
}

// node hands the entries of a node on.
func (e *streamEntries) node(p *packed, base ID) error {
	count, err := p.integer()
	if err != nil {
		return err
	}
	deleted, err := p.integer()
	if err != nil {
		return err
	}
	n, err := p.integer()
	if err != nil {
		return err
	}
	if n < 0 || n > int64(len(p.b)) {
		return errPacked
	}
	master := make([][]byte, n)
	for i := range master {
		b, err := p.element()
		if err != nil {
			return err
		}
		master[i] = append([]byte(nil), b...)
	}
	if end, err := p.integer(); err != nil || end != 0 {
		return errPacked
	}
	for ; p.more(); count-- {
		gone, err := e.entry(p, base, master)
		if err != nil {
			return err
		}
		if gone {
			deleted--
			count++
		}
	}
	if count != 0 || deleted != 0 {
		return errPacked
	}
	return nil
}

func (e *streamEntries) entry(p *packed, base ID, master [][]byte) (deleted bool, err error) {
	flags, err := p.integer()
	if err != nil {
		return false, err
	}
	ms, err := p.integer()
	if err != nil {
		return false, err
	}
	seq, err := p.integer()
	if err != nil {
		return false, err
	}
	id := ID{base.Ms + uint64(ms), base.Seq + uint64(seq)}
	same := flags&entrySameFields != 0
	n, elements := int64(len(master)), int64(len(master))+3
	if !same {
		if n, err = p.integer(); err != nil {
			return false, err
		}
		elements = 2*n + 4
	}
	if n < 0 || n > int64(len(p.b)) {
		return false, errPacked
	}
	e.fields, e.text = e.fields[:0], e.text[:0]
	for i := range n {
		var field []byte
		if same {
			field = master[i]
		} else if field, err = e.keep(p); err != nil {
			return false, err
		}
		value, err := e.keep(p)
		if err != nil {
			return false, err
		}
		e.fields = append(e.fields, field, value)
	}
	if size, err := p.integer(); err != nil || size != elements {
		return false, errPacked
	}
	if flags&entryDeleted != 0 {
		return true, nil
	}
	if e.count > 0 && !e.last.less(id) || id == (ID{}) {
		return false, errPacked
	}
	if e.count == 0 {
		e.first = id
	}
	e.count, e.last = e.count+1, id
	return false, e.s.Entry(id, e.fields)
}

// keep returns the next element so that it outlives the one behind.
func (e *streamEntries) keep(p *packed) ([]byte, error) {
	b, n, isInt, err := p.raw()
	if err != nil || !isInt {
		return b, err
	}
	from := len(e.text)
	e.text = appendInt(e.text, n)
	return e.text[from:len(e.text):len(e.text)], nil
}

func (r *Reader) groups(t Type, s Sink) error {
	n, err := r.Len()
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		if err := r.group(t, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) group(t Type, s Sink) error {
	name, err := r.String()
	if err != nil {
		return err
	}
	g := Group{Name: append([]byte(nil), name...), EntriesRead: UnknownRead}
	if g.Last, err = r.id(); err != nil {
		return err
	}
	if t != TypeStream {
		read, err := r.Len()
		if err != nil {
			return err
		}
		g.EntriesRead = int64(read)
	}
	if err := s.Group(g); err != nil {
		return err
	}
	pending, err := r.pending()
	if err != nil {
		return err
	}
	consumers, err := r.Len()
	if err != nil {
		return err
	}
	for ; consumers > 0; consumers-- {
		if err := r.consumer(t, s, pending); err != nil {
			return err
		}
	}
	if len(pending) > 0 {
		return r.bad("group %q has %d pending entries that are no consumer's", g.Name, len(pending))
	}
	return nil
}

// pending reads what a group has pending, of all its consumers.
func (r *Reader) pending() (map[ID]Pending, error) {
	n, err := r.Len()
	if err != nil {
		return nil, err
	}
	if n > maxPending {
		return nil, r.bad("a group with %d pending entries", n)
	}
	all := make(map[ID]Pending)
	for ; n > 0; n-- {
		var p Pending
		if p.ID, err = r.rawID(); err != nil {
			return nil, err
		}
		ms, err := r.Uint64()
		if err != nil {
			return nil, err
		}
		p.DeliveredMs = int64(ms)
		if p.Count, err = r.Len(); err != nil {
			return nil, err
		}
		if _, twice := all[p.ID]; twice {
			return nil, r.bad("entry %v is pending twice", p.ID)
		}
		all[p.ID] = p
	}
	return all, nil
}

func (r *Reader) consumer(t Type, s Sink, pending map[ID]Pending) error {
	name, err := r.String()
	if err != nil {
		return err
	}
	c := Consumer{Name: append([]byte(nil), name...)}
	seen, err := r.Uint64()
	if err != nil {
		return err
	}
	c.SeenMs = int64(seen)
	if t == typeStream3 {
		if _, err := r.Uint64(); err != nil { // when it last got something: not kept
			return err
		}
	}
	if err := s.Consumer(c); err != nil {
		return err
	}
	n, err := r.Len()
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		id, err := r.rawID()
		if err != nil {
			return err
		}
		p, ok := pending[id]
		if !ok {
			return r.bad("consumer %q has %v pending, its group has not", c.Name, id)
		}
		delete(pending, id)
		if err := s.Pending(p); err != nil {
			return err
		}
	}
	return nil
}

// Form is the oldest form that carries all of a stream with these groups.
func (info *StreamInfo) Form(groups []Group) Type {
	if info.Added != info.Length || info.MaxDeleted != (ID{}) {
		return TypeStream2
	}
	for i := range groups {
		if groups[i].EntriesRead != UnknownRead {
			return TypeStream2
		}
	}
	return TypeStream
}

// unknownLen is how UnknownRead is written.
const unknownLen = math.MaxUint64
