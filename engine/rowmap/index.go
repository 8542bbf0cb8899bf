package rowmap

// index finds slots by the hash of their rows: a table of one word for each, open addressing, the next place if one is taken. It is pointer-free,
// so the collector does not look at it.
type index struct {
	words []uint64 // tag << 32 | place; 0: empty
	count int
}

const (
	minIndexWords = 64
	slotBits      = 12 // of a place: the number of the slot in its page

	// full is the share, in eighths, up to which the table is filled.
	full = 6
)

// place is where a row lies: the number of its page, plus one, and its slot in it.
type place uint32

func placeOf(page, slot int) place { return place(uint32(page+1)<<slotBits | uint32(slot)) } //nolint:gosec // a Map has fewer pages

func (p place) page() int { return int(p>>slotBits) - 1 }
func (p place) slot() int { return int(p & (1<<slotBits - 1)) }

// home is where a tag's search begins.
func (x *index) home(tag uint32) int { return int(tag) & (len(x.words) - 1) }

// at is the position of a place that is in it.
func (x *index) at(tag uint32, p place) int {
	i := x.home(tag)
	for place(x.words[i]) != p { //nolint:gosec // the lower half
		i = x.next(i)
	}
	return i
}

func (x *index) next(i int) int { return (i + 1) & (len(x.words) - 1) }

// add puts a place in that is not there.
func (x *index) add(tag uint32, p place) {
	if (x.count+1)*8 > len(x.words)*full {
		x.grow()
	}
	x.count++
	x.put(uint64(tag)<<32 | uint64(p))
}

func (x *index) put(word uint64) {
	i := x.home(uint32(word >> 32))
	for x.words[i] != 0 {
		i = x.next(i)
	}
	x.words[i] = word
}

func (x *index) grow() {
	old := x.words
	x.words = make([]uint64, max(minIndexWords, 2*len(old)))
	for _, w := range old {
		if w != 0 {
			x.put(w)
		}
	}
}

// remove empties a position and moves up what had to make way for it.
func (x *index) remove(i int) {
	mask := len(x.words) - 1
	x.count--
	for j := x.next(i); x.words[j] != 0; j = x.next(j) {
		if home := x.home(uint32(x.words[j] >> 32)); (j-home)&mask >= (j-i)&mask { //nolint:gosec // the upper half
			x.words[i], i = x.words[j], j
		}
	}
	x.words[i] = 0
}
