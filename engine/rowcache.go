package engine

import (
	"sync"

	"replogd/engine/keys"
)

const (
	cacheShards = 64 // power of two

	// cacheEntryOverhead is what an entry costs beyond its row and value: map slot, headers, the entry itself.
	cacheEntryOverhead = 120

	// cacheEvictTries is how many entries an eviction looks at before it takes one that was used of late.
	cacheEvictTries = 8
)

// rowCache keeps decoded-ready key rows in memory, absent ones too, in front of memtables and files.
//
// It is coherent with the committed keyspace. A commit writes its rows to the cache with the memtable's lock held (memory.apply), behind
// their place in the memtable: until it is done nobody can take a view or read past the cache, and whoever finds the row here finds one
// value before and the other after. A reader that fetched a row past the cache may put it in only if no row of the shard was written
// since it looked here (fill): what it fetched is then what the keyspace holds.
type rowCache struct {
	shards   [cacheShards]cacheShard
	capacity int64 // bytes per shard; 0: the cache is off
}

type cacheShard struct {
	mu struct {
		sync.Mutex
		rows    map[string]*cacheEntry
		bytes   int64
		version uint64 // grows with every write: an older fill is refused
	}
}

type cacheEntry struct {
	value   []byte // never changed in place: readers keep it without the lock
	present bool   // false: the row does not exist
	used    bool   // second chance
}

func newRowCache(bytes int64) *rowCache {
	c := &rowCache{}
	if bytes > 0 {
		c.capacity = bytes / cacheShards
	}
	for i := range c.shards {
		c.shards[i].mu.rows = make(map[string]*cacheEntry)
	}
	return c
}

func (c *rowCache) shard(row []byte) *cacheShard {
	return &c.shards[keys.HashOf(row)&(cacheShards-1)]
}

// get returns the row's value if the cache knows it (known), and else the version to pass to fill.
func (c *rowCache) get(row []byte) (value []byte, present, known bool, version uint64) {
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.rows[string(row)]; e != nil {
		e.used = true
		return e.value, e.present, true, 0
	}
	return nil, false, false, s.mu.version
}

// fill puts in what Pebble answered, unless a write came in between. value is kept.
func (c *rowCache) fill(row, value []byte, present bool, version uint64) {
	if c.capacity == 0 || len(value) > maxCachedRow {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.version == version {
		s.storeLocked(row, value, present, c.capacity)
	}
}

// write stores a row of a commit; the caller holds the memtable's lock. value is kept.
func (c *rowCache) write(row, value []byte, present bool) {
	if c.capacity == 0 {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.version++
	if len(value) > maxCachedRow {
		s.removeLocked(row)
		return
	}
	s.storeLocked(row, value, present, c.capacity)
}

func (s *cacheShard) removeLocked(row []byte) {
	if e := s.mu.rows[string(row)]; e != nil {
		s.mu.bytes -= entrySize(len(row), e)
		delete(s.mu.rows, string(row))
	}
}

func (s *cacheShard) storeLocked(row, value []byte, present bool, capacity int64) {
	e := s.mu.rows[string(row)]
	if e == nil {
		e = &cacheEntry{}
		s.mu.rows[string(row)] = e
	} else {
		s.mu.bytes -= entrySize(len(row), e)
	}
	e.value, e.present = value, present
	s.mu.bytes += entrySize(len(row), e)
	for s.mu.bytes > capacity && len(s.mu.rows) > 1 {
		s.evictLocked(e)
	}
}

// evictLocked removes one entry other than keep: the first of a few random ones that was not used since last looked at.
func (s *cacheShard) evictLocked(keep *cacheEntry) {
	tries := 0
	for row, e := range s.mu.rows { // random order
		if e == keep {
			continue
		}
		tries++
		if e.used && tries < cacheEvictTries {
			e.used = false
			continue
		}
		s.mu.bytes -= entrySize(len(row), e)
		delete(s.mu.rows, row)
		return
	}
}

func entrySize(rowLen int, e *cacheEntry) int64 {
	return int64(rowLen) + int64(cap(e.value)) + cacheEntryOverhead
}

// bytes returns what the cache holds.
func (c *rowCache) bytes() (total int64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		total += s.mu.bytes
		s.mu.Unlock()
	}
	return total
}
