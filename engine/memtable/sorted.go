package memtable

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"sort"
)

// sortedEntry is an entry in the order of keys, with the key's first bytes at hand.
type sortedEntry struct {
	hi, lo uint64
	entry  *entry
}

// inOrder returns the entries in the order of their keys. It must be sealed.
func (h *hashed) inOrder() []sortedEntry {
	if !h.sealed {
		panic("BUG: a table that is written was iterated over without being put in order")
	}
	h.sorting.Do(func() {
		h.sorted = make([]sortedEntry, 0, h.used-len(h.free))
		for n := range h.used {
			if e := h.entry(uint32(n)); e.row.kind != none || e.older != nil { //nolint:gosec // memory ends before
				h.sorted = append(h.sorted, sortedEntry{e.row.hi, e.row.lo, e})
			}
		}
		h.sorted = sortEntries(h.sorted)
	})
	return h.sorted
}

// compare orders entries by key.
func (a *sortedEntry) compare(b *sortedEntry) int {
	switch {
	case a.hi != b.hi:
		return cmp.Compare(a.hi, b.hi)
	case a.lo != b.lo:
		return cmp.Compare(a.lo, b.lo)
	}
	return bytes.Compare(a.entry.row.Key(), b.entry.row.Key())
}

const (
	// maxDigitBits bounds the number of buckets that sortEntries makes.
	maxDigitBits = 16

	// entriesPerBucket is about how many entries fall into a bucket, as a power of two, if their keys are hashes.
	entriesPerBucket = 3
)

// sortEntries puts entries in order, and returns them in new memory or in theirs. Keys are hashes behind a few bytes that many share: their
// first bits that differ at all put them where they belong but for a few places, in two passes. Where keys are different, the buckets are
// too large, and their sorting does most of the work.
func sortEntries(entries []sortedEntry) []sortedEntry {
	width := bits.Len(uint(len(entries))) - entriesPerBucket
	if width < 1 {
		slices.SortFunc(entries, func(a, b sortedEntry) int { return a.compare(&b) })
		return entries
	}
	width = min(width, maxDigitBits)
	var orHi, orLo uint64 // where entries differ
	for i := range entries {
		orHi |= entries[i].hi ^ entries[0].hi
		orLo |= entries[i].lo ^ entries[0].lo
	}
	skip := bits.LeadingZeros64(orHi)
	if skip == 64 {
		skip += bits.LeadingZeros64(orLo)
	}
	digit := func(e *sortedEntry) int {
		if skip >= 64 {
			return int(e.lo << (skip - 64) >> (64 - width)) //nolint:gosec // at most maxDigitBits
		}
		return int((e.hi<<skip | e.lo>>(64-skip)) >> (64 - width)) //nolint:gosec // the same
	}
	ends := make([]uint32, 1<<width+1) // of the buckets, once they are filled
	for i := range entries {
		ends[digit(&entries[i])+1]++
	}
	for d := 1; d < len(ends); d++ {
		ends[d] += ends[d-1]
	}
	sorted := make([]sortedEntry, len(entries))
	for i := range entries {
		d := digit(&entries[i])
		sorted[ends[d]] = entries[i]
		ends[d]++
	}
	from := uint32(0)
	for _, to := range ends[:1<<width] {
		if to > from+1 {
			slices.SortFunc(sorted[from:to], func(a, b sortedEntry) int { return a.compare(&b) })
		}
		from = to
	}
	return sorted
}

// sortedIter walks the rows that an epoch shows, in order.
type sortedIter struct {
	entries []sortedEntry
	epoch   uint64
	at      int
	row     *Row // that it stands at
}

func (h *hashed) iter(epoch uint64) sortedIter { return sortedIter{entries: h.inOrder(), epoch: epoch} }

// search returns the place of the first key that is not below key.
func (i *sortedIter) search(key []byte) int {
	look := NewRow(key, len(key))
	return sort.Search(len(i.entries), func(n int) bool {
		e := &i.entries[n]
		switch {
		case e.hi != look.hi:
			return e.hi > look.hi
		case e.lo != look.lo:
			return e.lo > look.lo
		}
		return bytes.Compare(e.entry.row.Key(), key) >= 0
	})
}

// forward goes to the first row from a place on.
func (i *sortedIter) forward(at int) bool {
	for i.at = at; i.at < len(i.entries); i.at++ {
		if i.row = i.entries[i.at].entry.at(i.epoch); i.row != nil {
			return true
		}
	}
	return false
}

// back goes to the last row up to a place.
func (i *sortedIter) back(at int) bool {
	for i.at = at; i.at >= 0; i.at-- {
		if i.row = i.entries[i.at].entry.at(i.epoch); i.row != nil {
			return true
		}
	}
	return false
}

func (i *sortedIter) seekGE(key []byte) bool { return i.forward(i.search(key)) }
func (i *sortedIter) seekLT(key []byte) bool { return i.back(i.search(key) - 1) }
func (i *sortedIter) first() bool            { return i.forward(0) }
func (i *sortedIter) last() bool             { return i.back(len(i.entries) - 1) }
func (i *sortedIter) next() bool             { return i.forward(i.at + 1) }
func (i *sortedIter) prev() bool             { return i.back(i.at - 1) }
func (i *sortedIter) item() Row              { return *i.row }
func (i *sortedIter) release()               {}
