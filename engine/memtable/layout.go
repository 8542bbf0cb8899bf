package memtable

// Layout says which parts a table has. A key's first byte chooses its part: one for each byte that New is told of, and one for all those
// between two of them, so that the parts follow each other as their keys do.
type Layout struct {
	parts  int
	of     [256]uint8 // part by first byte
	hashed []bool     // by part
}

// NewLayout makes the layout of tables in which the rows of these first bytes are found by hash. tags are in order.
func NewLayout(tags ...byte) *Layout {
	l := &Layout{}
	next := 0
	add := func(upTo int, hashed bool) { // the first bytes from next on, before upTo
		if next == upTo {
			return
		}
		for ; next < upTo; next++ {
			l.of[next] = uint8(l.parts) //nolint:gosec // at most 256
		}
		l.parts++
		l.hashed = append(l.hashed, hashed)
	}
	for _, tag := range tags {
		add(int(tag), false)
		add(int(tag)+1, true)
	}
	add(256, false)
	return l
}

// ordered is the layout of a table of one part.
var ordered = NewLayout()

// part is where a key belongs.
func (l *Layout) part(key []byte) int {
	if len(key) == 0 {
		return 0
	}
	return int(l.of[key[0]])
}

// between returns the first and the last part that keys of [lower, upper) can be in; upper nil: up to the end.
func (l *Layout) between(lower, upper []byte) (first, last int) {
	switch {
	case upper == nil:
		last = l.parts - 1
	case len(upper) == 1 && upper[0] > 0:
		last = int(l.of[upper[0]-1])
	default:
		last = l.part(upper)
	}
	return l.part(lower), last
}
