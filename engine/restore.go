package engine

import (
	"errors"

	"replogd/engine/keys"
	"replogd/engine/rdb"
)

// checker is the sink of a first pass over a payload: it refuses what has an element twice, before a row is written. The other rules are
// the reader's.
type checker struct {
	seen, groups, consumers map[string]struct{}
}

func once(seen *map[string]struct{}, name []byte) error {
	if *seen == nil {
		*seen = make(map[string]struct{})
	}
	if _, twice := (*seen)[string(name)]; twice {
		return ErrTwice
	}
	(*seen)[string(name)] = struct{}{}
	return nil
}

func (s *checker) String([]byte) error             { return nil }
func (s *checker) Element([]byte) error            { return nil }
func (s *checker) Member(member []byte) error      { return once(&s.seen, member) }
func (s *checker) Field(field, _ []byte) error     { return once(&s.seen, field) }
func (s *checker) Entry(rdb.ID, [][]byte) error    { return nil }
func (s *checker) StreamInfo(rdb.StreamInfo) error { return nil }
func (s *checker) Consumer(c rdb.Consumer) error   { return once(&s.consumers, c.Name) }
func (s *checker) Pending(rdb.Pending) error       { return nil }

func (s *checker) Score(member []byte, _ float64) error { return once(&s.seen, member) }

func (s *checker) Group(g rdb.Group) error {
	s.consumers = nil
	return once(&s.groups, g.Name)
}

// restorer is the sink that makes rows of a value, for a key that is written when all of them are.
type restorer struct {
	c    *call
	kind keys.Type
	str  []byte

	// Members of a sorted set wait until it is known whether they fit the compact encoding, which matters before the first is written: see
	// putRows.
	waiting []scored
	large   bool // they do not

	hash hash
	list list
	set  set
	zset zset

	stream   stream
	group    group
	consumer consumer
}

// head is what the key's row says about the value.
func (s *restorer) head() keys.Head {
	switch s.kind {
	case keys.TypeHash:
		return s.hash.h
	case keys.TypeList:
		return s.list.head()
	case keys.TypeSet:
		return s.set.h
	case keys.TypeZSet:
		s.endZSet()
		return s.zset.h
	case keys.TypeStream:
		s.endGroup()
		s.stream.h.Value = keys.AppendStream(nil, s.stream.s)
		return s.stream.h
	default:
		return keys.Head{Value: s.str}
	}
}

// begin makes a collection at its first element. ok is false if that was not the first.
func (s *restorer) begin(t keys.Type) bool {
	if s.kind == t {
		return false
	}
	s.kind = t
	return true
}

func (s *restorer) String(value []byte) error {
	s.str = append([]byte(nil), value...)
	return nil
}

func (s *restorer) Element(value []byte) error {
	if s.begin(keys.TypeList) {
		s.list = list{c: s.c, h: s.c.newHead(keys.TypeList), first: listCentre}
	}
	keep := len(s.c.rowBuf)
	s.list.pushTail(value)
	s.c.rowBuf = s.c.rowBuf[:keep]
	return nil
}

func (s *restorer) Member(member []byte) error {
	if s.begin(keys.TypeSet) {
		s.set = s.c.newSet()
	}
	keep := len(s.c.rowBuf)
	s.set.insert(s.c.fieldRow(s.set.h.UID, member), member)
	s.c.rowBuf = s.c.rowBuf[:keep]
	return nil
}

func (s *restorer) Field(field, value []byte) error {
	if s.begin(keys.TypeHash) {
		s.hash = hash{c: s.c, h: s.c.newHead(keys.TypeHash)}
	}
	keep := len(s.c.rowBuf)
	added, err := s.hash.set(field, value)
	s.c.rowBuf = s.c.rowBuf[:keep]
	if err == nil && !added {
		err = ErrTwice
	}
	return err
}

func (s *restorer) Score(member []byte, score float64) error {
	if s.begin(keys.TypeZSet) {
		s.zset = s.c.newZSet()
	}
	if s.large {
		s.zset.insert(member, score)
		return nil
	}
	s.waiting = append(s.waiting, scored{append([]byte(nil), member...), score})
	limits := s.c.e.o.Limits()
	if int64(len(member)) > limits.ZSetValue || int64(len(s.waiting)) > limits.ZSetEntries {
		s.large, s.zset.h.Encoding = true, keys.EncodingSkiplist
		s.endZSet()
	}
	return nil
}

// endZSet writes the members that wait.
func (s *restorer) endZSet() {
	for _, m := range s.waiting {
		s.zset.insert(m.member, m.score)
	}
	s.waiting = nil
}

func (s *restorer) beginStream() {
	if s.begin(keys.TypeStream) {
		s.stream = stream{c: s.c, h: s.c.newHead(keys.TypeStream)}
	}
}

func (s *restorer) Entry(id rdb.ID, fields [][]byte) error {
	s.beginStream()
	keep := len(s.c.rowBuf)
	s.stream.add(keys.StreamID(id), fields)
	s.c.rowBuf = s.c.rowBuf[:keep]
	return nil
}

func (s *restorer) StreamInfo(info rdb.StreamInfo) error {
	s.beginStream()
	x := &s.stream.s
	x.Last, x.MaxDeleted, x.Added = keys.StreamID(info.Last), keys.StreamID(info.MaxDeleted), info.Added
	return nil
}

func (s *restorer) Group(g rdb.Group) error {
	s.endGroup()
	s.group = group{x: &s.stream, name: g.Name}
	s.group.create(keys.StreamID(g.Last), g.EntriesRead)
	return nil
}

func (s *restorer) Consumer(c rdb.Consumer) error {
	s.endConsumer()
	s.consumer = consumer{g: &s.group, name: c.Name, Consumer: keys.Consumer{SeenMs: c.SeenMs}}
	s.consumer.put()
	return nil
}

func (s *restorer) Pending(p rdb.Pending) error {
	e := pendingEntry{id: keys.StreamID(p.ID), Pending: keys.Pending{DeliveredMs: p.DeliveredMs, Count: p.Count}}
	return s.group.assign(&e, &s.consumer)
}

// endConsumer and endGroup write what has been counted.
func (s *restorer) endConsumer() {
	if s.consumer.ok {
		s.consumer.put()
	}
	s.consumer = consumer{}
}

func (s *restorer) endGroup() {
	s.endConsumer()
	if s.group.ok {
		s.group.put()
	}
	s.group = group{}
}

// restoreArgs are the options of RESTORE.
type restoreArgs struct {
	replace, absolute bool
	ttl               int64 // milliseconds; 0: none
}

const maxFreq = 255 // of OBJECT FREQ

// parseRestore reads the options, or answers the error. IDLETIME and FREQ are checked and have no effect: nothing is evicted.
func (c *call) parseRestore() (a restoreArgs, ok bool) {
	idle, freq := int64(-1), int64(-1)
	for i := 4; i < len(c.args); i++ {
		arg, more := c.args[i], i+1 < len(c.args)
		switch {
		case isWord(arg, "REPLACE"):
			a.replace = true
		case isWord(arg, "ABSTTL"):
			a.absolute = true
		case isWord(arg, "IDLETIME") && more && freq < 0:
			if idle, ok = c.argInt(i + 1); !ok {
				return a, false
			}
			if idle < 0 {
				c.w.Error("ERR Invalid IDLETIME value, must be >= 0")
				return a, false
			}
			i++
		case isWord(arg, "FREQ") && more && idle < 0:
			if freq, ok = c.argInt(i + 1); !ok {
				return a, false
			}
			if freq < 0 || freq > maxFreq {
				c.w.Error("ERR Invalid FREQ value, must be >= 0 and <= 255")
				return a, false
			}
			i++
		default:
			c.w.Error(errSyntax)
			return a, false
		}
	}
	return a, true
}

// checkPayload looks through a payload, or answers the error of one that is not whole or damaged.
func (c *call) checkPayload(payload []byte) bool {
	_, err := rdb.Restore(payload, &checker{})
	switch {
	case err == nil:
		return true
	case errors.Is(err, rdb.ErrPayload):
		c.w.Error("ERR " + rdb.ErrPayload.Error())
	default:
		c.e.o.Logger.Warn("RESTORE refused a payload", "key", string(c.args[1]), "err", err)
		c.w.Error("ERR Bad data format")
	}
	return false
}
