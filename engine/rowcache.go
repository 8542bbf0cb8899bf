package engine

import (
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/fastcache"

	"replogd/engine/keys"
)

const (
	cacheShards = 64 // power of two

	// minCacheBytes is the least that the cache takes: each of the library's 512 parts has a chunk of 64 KiB.
	minCacheBytes = 32 << 20
)

// rowCache keeps key rows in memory, absent ones too, in front of memtables and files. Its memory is bounded, lies outside Go's heap
// and costs the collector nothing; what was put in first goes first.
//
// It is coherent with the committed keyspace. A commit writes its rows to the cache with the memtable's lock held (memory.apply), behind
// their place in the memtable: until it is done nobody can take a view or read past the cache, and whoever finds the row here finds one
// value before and the other after. A reader that fetched a row past the cache may put it in only if no row of the shard was written
// since before it looked here (fill): what it fetched is then what the keyspace holds.
type rowCache struct {
	// rows maps a row to its value; an empty value says that the row does not exist, which no head of a key is. nil: the cache is off.
	rows   *fastcache.Cache
	shards [cacheShards]cacheShard
}

// cacheShard orders fills behind writes; reads of the cache do without it.
type cacheShard struct {
	mu      sync.Mutex    // held while a row of the shard is put in
	version atomic.Uint64 // grows with every write: an older fill is refused
}

func newRowCache(bytes int64) *rowCache {
	c := &rowCache{}
	if bytes > 0 {
		c.rows = fastcache.New(int(max(bytes, minCacheBytes)))
	}
	return c
}

// close gives the memory back; nobody may use the cache any more.
func (c *rowCache) close() {
	if c.rows != nil {
		c.rows.Reset()
	}
}

func (c *rowCache) shard(row []byte) *cacheShard {
	return &c.shards[keys.HashOf(row)&(cacheShards-1)]
}

// get appends the row's value to dst if the cache knows it, and says whether there is such a row. If it does not know, version is what
// fill wants.
func (c *rowCache) get(dst, row []byte) (out []byte, present, known bool, version uint64) {
	if c.rows == nil {
		return dst, false, false, 0
	}
	version = c.shard(row).version.Load() // before the look: a write behind it must be seen by fill
	out, known = c.rows.HasGet(dst, row)
	return out, len(out) > len(dst), known, version
}

// lacks says whether a look at the row would go past the cache, and the version to pass to fill.
func (c *rowCache) lacks(row []byte) (yes bool, version uint64) {
	version = c.shard(row).version.Load()
	return !c.rows.Has(row), version
}

// fill puts in what the keyspace answered, unless a write came in between. value is copied.
func (c *rowCache) fill(row, value []byte, present bool, version uint64) {
	if c.rows == nil || len(value) > maxCachedRow || len(row) > maxCachedRow {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version.Load() == version {
		c.store(row, value, present)
	}
}

// write stores a row of a commit; the caller holds the memtable's lock. value is copied.
func (c *rowCache) write(row, value []byte, present bool) {
	if c.rows == nil {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version.Add(1)
	if len(value) > maxCachedRow || len(row) > maxCachedRow {
		c.rows.Del(row) // what it holds is of the past
		return
	}
	c.store(row, value, present)
}

func (c *rowCache) store(row, value []byte, present bool) {
	if !present {
		value = nil
	}
	c.rows.Set(row, value)
}

// bytes returns what the cache holds of memory.
func (c *rowCache) bytes() int64 {
	if c.rows == nil {
		return 0
	}
	var s fastcache.Stats
	c.rows.UpdateStats(&s)
	return int64(s.BytesSize) //nolint:gosec // bounded by the capacity
}
