package engine

// placeHints remember where the last look for the next element of a collection ended: rows before that place were removed of late, and
// walking over their tombstones again and again would make queues slower and slower. A hint that is lost costs one long walk.
//
// It belongs to the sequencer's holder.
type placeHints struct {
	places map[uint64][]byte
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
func (h *placeHints) drop(uid uint64) { delete(h.places, uid) }
