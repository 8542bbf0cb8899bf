package engine

import (
	"bytes"
	"slices"
	"strconv"

	"replogd/engine/glob"
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// HSCAN, SSCAN and ZSCAN: a cursor is a place in the order of the elements' hashes, so what SCAN promises for keys holds for elements.
// A collection in a compact encoding comes whole, as in Redis.

// scanElements answers such a command: one is called with each element that matches and returns how many replies it made of it.
func (c *call) scanElements(t keys.Type, one func(w *resp.Writer, field, value []byte) (replies int, err error)) error {
	cursor, ok := parseCursor(c.args[2])
	if !ok {
		c.w.Error("ERR invalid cursor")
		return nil
	}
	return c.onView(func() error {
		k, ok, err := c.openAs(c.args[1], t)
		if err != nil || !ok {
			return err
		}
		if !k.ok {
			c.replyPage(0, 0, nil)
			return nil
		}
		pattern, count, ok := c.parseElementScan()
		if !ok {
			return nil
		}
		if k.Encoding == 0 { // the compact one, of each of the three types
			cursor, count = 0, maxInt64
		}
		return c.scanPlaces(&k.Head, cursor, count, pattern, one)
	})
}

func (c *call) replyPage(next uint64, replies int, found []byte) {
	c.w.Array(2)
	c.w.BulkString(strconv.FormatUint(next, 10))
	c.w.Array(replies)
	c.w.Raw(found)
}

func (c *call) scanPlaces(h *keys.Head, cursor uint64, count int64, pattern []byte,
	one func(w *resp.Writer, field, value []byte) (int, error),
) (err error) {
	_, upper := keys.UIDBounds(keys.TagField, h.UID, h.UID)
	it, err := c.between(h.UID, keys.AppendFieldPlace(nil, h.UID, cursor), upper)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.close(); err == nil {
			err = cerr
		}
	}()
	page, replies := scanPage{room: count}, 0
	found := resp.Writer{Proto: c.w.Proto}
	for ok := it.first(); ok; ok = it.next() {
		place, field, err := keys.ParseField(it.key())
		if err != nil {
			return corruptRow(it.key(), err)
		}
		if !page.take(keys.Pos(place)) {
			break
		}
		if pattern != nil && !glob.Match(pattern, field, false) {
			continue
		}
		value, err := it.value()
		if err != nil {
			return err
		}
		n, err := one(&found, field, value)
		if err != nil {
			return err
		}
		replies += n
	}
	if err := it.err(); err != nil {
		return err
	}
	c.replyPage(page.next, replies, found.Bytes())
	return nil
}

// parseElementScan reads [MATCH pattern] [COUNT n].
func (c *call) parseElementScan() (pattern []byte, count int64, ok bool) {
	count = defaultScanCount
	for i := 3; i < len(c.args); i += 2 {
		arg, last := c.args[i], i+1 == len(c.args)
		switch {
		case isWord(arg, "COUNT") && !last:
			if count, ok = c.argInt(i + 1); !ok {
				return nil, 0, false
			}
			if count < 1 {
				c.w.Error(errSyntax)
				return nil, 0, false
			}
		case isWord(arg, "MATCH") && !last:
			pattern = newPattern(c.args[i+1])
		default:
			c.w.Error(errSyntax)
			return nil, 0, false
		}
	}
	return pattern, count, true
}

// cmdHScan is HSCAN key cursor [MATCH pattern] [COUNT n].
func cmdHScan(c *call) error {
	return c.scanElements(keys.TypeHash, func(w *resp.Writer, field, value []byte) (int, error) {
		w.Bulk(field)
		w.Bulk(value)
		return 2, nil
	})
}

// sortedIntegers puts members that are all integers in their order, which is the one an intset has.
func sortedIntegers(members [][]byte) {
	slices.SortFunc(members, func(a, b []byte) int {
		x, _ := resp.ParseInt(a)
		y, _ := resp.ParseInt(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return bytes.Compare(a, b)
	})
}
