package engine

import (
	"strconv"

	"replogd/engine/glob"
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// keyFilter says which keys KEYS and SCAN return.
type keyFilter struct {
	pattern  []byte // nil: every key
	typeName []byte // nil: every type
}

// newPattern drops a pattern that matches everything.
func newPattern(pattern []byte) []byte {
	if len(pattern) == 1 && pattern[0] == '*' {
		return nil
	}
	return pattern
}

func (f *keyFilter) match(key []byte, t keys.Type) bool {
	if f.typeName != nil && !sameFold(f.typeName, t.String()) {
		return false
	}
	return f.pattern == nil || glob.Match(f.pattern, key, false)
}

// sameFold compares without regard to ASCII case; word is in lower case.
func sameFold(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, b := range arg {
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		if b != word[i] {
			return false
		}
	}
	return true
}

// cmdKeys is KEYS pattern, in the order of positions.
func cmdKeys(c *call) error {
	f := keyFilter{pattern: newPattern(c.args[1])}
	var found resp.Writer
	count := 0
	err := c.scan(c.db, 0, func(_ keys.Pos, key []byte, h keys.Head) bool {
		if f.match(key, h.Type) {
			count++
			found.Bulk(key)
		}
		return true
	})
	if err != nil {
		return err
	}
	c.w.Array(count)
	c.w.Raw(found.Bytes())
	return nil
}

// defaultScanCount is SCAN's COUNT if none is given.
const defaultScanCount = 10

// cmdScan is SCAN cursor [MATCH pattern] [COUNT n] [TYPE name].
//
// A cursor is a position: the keys at and behind it have not been returned yet. Keys that share a position are returned together,
// so COUNT may be exceeded by them. Positions depend on nothing but the keys, hence a key that exists from the first call to the
// last is returned, exactly once, whatever happens to other keys in between; and a cursor stays good across restarts and on
// every node.
func cmdScan(c *call) error {
	cursor, ok := parseCursor(c.args[1])
	if !ok {
		c.w.Error("ERR invalid cursor")
		return nil
	}
	f, count, ok := c.parseScanOptions()
	if !ok {
		return nil
	}
	var found resp.Writer
	page, returned := scanPage{room: count}, 0
	err := c.scan(c.db, keys.Pos(cursor), func(pos keys.Pos, key []byte, h keys.Head) bool {
		if !page.take(pos) {
			return false
		}
		if f.match(key, h.Type) {
			returned++
			found.Bulk(key)
		}
		return true
	})
	if err != nil {
		return err
	}
	c.w.Array(2)
	c.w.BulkString(strconv.FormatUint(page.next, 10))
	c.w.Array(returned)
	c.w.Raw(found.Bytes())
	return nil
}

// scanPage decides where one call of SCAN ends.
type scanPage struct {
	room int64    // keys to visit still; those at the position of the last one are visited regardless
	last keys.Pos // of the last key visited
	next uint64   // the cursor behind this page; 0: there is nothing more
}

// take reports whether the key at pos, the next in order, belongs to the page.
func (p *scanPage) take(pos keys.Pos) bool {
	if p.room <= 0 && pos != p.last {
		p.next = uint64(p.last) + 1
		return false
	}
	p.room--
	p.last = pos
	return true
}

func (c *call) parseScanOptions() (f keyFilter, count int64, ok bool) {
	count = defaultScanCount
	for i := 2; i < len(c.args); i += 2 {
		arg, last := c.args[i], i+1 == len(c.args)
		switch {
		case isWord(arg, "COUNT") && !last:
			if count, ok = c.argInt(i + 1); !ok {
				return f, 0, false
			}
			if count < 1 {
				c.w.Error(errSyntax)
				return f, 0, false
			}
		case isWord(arg, "MATCH") && !last:
			f.pattern = newPattern(c.args[i+1])
		case isWord(arg, "TYPE") && !last:
			f.typeName = append(make([]byte, 0, 8), cString(c.args[i+1])...) // not nil, even if empty
		default:
			c.w.Error(errSyntax)
			return f, 0, false
		}
	}
	return f, count, true
}

// parseCursor reads a cursor as Redis does, with strtoul: an optional sign (a minus wraps round), digits; nothing at all is 0.
func parseCursor(arg []byte) (cursor uint64, ok bool) {
	text := cString(arg)
	if len(text) == 0 {
		return 0, true
	}
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	cursor, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, false
	}
	if negative {
		cursor = -cursor
	}
	return cursor, true
}
