package engine

import (
	"sync"

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
// and costs the collector nothing; what was put in first goes first.
//
// It is coherent with the committed keyspace. A commit writes its rows to the cache with the memtable's lock held (memory.apply), behind
// their place in the memtable: until it is done nobody can take a view or read past the cache, and whoever finds the row here finds one
// value before and the other after. A reader that fetched a row past the cache may put it in only if no row of the shard was written
// since before it looked here (fill): what it fetched is then what the keyspace holds.
type rowCache struct {
	region *rowmap.Region // nil: the cache is off
	shards [cacheShards]cacheShard
}

// cacheShard maps rows to values.
type cacheShard struct {
	mu      sync.RWMutex
	rows    *rowmap.Map
	version uint64   // grows with every write: an older fill is refused
	_       [24]byte // neighbours are locked by others: a cache line for each
}

func newRowCache(bytes int64) (*rowCache, error) {
	c := &rowCache{}
	if bytes <= 0 {
		return c, nil
	}
	region, err := rowmap.NewRegion(max(bytes, minCacheBytes) / 8 * pagesShare)
	if err != nil {
		return nil, err
	}
	c.region = region
	for i := range c.shards {
		c.shards[i].rows = rowmap.New(region, region.Pages()/cacheShards)
	}
	return c, nil
}

// close gives the memory back; nobody may use the cache any more.
func (c *rowCache) close() error {
	if c.region == nil {
		return nil
	}
	return c.region.Close()
}

func (c *rowCache) shard(hash uint64) *cacheShard { return &c.shards[hash>>(64-shardBits)] }

// get appends the row's value to dst if the cache knows it, and says whether there is such a row. If it does not know, version is what
// fill wants.
func (c *rowCache) get(dst, row []byte) (out []byte, present, known bool, version uint64) {
	if c.region == nil {
		return dst, false, false, 0
	}
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	out, present, known = s.rows.Get(dst, hash, row)
	return out, present, known, s.version
}

// lacks says whether a look at the row would go past the cache, and the version to pass to fill.
func (c *rowCache) lacks(row []byte) (yes bool, version uint64) {
	hash := rowmap.Hash(row)
	s := c.shard(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.rows.Has(hash, row), s.version
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
		s.rows.Set(hash, row, value, present)
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
	s.rows.Set(hash, row, value, present)
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
	if !s.rows.HasRoom() {
		return false
	}
	if !s.rows.Has(hash, row) {
		s.rows.Set(hash, row, value, true)
	}
	return true
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
