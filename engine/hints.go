package engine

import "bytes"

// placeHints remember where the last look for the next element of a collection ended: rows before that place were removed of late, and
// walking over their tombstones again and again would make queues slower and slower. A hint that is lost costs one long walk.
//
// It belongs to the sequencer's holder.
type placeHints struct {
	places map[uint64][]byte
	fronts map[uint64]*zsetFront
	ends   map[uint64]*listEnd
	walks  map[uint64]*setWalk
}

// maxPlaceHints is how many collections have one. When there are more, all are forgotten: it is a working set or it is not.
const maxPlaceHints = 4096

// get returns where to look first; ok is false when nothing is known.
func (h *placeHints) get(uid uint64) (row []byte, ok bool) {
	row, ok = h.places[uid]
	return row, ok
}

// put notes that no row of uid before row is left, or is worth looking for. row is kept.
func (h *placeHints) put(uid uint64, row []byte) {
	if h.places == nil || len(h.places) >= maxPlaceHints {
		h.places = make(map[uint64][]byte)
	}
	h.places[uid] = row
}

// drop forgets a collection.
func (h *placeHints) drop(uid uint64) {
	delete(h.places, uid)
	delete(h.fronts, uid)
	delete(h.ends, uid)
	delete(h.walks, uid)
}

const (
	// frontRows is how many members a pop fetches at most beyond those it takes.
	frontRows = 128
	// frontBytes is about how large these may be together: behind it no more are fetched.
	frontBytes = 64 << 10
	// maxFronts is how many sorted sets have a front, how many lists an end and how many sets a walk. When there are more, all are forgotten.
	maxFronts = 256
)

// extraRows is how many members a pop fetches beyond those that it takes: twice as many with each batch that is used up, and none after one that
// had to be given up.
type extraRows int64

func (x *extraRows) usedUp() { *x = min(max(2**x, 1), frontRows) }

func (x *extraRows) givenUp() { *x = 0 }

// zsetFront holds the members of a sorted set that the next pops from its lowest score take: all that it has up to the last one here, in order.
// Pops take them from it; any other change of the set among them empties it.
type zsetFront struct {
	members []scored
	last    []byte // score row of the last one
	touched int    // of members, the ones whose rows have been touched (touch.go)
	extra   extraRows
}

// front returns a sorted set's lowest members, none if nothing is known.
func (h *placeHints) front(uid uint64) *zsetFront { return known(&h.fronts, uid) }

// changed empties the front of a sorted set if the score row, which is written or removed otherwise than by a pop from it, lies within.
func (h *placeHints) changed(uid uint64, row []byte) {
	if f := h.fronts[uid]; f != nil && len(f.members) > 0 && bytes.Compare(row, f.last) <= 0 {
		f.members = nil
		f.extra.givenUp()
	}
}

// setWalk holds the members of a set that the next SPOPs take: all that it has between the last one popped and the last one here, in order.
// SPOP takes them from it; any other change of the set among them empties it.
type setWalk struct {
	members     [][]byte
	first, last []byte // field rows of the first and the last one
	extra       extraRows
}

// walk returns a set's walk, an empty one if nothing is known.
func (h *placeHints) walk(uid uint64) *setWalk { return known(&h.walks, uid) }

// memberChanged empties a set's walk if the field row, which is written or removed otherwise than by SPOP from it, lies within.
func (h *placeHints) memberChanged(uid uint64, row []byte) {
	if w := h.walks[uid]; w != nil && len(w.members) > 0 && bytes.Compare(w.first, row) <= 0 && bytes.Compare(row, w.last) <= 0 {
		w.members = nil
		w.extra.givenUp()
	}
}

// listEnd holds the elements that the next pops from an end of a list take, the next one first. Pops take them from it; any other change of
// the list among them empties it.
type listEnd struct {
	head   bool // it is the head's end
	index  uint64
	values [][]byte // of index and those behind it, away from the end
	extra  extraRows
}

// end returns a list's end, an empty one if nothing is known.
func (h *placeHints) end(uid uint64) *listEnd { return known(&h.ends, uid) }

// known returns what all has of a collection, something empty if it has nothing.
func known[T any](all *map[uint64]*T, uid uint64) *T {
	k := (*all)[uid]
	if k == nil {
		if *all == nil || len(*all) >= maxFronts {
			*all = make(map[uint64]*T)
		}
		k = new(T)
		(*all)[uid] = k
	}
	return k
}

// has says whether an element is among those that the end holds.
func (e *listEnd) has(index uint64) bool {
	if e.head {
		return index-e.index < uint64(len(e.values))
	}
	return e.index-index < uint64(len(e.values))
}

// take removes the value of the next element.
func (e *listEnd) take() []byte {
	value := e.values[0]
	e.values[0], e.values = nil, e.values[1:] // what is taken may be large
	if e.head {
		e.index++
	} else {
		e.index--
	}
	if len(e.values) == 0 {
		e.extra.usedUp()
	}
	return value
}

func (e *listEnd) giveUp() {
	e.values = nil
	e.extra.givenUp()
}

// elementChanged empties a list's end if the element, which is written or removed otherwise than by a pop from it, is among those it holds.
func (h *placeHints) elementChanged(uid, index uint64) {
	if e := h.ends[uid]; e != nil && e.has(index) {
		e.giveUp()
	}
}
