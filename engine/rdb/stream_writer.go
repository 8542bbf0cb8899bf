package rdb

import "encoding/binary"

// Limits of a node that is written, Redis' own defaults.
const (
	nodeEntries = 100
	nodeBytes   = 4096
)

// NodeCounter counts the nodes that StreamWriter will make of the same entries: their number comes first.
type NodeCounter struct {
	nodes          uint64
	entries, bytes int
}

// Entry counts an entry of that many bytes in fields and values.
func (c *NodeCounter) Entry(size int) {
	if c.startsNode(size) {
		c.nodes++
	}
}

// startsNode says whether the next entry begins a node.
func (c *NodeCounter) startsNode(size int) bool {
	if c.entries > 0 && c.entries < nodeEntries && c.bytes+size <= nodeBytes {
		c.entries++
		c.bytes += size
		return false
	}
	c.entries, c.bytes = 1, size
	return true
}

// StreamWriter writes a stream: every entry in order, then Finish, then the groups.
type StreamWriter struct {
	w       *Writer
	form    Type
	counter NodeCounter
	node    []byte // elements of the listpack under construction
	count   int    // entries in it
	base    ID
	master  [][]byte
	elems   uint64 // listpack elements in it
}

// Stream begins a stream, of the form that the caller has written as its type (StreamInfo.Form).
func (w *Writer) Stream(form Type, nodes *NodeCounter) *StreamWriter {
	w.Len(nodes.nodes)
	return &StreamWriter{w: w, form: form}
}

// Entry adds an entry; fields and values in turn.
func (s *StreamWriter) Entry(id ID, fields [][]byte) {
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	if s.counter.startsNode(size) {
		s.endNode()
		s.startNode(id, fields)
	}
	flags := int64(0)
	if s.sameFields(fields) {
		flags = entrySameFields
	}
	s.int(flags)
	s.int(int64(id.Ms - s.base.Ms))
	s.int(int64(id.Seq - s.base.Seq))
	elements := int64(3)
	if flags == 0 {
		s.int(int64(len(fields) / 2))
		elements++
	}
	for i, f := range fields {
		if i%2 == 0 && flags != 0 {
			continue
		}
		s.bytes(f)
		elements++
	}
	s.int(elements)
	s.count++
}

func (s *StreamWriter) sameFields(fields [][]byte) bool {
	if len(fields) != 2*len(s.master) {
		return false
	}
	for i, f := range s.master {
		if string(f) != string(fields[2*i]) {
			return false
		}
	}
	return true
}

func (s *StreamWriter) startNode(id ID, fields [][]byte) {
	s.base, s.master = id, s.master[:0]
	for i := 0; i < len(fields); i += 2 {
		s.master = append(s.master, append([]byte(nil), fields[i]...))
	}
}

// endNode writes the node under construction, if there is one.
func (s *StreamWriter) endNode() {
	if s.count == 0 {
		return
	}
	entries, elements := s.node, s.elems
	s.node, s.elems = nil, 0
	s.int(int64(s.count))
	s.int(0) // deleted
	s.int(int64(len(s.master)))
	for _, f := range s.master {
		s.bytes(f)
	}
	s.int(0)
	head := s.node
	elements += s.elems

	w := s.w
	w.Len(idSize)
	w.rawID(s.base)
	size := listpackHeader + len(head) + len(entries) + 1
	w.Len(uint64(size))
	var header [listpackHeader]byte
	binary.LittleEndian.PutUint32(header[:], uint32(size))
	binary.LittleEndian.PutUint16(header[4:], uint16(min(elements, 0xffff))) // all ones: count them yourself
	w.Raw(header[:])
	w.Raw(head)
	w.Raw(entries)
	w.Byte(packedEnd)
	s.node, s.elems, s.count = entries[:0], 0, 0
}

// int and bytes append an element to the listpack.
func (s *StreamWriter) int(n int64) {
	s.node = appendListpackInt(s.node, n)
	s.elems++
}

func (s *StreamWriter) bytes(b []byte) {
	s.node = appendListpackBytes(s.node, b)
	s.elems++
}

// Finish writes what comes behind the entries, and how many groups follow.
func (s *StreamWriter) Finish(info StreamInfo, groups int) {
	s.endNode()
	w := s.w
	w.Len(info.Length)
	w.id(info.Last)
	if s.form != TypeStream {
		w.id(info.First)
		w.id(info.MaxDeleted)
		w.Len(info.Added)
	}
	w.Len(uint64(groups))
}

// Group writes a group and how many entries it has pending; PendingEntry follows for each of them in order of ids, then Consumers.
func (s *StreamWriter) Group(g Group, pending uint64) {
	s.w.String(g.Name)
	s.w.id(g.Last)
	if s.form != TypeStream {
		n := uint64(unknownLen)
		if g.EntriesRead != UnknownRead {
			n = uint64(g.EntriesRead)
		}
		s.w.Len(n)
	}
	s.w.Len(pending)
}

// PendingEntry writes an entry that a group has pending.
func (s *StreamWriter) PendingEntry(p Pending) {
	s.w.rawID(p.ID)
	s.w.Uint64(uint64(p.DeliveredMs))
	s.w.Len(p.Count)
}

// Consumers writes how many consumers a group has. Consumer follows for each.
func (s *StreamWriter) Consumers(n int) { s.w.Len(uint64(n)) }

// Consumer writes a consumer and how many entries it has pending. Owned follows for each.
func (s *StreamWriter) Consumer(c Consumer, pending uint64) {
	s.w.String(c.Name)
	s.w.Uint64(uint64(c.SeenMs))
	s.w.Len(pending)
}

// Owned writes the id of an entry that the last consumer has pending.
func (s *StreamWriter) Owned(id ID) { s.w.rawID(id) }

func appendListpackInt(dst []byte, n int64) []byte {
	from := len(dst)
	switch {
	case n >= 0 && n < 1<<7:
		dst = append(dst, byte(n))
	case n >= -1<<12 && n < 1<<12:
		dst = append(dst, 0xc0|byte(n>>8)&0x1f, byte(n))
	case n == int64(int16(n)):
		dst = append(dst, 0xf1, byte(n), byte(n>>8))
	case n >= -1<<23 && n < 1<<23:
		dst = append(dst, 0xf2, byte(n), byte(n>>8), byte(n>>16))
	case n == int64(int32(n)):
		dst = binary.LittleEndian.AppendUint32(append(dst, 0xf3), uint32(n))
	default:
		dst = binary.LittleEndian.AppendUint64(append(dst, 0xf4), uint64(n))
	}
	return appendBackLen(dst, len(dst)-from)
}

// appendListpackBytes appends a string, as an integer where Redis would: only then do integers compare equal there.
func appendListpackBytes(dst, b []byte) []byte {
	if n, ok := packedInt(b); ok {
		return appendListpackInt(dst, n)
	}
	from := len(dst)
	switch n := len(b); {
	case n < 1<<6:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<12:
		dst = append(dst, 0xe0|byte(n>>8), byte(n))
	default:
		dst = binary.LittleEndian.AppendUint32(append(dst, 0xf0), uint32(n))
	}
	dst = append(dst, b...)
	return appendBackLen(dst, len(dst)-from)
}

// packedInt is the integer that b is the canonical text of.
func packedInt(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 20 || b[0] > '9' {
		return 0, false
	}
	negative := b[0] == '-'
	digits := b
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	var v uint64
	for _, c := range digits {
		if c < '0' || c > '9' || v > (1<<63)/10 {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	if negative {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v < 1<<63
}

// appendBackLen appends an element's size so that it can be read from behind: seven bits a byte, the last byte the lowest, bit 7 saying that
// another one stands before.
func appendBackLen(dst []byte, size int) []byte {
	n := backLen(size)
	for i := n - 1; i >= 0; i-- {
		b := byte(size>>(7*i)) & 0x7f
		if i < n-1 {
			b |= 0x80
		}
		dst = append(dst, b)
	}
	return dst
}
