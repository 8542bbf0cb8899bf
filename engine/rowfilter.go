package engine

import (
	"errors"
	"sync/atomic"

	"replogd/engine/keys"
)

const (
	// filterBitsPerRow is how many bits a row has at least: with 8 of them set about 3 % of absent rows are taken for present ones, and
	// looked for in vain. A filter that gets fuller is given up.
	filterBitsPerRow = 8

	filterBlockWords = 8 // of 64 bits: a block is one cache line
)

// rowFilter knows, in memory, which key and field rows there may be: a Bloom filter of cache-line blocks. A write of a new key, a new
// member of a set or a read of nothing ends here instead of in the memtables and in the blocks of each level of the store: that is
// 0.1 us against 4.
type rowFilter struct {
	blocks []filterBlock
	rows   atomic.Int64 // added, but for those that were, or seemed to be, in it
	over   atomic.Bool  // it is too full, for good
}

type filterBlock [filterBlockWords]atomic.Uint64

func newRowFilter(bytes int64) *rowFilter {
	return &rowFilter{blocks: make([]filterBlock, bytes/(filterBlockWords*8)+1)}
}

// filteredTag says whether the filter knows the rows of a table.
func filteredTag(tag byte) bool { return tag == keys.TagKey || tag == keys.TagField }

// hashFactor spreads a hash over its upper bits: 2^64 by the golden ratio.
const hashFactor = 0x9E3779B97F4A7C15

// place finds a row's block, and the hash whose upper bits choose the bit in the block's first word. The hash of a key row begins with its
// slot, which is why it is spread first.
func (f *rowFilter) place(row []byte) (*filterBlock, uint64) {
	h := keys.HashOf(row) * hashFactor
	at := (h >> 32) * uint64(len(f.blocks)) >> 32
	return &f.blocks[at], h * hashFactor
}

// add notes a row of a table that the filter knows.
func (f *rowFilter) add(row []byte) {
	if f.over.Load() {
		return
	}
	block, h := f.place(row)
	fresh := false
	for i := range block {
		bit := uint64(1) << (h >> 58)
		if block[i].Load()&bit == 0 {
			block[i].Or(bit)
			fresh = true
		}
		h *= hashFactor
	}
	if fresh && f.rows.Add(1)*filterBitsPerRow > int64(len(f.blocks))*filterBlockWords*64 {
		f.over.Store(true)
	}
}

// lacks says for certain that the row was never added.
func (f *rowFilter) lacks(row []byte) bool {
	if f.over.Load() {
		return false
	}
	block, h := f.place(row)
	for i := range block {
		if block[i].Load()&(1<<(h>>58)) == 0 {
			return true
		}
		h *= hashFactor
	}
	return false
}

// rowFilters are a dataset's filter and the one that is to follow it.
//
// The one in use never denies a row that is there. A commit adds its rows, with the memtable's lock held and before anybody can see them; what was
// there before comes by a scan of the keyspace, in the background, and until that is through the filter is not used. Removed rows stay in
// it: when they have filled it, a scan fills another one.
type rowFilters struct {
	bytes int64 // of one filter; at most 0: there is none
	use   atomic.Pointer[rowFilter]
	next  atomic.Pointer[rowFilter] // being filled
	full  chan struct{}             // kick: the one in use is too full
}

func (f *rowFilters) init(bytes int64) {
	f.bytes = bytes
	f.full = make(chan struct{}, 1)
}

// add notes a row of a commit.
func (f *rowFilters) add(row []byte) {
	if !filteredTag(row[0]) {
		return
	}
	if use := f.use.Load(); use != nil {
		if use.add(row); use.over.Load() {
			kick(f.full)
		}
	}
	if next := f.next.Load(); next != nil {
		next.add(row)
	}
}

// lacks says that there is no such row for certain.
func (f *rowFilters) lacks(row []byte) bool {
	use := f.use.Load()
	return use != nil && filteredTag(row[0]) && use.lacks(row)
}

// known is how many rows the filter in use holds, 0 if there is none.
func (f *rowFilters) known() int64 {
	use := f.use.Load()
	if use == nil || use.over.Load() {
		return 0
	}
	return use.rows.Load()
}

// keepFilter fills the dataset's filter, and another one whenever that is too full, until the dataset is given up or has too many
// rows for any.
func (ds *dataset) keepFilter() error {
	f := &ds.filters
	for warm := ds.cache.region != nil; f.bytes > 0 && ds.db.Metrics().Total().TablesSize <= surveyBytes; warm = false {
		next := newRowFilter(f.bytes)
		f.next.Store(next) // before the survey: what is committed from now on adds itself
		err := (&survey{ds: ds, filter: next, warm: warm}).run()
		if err == nil && !next.over.Load() {
			f.use.Store(next)
		}
		f.next.Store(nil)
		if errors.Is(err, errFilterFull) || next.over.Load() {
			return nil
		}
		if err != nil {
			return err
		}
		for !f.use.Load().over.Load() { // a kick may be of the filter before
			select {
			case <-f.full:
			case <-ds.ctx.Done():
				return nil
			}
		}
	}
	return nil
}
