package engine

import (
	"bytes"
	"errors"
	"sync"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

const (
	cacheShards = 64 // power of two
	shardBits   = 6

	// minCacheBytes is the least that the cache takes: less would be a handful of pages for each shard.
	minCacheBytes = 32 << 20

	// pagesShare is the share, in eighths, of its size that the cache gives to rows; the rest is for finding them.
	pagesShare = 7
)

// rowCache keeps rows of keys and fields in memory, absent ones too, in front of memtables and files. Its memory is bounded, lies outside Go's heap
// and costs the collector nothing; what was put in first goes first. Of rows that it had to give up it remembers that they are there, in less
// memory (rowmap.Ghosts): that is all that a write over them has to know.
//
// It is coherent with the committed keyspace. A commit writes its rows to the cache with the memtable's lock held (memory.apply), behind
// their place in the memtable: until it is done nobody can take a view or read past the cache, and whoever finds the row here finds one
// value before and the other after. A reader that fetched a row past the cache may put it in only if no row of the shard was written
// since before it looked here (fill): what it fetched is then what the keyspace holds.
//
// A row is in rows as it was written last, or it is not in rows, and then what ghosts say of it is so: that is settled whenever a row leaves
// rows, or is too large to come in. As long as it is in rows, ghosts may be out of date.
type rowCache struct {
	region *rowmap.Region // nil: the cache is off
	ghosts *rowmap.GhostMemory
	shards [cacheShards]cacheShard
}

// cacheShard maps rows to values.
type cacheShard struct {
	mu      sync.RWMutex
	rows    *rowmap.Map
	ghosts  *rowmap.Ghosts // rows that are there, and of those of keys only such as isGhost
	version uint64         // grows with every write: an older fill is refused
	_       [16]byte       // neighbours are locked by others: a cache line for each
}

func newRowCache(bytes, ghostBytes int64) (*rowCache, error) {
	c := &rowCache{}
	if bytes <= 0 {
		return c, nil
	}
	region, err := rowmap.NewRegion(max(bytes, minCacheBytes) / 8 * pagesShare)
	if err != nil {
		return nil, err
	}
	c.region = region
	if c.ghosts, err = rowmap.NewGhostMemory(max(ghostBytes, 0)); err != nil {
		return nil, errors.Join(err, region.Close())
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.ghosts = c.ghosts.Part(i, cacheShards)
		s.rows = rowmap.New(region, region.Pages()/cacheShards, s.gone)
	}
	return c, nil
}

// plainHead is the head of a string without an expiry, and without its value.
var plainHead = keys.AppendHead(nil, keys.Head{})

// isGhost says whether a row is remembered when it goes: that of a field or member, or of a key that is a string without an expiry.
func isGhost(row, value []byte, present bool) bool {
	return present && (row[0] != keys.TagKey || bytes.HasPrefix(value, plainHead))
}

// gone settles what ghosts say of a row that rows do not hold.
func (s *cacheShard) gone(row, value []byte, present bool) {
	if isGhost(row, value, present) {
		s.ghosts.Add(row, true)
	} else {
		s.ghosts.Remove(row)
	}
}

// set puts in what is known of a row, into rows if it can.
func (s *cacheShard) set(hash uint64, row, value []byte, present bool) {
	if !s.rows.Set(hash, row, value, present) {
		s.gone(row, value, present)
	}
}

// close gives the memory back; nobody may use the cache any more.
func (c *rowCache) close() error {
	if c.region == nil {
		return nil
	}
	return errors.Join(c.region.Close(), c.ghosts.Close())
}

func (c *rowCache) shard(hash uint64) *cacheShard { return &c.shards[hash>>(64-shardBits)] }

// get appends the row's value to dst if the cache knows it, and says whether there is such a row. If it does not know, version is what
// fill wants. With bare set, it is enough to know that there is a field or member, or a string without an expiry: its value may be missing.
func (c *rowCache) get(dst, row []byte, bare bool) (out []byte, present, known bool, version uint64) {
	if c.region == nil {
		return dst, false, false, 0
	}
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	out, present, known = s.rows.Get(dst, hash, row)
	if !known && bare && s.ghosts.Has(row) {
		present, known = true, true
		if row[0] == keys.TagKey {
			out = append(dst, plainHead...)
		}
	}
	return out, present, known, s.version
}

// lacks says whether a look at the row would go past the cache, and the version to pass to fill. bare is that of get.
func (c *rowCache) lacks(row []byte, bare bool) (yes bool, version uint64) {
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.rows.Has(hash, row) && !(bare && s.ghosts.Has(row)), s.version
}

// fill puts in what the keyspace answered, unless a write came in between. value is copied.
func (c *rowCache) fill(row, value []byte, present bool, version uint64) {
	if c.region == nil {
		return
	}
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == version {
		s.set(hash, row, value, present)
	}
}

// write stores a row of a commit; the caller holds the memtable's lock. value is copied.
func (c *rowCache) write(row, value []byte, present bool) {
	if c.region == nil {
		return
	}
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.set(hash, row, value, present)
}

// offer puts in a row that the keyspace holds, unless it is known, or others would have to go for it; room says whether there was any. The caller sees to it
// that nobody commits meanwhile. Both slices are copied.
func (c *rowCache) offer(row, value []byte) (room bool) {
	if c.region == nil {
		return false
	}
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rows.Has(hash, row):
		return true
	case s.rows.HasRoom():
		s.set(hash, row, value, true)
		return true
	}
	return isGhost(row, value, true) && s.ghosts.Add(row, false)
}

// bytes returns what the cache holds of memory.
func (c *rowCache) bytes() int64 {
	if c.region == nil {
		return 0
	}
	n := c.region.Bytes()
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += s.rows.IndexBytes()
		s.mu.RUnlock()
	}
	return n
}

// remembered is how many ghosts there are; the rows of some may be back in the cache.
func (c *rowCache) remembered() (n int64) {
	for i := range c.shards {
		s := &c.shards[i]
		if s.ghosts == nil {
			break
		}
		s.mu.RLock()
		n += int64(s.ghosts.Len())
		s.mu.RUnlock()
	}
	return n
}
