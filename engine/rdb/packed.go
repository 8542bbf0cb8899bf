package rdb

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// The packed forms: a string that holds a whole small collection. Their parsers walk over elements, and check every length first.

var errPacked = errors.New("does not hold together")

// packed walks over the elements of a listpack or a ziplist.
type packed struct {
	b    []byte
	next func(b []byte) (element, size int, n int64, isInt bool, ok bool)
	text [20]byte
}

// Sizes of the headers.
const (
	listpackHeader = 6  // length in bytes, elements
	ziplistHeader  = 10 // length in bytes, offset of the last element, elements
	packedEnd      = 0xff
)

// openListpack checks the frame of a listpack.
func openListpack(b []byte) (*packed, error) {
	if len(b) < listpackHeader+1 || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != packedEnd {
		return nil, errPacked
	}
	return &packed{b: b[listpackHeader : len(b)-1], next: listpackElement}, nil
}

// openZiplist checks the frame of a ziplist.
func openZiplist(b []byte) (*packed, error) {
	if len(b) < ziplistHeader+1 || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != packedEnd {
		return nil, errPacked
	}
	return &packed{b: b[ziplistHeader : len(b)-1], next: ziplistElement}, nil
}

func (p *packed) more() bool { return len(p.b) > 0 }

// element returns the next element; an integer as its digits, which are valid until the next call.
func (p *packed) element() ([]byte, error) {
	b, n, isInt, err := p.raw()
	if isInt {
		b = strconv.AppendInt(p.text[:0], n, 10)
	}
	return b, err
}

// integer returns the next element as an integer.
func (p *packed) integer() (int64, error) {
	b, n, isInt, err := p.raw()
	if err == nil && !isInt {
		n, err = strconv.ParseInt(string(b), 10, 64)
	}
	return n, err
}

func (p *packed) raw() (b []byte, n int64, isInt bool, err error) {
	if len(p.b) == 0 {
		return nil, 0, false, errPacked
	}
	element, size, n, isInt, ok := p.next(p.b)
	if !ok || size > len(p.b) {
		return nil, 0, false, errPacked
	}
	if !isInt {
		b = p.b[element : element+int(n)]
	}
	p.b = p.b[size:]
	return b, n, isInt, nil
}

// listpackElement decodes the element at b[0]: an integer n, or n bytes from element on. size covers what follows it too, its own size from
// behind.
func listpackElement(b []byte) (element, size int, n int64, isInt, ok bool) {
	str := func(header, length int) (int, int, int64, bool, bool) {
		end := header + length
		if length > len(b) || end > len(b) {
			return 0, 0, 0, false, false
		}
		return header, end + backLen(end), int64(length), false, true
	}
	integer := func(bytes int) (int, int, int64, bool, bool) {
		if 1+bytes > len(b) {
			return 0, 0, 0, false, false
		}
		return 0, 1 + bytes + backLen(1+bytes), signed(b[1 : 1+bytes]), true, true
	}
	switch c := b[0]; {
	case c < 0x80:
		return 0, 1 + backLen(1), int64(c), true, true
	case c < 0xc0:
		return str(1, int(c&0x3f))
	case c < 0xe0:
		if len(b) < 2 {
			return 0, 0, 0, false, false
		}
		return 0, 2 + backLen(2), int64(uint64(c&0x1f)<<8|uint64(b[1])) << 51 >> 51, true, true
	case c < 0xf0:
		if len(b) < 2 {
			return 0, 0, 0, false, false
		}
		return str(2, int(c&0x0f)<<8|int(b[1]))
	case c == 0xf0:
		if len(b) < 5 {
			return 0, 0, 0, false, false
		}
		return str(5, int(binary.LittleEndian.Uint32(b[1:])))
	case c == 0xf1:
		return integer(2)
	case c == 0xf2:
		return integer(3)
	case c == 0xf3:
		return integer(4)
	case c == 0xf4:
		return integer(8)
	}
	return 0, 0, 0, false, false
}

// backLen is how many bytes the size of a listpack's element takes, seven bits each. The greatest size of two bytes and more takes one more
// than it needs, in Redis, and so here.
func backLen(size int) int {
	switch {
	case size < 1<<7:
		return 1
	case size < 1<<14-1:
		return 2
	case size < 1<<21-1:
		return 3
	case size < 1<<28-1:
		return 4
	}
	return 5
}

// signed reads an integer of up to eight bytes, little endian.
func signed(b []byte) (n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	shift := 64 - 8*len(b)
	return n << shift >> shift
}

// ziplistElement is listpackElement for a ziplist, where an element begins with the size of the one before.
func ziplistElement(b []byte) (element, size int, n int64, isInt, ok bool) {
	at := 1
	if b[0] == 0xfe {
		at = 5
	}
	if at >= len(b) {
		return 0, 0, 0, false, false
	}
	rest := b[at:]
	str := func(header, length int) (int, int, int64, bool, bool) {
		if header+length > len(rest) {
			return 0, 0, 0, false, false
		}
		return at + header, at + header + length, int64(length), false, true
	}
	integer := func(bytes int) (int, int, int64, bool, bool) {
		if 1+bytes > len(rest) {
			return 0, 0, 0, false, false
		}
		return 0, at + 1 + bytes, signed(rest[1 : 1+bytes]), true, true
	}
	switch c := rest[0]; {
	case c < 0x40:
		return str(1, int(c))
	case c < 0x80 && len(rest) >= 2:
		return str(2, int(c&0x3f)<<8|int(rest[1]))
	case c == 0x80 && len(rest) >= 5:
		if length := binary.BigEndian.Uint32(rest[1:]); uint64(length) <= uint64(len(rest)) {
			return str(5, int(length))
		}
	case c == 0xc0:
		return integer(2)
	case c == 0xd0:
		return integer(4)
	case c == 0xe0:
		return integer(8)
	case c == 0xf0:
		return integer(3)
	case c == 0xfe:
		return integer(1)
	case c > 0xf0 && c < 0xfe:
		return 0, at + 1, int64(c&0x0f) - 1, true, true
	}
	return 0, 0, 0, false, false
}

// eachInt walks over an intset: bytes per integer, how many, the integers, all little endian.
func eachInt(b []byte, fn func(digits []byte) error) error {
	if len(b) < 8 {
		return errPacked
	}
	width, count := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
	b = b[8:]
	if width != 2 && width != 4 && width != 8 || uint64(len(b)) != width*count {
		return errPacked
	}
	var text [20]byte
	for ; len(b) > 0; b = b[width:] {
		if err := fn(strconv.AppendInt(text[:0], signed(b[:width]), 10)); err != nil {
			return err
		}
	}
	return nil
}

// eachPair walks over a zipmap: a count, then key and value with their lengths, the value with some bytes unused behind it.
func eachPair(b []byte, fn func(field, value []byte) error) error {
	if len(b) < 2 || b[len(b)-1] != packedEnd {
		return errPacked
	}
	b = b[1 : len(b)-1]
	take := func(unused bool) ([]byte, bool) {
		if len(b) == 0 || b[0] > 254 {
			return nil, false
		}
		n, header := uint64(b[0]), 1
		if n == 254 {
			if len(b) < 5 {
				return nil, false
			}
			n, header = uint64(binary.LittleEndian.Uint32(b[1:])), 5
		}
		skip := uint64(0)
		if unused {
			if len(b) <= header {
				return nil, false
			}
			skip = uint64(b[header])
			header++
		}
		if uint64(header)+n+skip > uint64(len(b)) {
			return nil, false
		}
		part := b[header : uint64(header)+n]
		b = b[uint64(header)+n+skip:]
		return part, true
	}
	for len(b) > 0 {
		field, ok := take(false)
		if !ok {
			return errPacked
		}
		value, ok := take(true)
		if !ok {
			return errPacked
		}
		if err := fn(field, value); err != nil {
			return err
		}
	}
	return nil
}
