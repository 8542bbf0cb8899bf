package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// lcsOptions are the options of LCS.
type lcsOptions struct {
	length, ranges, rangeLengths bool
	minRange                     int64
}

// cmdLCS is LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]: the longest common subsequence of two strings.
func cmdLCS(c *call) error {
	refs, err := c.openAll(c.db, c.args[1:3])
	if err != nil {
		return err
	}
	a, b := &refs[0], &refs[1]
	if a.Type != keys.TypeString || b.Type != keys.TypeString {
		c.w.Error("ERR The specified keys must contain string values")
		return nil
	}
	o, ok := c.parseLCSOptions()
	if !ok {
		return nil
	}
	// Redis would fill a table of four bytes a cell and refuses one that is too large. The table here is a 32nd of that, but the
	// limit is the same: it also bounds the time.
	if cells := int64(len(a.Value)+1) * int64(len(b.Value)+1); cells > maxStringBytes/4 {
		c.w.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
		return nil
	}
	table := newLCSTable(a.Value, b.Value, o.ranges || !o.length)
	switch {
	case o.ranges:
		c.replyLCSRanges(table, o)
	case o.length:
		c.w.Int(int64(table.length))
	default:
		c.w.Bulk(table.text())
	}
	return nil
}

func (c *call) parseLCSOptions() (o lcsOptions, ok bool) {
	for i := 3; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case isWord(arg, "IDX"):
			o.ranges = true
		case isWord(arg, "LEN"):
			o.length = true
		case isWord(arg, "WITHMATCHLEN"):
			o.rangeLengths = true
		case isWord(arg, "MINMATCHLEN") && i+1 < len(c.args):
			i++
			if o.minRange, ok = c.argInt(i); !ok {
				return o, false
			}
		default:
			c.w.Error(errSyntax)
			return o, false
		}
	}
	if o.ranges && o.length {
		c.w.Error("ERR If you want both the length and indexes, please just use IDX.")
		return o, false
	}
	return o, true
}

// replyLCSRanges answers the runs of equal bytes, from the strings' ends to their beginnings, and the length.
func (c *call) replyLCSRanges(t *lcsTable, o lcsOptions) {
	found := resp.Writer{Proto: c.w.Proto}
	count := 0
	t.walk(nil, func(r lcsRange) {
		if int64(r.length) < o.minRange {
			return
		}
		count++
		if o.rangeLengths {
			found.Array(3)
		} else {
			found.Array(2)
		}
		for _, start := range [...]int{r.a, r.b} {
			found.Array(2)
			found.Int(int64(start))
			found.Int(int64(start + r.length - 1))
		}
		if o.rangeLengths {
			found.Int(int64(r.length))
		}
	})
	c.w.Map(2)
	c.w.BulkString("matches")
	c.w.Array(count)
	c.w.Raw(found.Bytes())
	c.w.BulkString("len")
	c.w.Int(int64(t.length))
}

// lcsRange is a run of equal bytes: a[a:a+length] and b[b:b+length].
type lcsRange struct{ a, b, length int }

// lcsTable is what is kept of the table of dynamic programming, in which cell (i, j) is the length for a[:i] and b[:j]: one bit
// for each cell, which says where the way back goes when a[i-1] and b[j-1] differ.
type lcsTable struct {
	a, b   []byte
	length int
	up     []uint64 // bit i*len(b)+j: cell (i, j+1) is greater than cell (i+1, j)
}

// newLCSTable fills the table; without way only the length is found.
func newLCSTable(a, b []byte, way bool) *lcsTable {
	t := &lcsTable{a: a, b: b}
	if way {
		t.up = make([]uint64, (len(a)*len(b)+63)/64)
	}
	row := make([]uint32, len(b)+1) // row i+1 up to column j, row i behind it
	for i := range a {
		var diagonal, left uint32 // cells (i, j) and (i+1, j)
		for j := range b {
			above := row[j+1]
			here := left
			switch {
			case a[i] == b[j]:
				here = diagonal + 1
			case above > left:
				here = above
				if way {
					n := i*len(b) + j
					t.up[n/64] |= 1 << (n % 64)
				}
			}
			diagonal, left, row[j+1] = above, here, here
		}
	}
	t.length = int(row[len(b)])
	return t
}

// text is the subsequence itself.
func (t *lcsTable) text() []byte {
	text := make([]byte, t.length)
	n := t.length
	t.walk(func(b byte) {
		n--
		text[n] = b
	}, nil)
	return text
}

// walk follows the way back from the strings' ends and reports each byte in common, and each run of them. Either may be nil.
func (t *lcsTable) walk(onByte func(byte), onRange func(lcsRange)) {
	var run lcsRange
	flush := func() {
		if run.length > 0 && onRange != nil {
			onRange(run)
		}
		run = lcsRange{}
	}
	for i, j := len(t.a), len(t.b); i > 0 && j > 0; {
		if t.a[i-1] == t.b[j-1] {
			i--
			j--
			run = lcsRange{a: i, b: j, length: run.length + 1}
			if onByte != nil {
				onByte(t.a[i])
			}
			continue
		}
		flush()
		n := (i-1)*len(t.b) + j - 1
		if t.up[n/64]&(1<<(n%64)) != 0 {
			i--
		} else {
			j--
		}
	}
	flush()
}
