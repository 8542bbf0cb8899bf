package rowmap

import (
	"bytes"

	"replogd/engine/keys"
)

// Map is one shard of a cache.
type Map struct {
	region *Region
	share  int // pages that it may have
	pages  []page
	oldest int // the page that is emptied next, once all are taken
	index  index
	room   [][]int // by class: pages that may have a free slot
	gone   Gone
}

// Gone is told of a row, and of what was known of it, when a Map forgets it to make room for others. The slices are valid during the call, in which
// the Map must not be used.
type Gone func(row, value []byte, present bool)

// New makes a map that takes at most share pages of a region, at least one.
func New(region *Region, share int, gone Gone) *Map {
	return &Map{region: region, share: max(share, 1), room: make([][]int, len(sizes)), gone: gone}
}

// spread mixes a row's hash: of a key row it begins with the key's slot.
const spread = 0x9E3779B97F4A7C15

// Hash is what the other methods want of a row, and whose upper bits choose a shard.
func Hash(row []byte) uint64 { return keys.HashOf(row) * spread }

// tagOf leaves the upper bits to the choice of a shard.
func tagOf(hash uint64) uint32 { return uint32(hash >> 20) } //nolint:gosec // some of its bits

// Len is the number of rows.
func (m *Map) Len() int { return m.index.count }

// IndexBytes is what the map holds of Go's memory.
func (m *Map) IndexBytes() int64 { return int64(len(m.index.words)) * 8 }

// find returns a row's position in the index and its slot; -1: it is not here.
func (m *Map) find(hash uint64, row []byte) (at int, slot []byte) {
	if m.index.count == 0 {
		return -1, nil
	}
	tag := tagOf(hash)
	for i := m.index.home(tag); m.index.words[i] != 0; i = m.index.next(i) {
		w := m.index.words[i]
		if uint32(w>>32) != tag { //nolint:gosec // the upper half
			continue
		}
		where := place(w) //nolint:gosec // the lower half
		slot = m.pages[where.page()].slot(where.slot())
		if bytes.Equal(rowIn(slot), row) {
			return i, slot
		}
	}
	return -1, nil
}

// Get appends a row's value to dst, if the row is here; present says whether it exists at all.
func (m *Map) Get(dst []byte, hash uint64, row []byte) (out []byte, present, found bool) {
	at, slot := m.find(hash, row)
	if at < 0 {
		return dst, false, false
	}
	value, present := valueIn(slot)
	return append(dst, value...), present, true
}

// Word and Touch bring a row close to the processor, for a look at it soon. Of several rows they wait for memory together, if Word is called for
// all of them first. Word reads where the index leads to.
func (m *Map) Word(hash uint64) uint64 {
	if m.index.count == 0 {
		return 0
	}
	return m.index.words[m.index.home(tagOf(hash))]
}

// Touch reads a little of the slot that a Word leads to, for the caller to do something with.
func (m *Map) Touch(word uint64) (read byte) {
	if word == 0 {
		return 0
	}
	where := place(word) //nolint:gosec // the lower half
	slot := m.pages[where.page()].slot(where.slot())
	for at := 0; at < len(slot) && at < touchBytes; at += cacheLine {
		read ^= slot[at]
	}
	return read
}

const (
	cacheLine  = 64
	touchBytes = 4 * cacheLine // what lies behind is read in order, and comes by itself
)

// Has says whether a row is here.
func (m *Map) Has(hash uint64, row []byte) bool {
	at, _ := m.find(hash, row)
	return at >= 0
}

// HasRoom says whether a row can be put in without another one having to go for it.
func (m *Map) HasRoom() bool { return len(m.pages) < m.share }

// Set puts in what is known of a row, over what is here of it: its value, or that it does not exist (present is false, and value empty). Both
// slices are copied. kept is false for a row that is empty, or too large with its value: nothing of it is here then.
func (m *Map) Set(hash uint64, row, value []byte, present bool) (kept bool) {
	if len(row) == 0 || len(row)+len(value) > MaxBytes {
		m.Delete(hash, row)
		return false
	}
	class := classOf(len(row) + len(value))
	if at, slot := m.find(hash, row); at >= 0 {
		if m.pages[place(m.index.words[at]).page()].class == class { //nolint:gosec // the lower half
			fill(slot, row, value, present)
			return true
		}
		m.drop(at)
	}
	page, n, ok := m.slotOf(class)
	if !ok {
		return false
	}
	fill(m.pages[page].slot(n), row, value, present)
	m.index.add(tagOf(hash), placeOf(page, n))
	return true
}

// Delete forgets a row.
func (m *Map) Delete(hash uint64, row []byte) {
	if at, _ := m.find(hash, row); at >= 0 {
		m.drop(at)
	}
}

// drop takes the row at a position of the index out.
func (m *Map) drop(at int) {
	where := place(m.index.words[at]) //nolint:gosec // the lower half
	m.index.remove(at)
	m.pages[where.page()].takeBack(where.slot())
	m.list(where.page())
}

// list notes that a page has room.
func (m *Map) list(n int) {
	if p := &m.pages[n]; !p.listed {
		p.listed = true
		m.room[p.class] = append(m.room[p.class], n)
	}
}

// slotOf finds a free slot: in a page of the class, in a new one, or in the oldest, which is emptied. false: the region has no page for this map.
func (m *Map) slotOf(class int) (page, slot int, ok bool) {
	for len(m.room[class]) > 0 {
		last := len(m.room[class]) - 1
		page = m.room[class][last]
		if slot, ok = m.pages[page].give(); ok {
			return page, slot, true
		}
		m.pages[page].listed = false
		m.room[class] = m.room[class][:last]
	}
	if page, ok = m.freshPage(class); !ok {
		return 0, 0, false
	}
	m.list(page)
	slot, ok = m.pages[page].give()
	return page, slot, ok
}

func (m *Map) freshPage(class int) (n int, ok bool) {
	if len(m.pages) < m.share {
		if memory := m.region.take(); memory != nil {
			m.pages = append(m.pages, page{memory: memory, class: class})
			return len(m.pages) - 1, true
		}
	}
	if len(m.pages) == 0 {
		return 0, false
	}
	n = m.oldest
	m.oldest = (m.oldest + 1) % len(m.pages)
	m.empty(n)
	m.pages[n].class = class
	return n, true
}

// empty forgets all rows of a page.
func (m *Map) empty(n int) {
	p := &m.pages[n]
	for s := range p.used {
		slot := p.slot(s)
		row := rowIn(slot)
		if row == nil {
			continue
		}
		m.index.remove(m.index.at(tagOf(Hash(row)), placeOf(n, s)))
		if m.gone != nil {
			value, present := valueIn(slot)
			m.gone(row, value, present)
		}
	}
	if p.listed {
		m.unlist(n)
	}
	p.used, p.free = 0, 0
}

// unlist takes a page that changes its class out of the list of the old one.
func (m *Map) unlist(n int) {
	list := m.room[m.pages[n].class]
	for i, have := range list {
		if have == n {
			m.room[m.pages[n].class] = append(list[:i], list[i+1:]...)
			break
		}
	}
	m.pages[n].listed = false
}
