package engine

import (
	"bytes"
	"math/bits"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

const (
	// touchRows is how many rows are touched at a time. What a processor's first cache holds is several times that.
	touchRows = 32

	// minTouchRows is from how many on it is worth it.
	minTouchRows = 2
)

// toucher fetches rows of the row cache into the processor's caches. The cache is far larger than those, so each look at a row waits for memory
// three times over, one after the other: for the index, the page, the slot. The rows of several keys are waited for together here, and the
// look-ups behind find all of them close by.
type toucher struct {
	hashes [touchRows]uint64
	words  [touchRows]uint64
	row    []byte
	sum    byte // what was read: it has to be used
}

// touch touches the rows of the keys that reqs begin with, and returns how many requests it has seen to: at least one. The caller holds the
// sequencer.
func (t *toucher) touch(s *Session, ds *dataset, reqs []Request) (n int) {
	count := 0
	id := (*ds.dbIDs.Load())[s.DB]
	var last []byte
	t.row = shrink(t.row)
	for n < len(reqs) && count < touchRows {
		first, end, step := reqs[n].keyRange()
		for at := first; at < end && count < touchRows; at += step {
			key := reqs[n].Args[at]
			if bytes.Equal(key, last) {
				continue // many commands for one key are common
			}
			last = key
			t.row = keys.AppendKey(t.row[:0], id, key)
			t.hashes[count] = rowmap.Hash(t.row)
			count++
		}
		n++
	}
	if count >= minTouchRows {
		ds.cache.touch(t, count)
	}
	return n
}

// touch touches the first rows of t.
func (c *rowCache) touch(t *toucher, rows int) {
	if c.region == nil {
		return
	}
	var which uint64
	for _, hash := range t.hashes[:rows] {
		which |= 1 << (hash >> (64 - shardBits))
	}
	// In one order: a reader that waits behind a writer must not hold what another reader waits for.
	for rest := which; rest != 0; rest &= rest - 1 {
		c.shards[bits.TrailingZeros64(rest)].mu.RLock()
	}
	for i, hash := range t.hashes[:rows] {
		t.words[i] = c.shard(hash).rows.Word(hash)
	}
	for i, hash := range t.hashes[:rows] {
		t.sum ^= c.shard(hash).rows.Touch(t.words[i])
	}
	for rest := which; rest != 0; rest &= rest - 1 {
		c.shards[bits.TrailingZeros64(rest)].mu.RUnlock()
	}
}
