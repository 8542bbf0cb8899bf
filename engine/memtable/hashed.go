package memtable

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// hashed holds rows in no order: an index by the keys' hashes, open addressing with the next place if one is taken, leads to entries, which
// stay where they are. The hash is seeded: nobody who chooses keys can choose their places.
//
// Views share it. Each write bears the epoch it was made in, and each view ends an epoch: a view shows of each key the last version that is
// not younger than it. Older versions are kept only where a view that somebody holds may show them.
type hashed struct {
	index  []uint64 // hash << 32 | number of an entry + 1; 0: empty
	room   int      // words that the index begins with
	chunks []*[chunkEntries]entry
	used   int      // entries that were ever given out
	free   []uint32 // of those, the ones to be given out again
	rows   int      // keys that have a row
	bytes  int64    // of rows and older versions

	epoch uint64       // of what is written now
	views atomic.Int64 // holders of views

	sealed  bool // it is not written any more
	sorting sync.Once
	sorted  []sortedEntry // once it was asked for
}

// entry is the last version of a key's row. One with no row and no older version is free.
type entry struct {
	row   Row
	epoch uint64
	older *entry
}

const (
	chunkEntries = 512 // 32 KiB
	minIndex     = 64
	versionBytes = 64 // what an older version costs beside its row

	// fullIndex is the share, in eighths, up to which the index is filled.
	fullIndex = 5
)

var seed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(seed, key) >> 32) } //nolint:gosec // half of it does

// newHashed makes one whose index has room for some rows from the beginning.
func newHashed(rows int) *hashed {
	room := minIndex
	if rows > 0 {
		room = max(room, 1<<bits.Len(uint(rows*8/fullIndex))) //nolint:gosec // positive
	}
	return &hashed{room: room, epoch: 1}
}

// view ends an epoch, and returns it. The caller holds a view of it from now on.
func (h *hashed) view() (epoch uint64) {
	h.views.Add(1)
	h.epoch++
	return h.epoch - 1
}

// get returns a key's row as an epoch shows it.
func (h *hashed) get(key []byte, epoch uint64) (row Row, found bool) {
	look := NewRow(key, len(key))
	_, e := h.find(hashOf(key), &look)
	if e == nil {
		return Row{}, false
	}
	if shown := e.at(epoch); shown != nil {
		return *shown, true
	}
	return Row{}, false
}

// at returns what an epoch shows of a key; nil: nothing.
func (e *entry) at(epoch uint64) *Row {
	for ; e != nil; e = e.older {
		if e.epoch <= epoch {
			if e.row.kind == none {
				return nil
			}
			return &e.row
		}
	}
	return nil
}

// put writes a row.
func (h *hashed) put(row Row) {
	hash := hashOf(row.Key())
	at, e := h.find(hash, &row)
	if e == nil {
		h.add(hash, row)
		return
	}
	if e.row.kind != none {
		row = e.row.over(row)
		h.rows--
	}
	shown := h.views.Load() > 0
	if !shown {
		h.forgetOlder(e)
	}
	if shown && e.epoch < h.epoch {
		e.older = &entry{row: e.row, epoch: e.epoch, older: e.older}
		h.bytes += versionBytes
	} else {
		h.bytes -= e.row.size()
	}
	if row.kind == none && e.older == nil {
		h.remove(at)
		return
	}
	if row.kind != none {
		h.rows++
	}
	e.row, e.epoch = row, h.epoch
	h.bytes += row.size()
}

// forgetOlder drops a key's older versions.
func (h *hashed) forgetOlder(e *entry) {
	for v := e.older; v != nil; v = v.older {
		h.bytes -= v.row.size() + versionBytes
	}
	e.older = nil
}

func (h *hashed) entry(n uint32) *entry { return &h.chunks[n/chunkEntries][n%chunkEntries] }

// find returns a key's place in the index and its entry; nil: there is none.
func (h *hashed) find(hash uint32, row *Row) (at int, e *entry) {
	if len(h.index) == 0 {
		return 0, nil
	}
	mask := len(h.index) - 1
	for i := int(hash) & mask; h.index[i] != 0; i = (i + 1) & mask {
		if w := h.index[i]; uint32(w>>32) == hash {
			if e := h.entry(uint32(w) - 1); e.row.same(row) { //nolint:gosec // the lower half
				return i, e
			}
		}
	}
	return 0, nil
}

// add gives a key that has none an entry.
func (h *hashed) add(hash uint32, row Row) {
	if (h.used-len(h.free)+1)*8 > len(h.index)*fullIndex {
		h.grow()
	}
	var n uint32
	if last := len(h.free) - 1; last >= 0 {
		n = h.free[last]
		h.free = h.free[:last]
	} else {
		if h.used == len(h.chunks)*chunkEntries {
			h.chunks = append(h.chunks, new([chunkEntries]entry))
		}
		n = uint32(h.used) //nolint:gosec // memory ends before
		h.used++
	}
	e := h.entry(n)
	e.row, e.epoch = row, h.epoch
	h.place(uint64(hash)<<32 | uint64(n+1))
	h.rows++
	h.bytes += row.size()
}

// place puts a word into the index.
func (h *hashed) place(word uint64) {
	mask := len(h.index) - 1
	i := int(word>>32) & mask //nolint:gosec // 32 bits
	for h.index[i] != 0 {
		i = (i + 1) & mask
	}
	h.index[i] = word
}

func (h *hashed) grow() {
	old := h.index
	h.index = make([]uint64, max(h.room, 2*len(old)))
	for _, w := range old {
		if w != 0 {
			h.place(w)
		}
	}
}

// remove frees the entry at a place of the index, and moves up what had to make way for it there.
func (h *hashed) remove(at int) {
	n := uint32(h.index[at]) - 1 //nolint:gosec // the lower half
	*h.entry(n) = entry{}
	h.free = append(h.free, n)
	mask := len(h.index) - 1
	for i := (at + 1) & mask; h.index[i] != 0; i = (i + 1) & mask {
		if home := int(h.index[i]>>32) & mask; (i-home)&mask >= (i-at)&mask { //nolint:gosec // 32 bits
			h.index[at], at = h.index[i], i
		}
	}
	h.index[at] = 0
}
