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
// three times over, one after the other: for the index, the page, the slot. Several rows are waited for together here, and the look-ups
// behind find all of them close by.
type toucher struct {
	hashes []uint64 // of the rows to be touched, at most touchRows
	words  [touchRows]uint64
	row    []byte // the last one
	head   []byte
	sum    byte // what was read: it has to be used
}

// run touches the rows that reqs are going to look at, as far as their keys and arguments tell, and returns how many requests it has seen to:
// at least one. id is the internal number of the database that most are for. The caller holds the sequencer.
func (t *toucher) run(id uint32, ds *dataset, reqs []Request) (n int) {
	t.begin()
	var last []byte
	fields := false
	for ; n < len(reqs) && len(t.hashes) < touchRows; n++ {
		if reqs[n].Cmd == nil {
			continue
		}
		for at, end, step := reqs[n].keyRange(); at < end && len(t.hashes) < touchRows; at += step {
			key := reqs[n].Args[at]
			if bytes.Equal(key, last) {
				continue // many commands for one key are common
			}
			last = key
			t.row = keys.AppendKey(t.row[:0], id, key)
			t.add()
		}
		fields = fields || reqs[n].Cmd.fields.first > 0
	}
	t.touch(ds.cache)
	if fields {
		t.fields(id, ds, reqs[:n])
	}
	return n
}

// fields touches the rows of fields and members that are named in requests whose keys' rows are at hand.
func (t *toucher) fields(id uint32, ds *dataset, reqs []Request) {
	var last []byte
	var uid uint64
	for i := range reqs {
		r := &reqs[i]
		if r.Cmd == nil {
			continue
		}
		at, step := r.Cmd.fields.first, r.Cmd.fields.step
		if at == 0 || at >= len(r.Args) {
			continue
		}
		if key := r.Args[1]; !bytes.Equal(key, last) {
			last = key
			t.row = keys.AppendKey(t.row[:0], id, key)
			uid = t.uid(ds.cache)
		}
		if uid == 0 {
			continue
		}
		for ; at < len(r.Args) && len(t.hashes) < touchRows; at += step {
			t.row = keys.AppendField(t.row[:0], uid, r.Args[at])
			t.add()
		}
	}
	t.touch(ds.cache)
}

// uid returns that of the collection whose key's row is t.row, 0 if the cache does not know it.
func (t *toucher) uid(cache *rowCache) uint64 {
	head, present, _, _ := cache.get(t.head[:0], t.row, false)
	t.head = head
	if !present {
		return 0
	}
	h, err := keys.ParseHead(head)
	if err != nil {
		return 0 // the command will see it too
	}
	return h.UID
}

// begin empties the list of rows.
func (t *toucher) begin() {
	if t.hashes == nil {
		t.hashes = make([]uint64, 0, touchRows)
	}
	t.hashes, t.row, t.head = t.hashes[:0], shrink(t.row), shrink(t.head)
}

// add notes t.row.
func (t *toucher) add() { t.hashes = append(t.hashes, rowmap.Hash(t.row)) }

// touch touches the rows that were noted, and forgets them.
func (t *toucher) touch(cache *rowCache) {
	if len(t.hashes) >= minTouchRows {
		cache.touch(t)
	}
	t.hashes = t.hashes[:0]
}

// touch touches the rows of t.
func (c *rowCache) touch(t *toucher) {
	if c.region == nil {
		return
	}
	var which uint64
	for _, hash := range t.hashes {
		which |= 1 << (hash >> (64 - shardBits))
	}
	// In one order: a reader that waits behind a writer must not hold what another reader waits for.
	for rest := which; rest != 0; rest &= rest - 1 {
		c.shards[bits.TrailingZeros64(rest)].mu.RLock()
	}
	for i, hash := range t.hashes {
		t.words[i] = c.shard(hash).rows.Word(hash)
	}
	for i, hash := range t.hashes {
		t.sum ^= c.shard(hash).rows.Touch(t.words[i])
	}
	for rest := which; rest != 0; rest &= rest - 1 {
		c.shards[bits.TrailingZeros64(rest)].mu.RUnlock()
	}
}
