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

// rowCache keeps decoded-ready key rows in memory, absent ones too, in front of Pebble.
//
// It is coherent with the committed store: a write first marks its rows as being written (begin), so that readers go to Pebble,
// which shows either all of the commit or nothing, and stores the new values after the commit (finish). A reader that fetched a
// row from Pebble may put it in only if no write was at work in the shard when it looked, and none has begun since (fill). So
// whatever the cache returns is what Pebble holds, and two rows of one commit never disagree about it.
type rowCache struct {
	shards   [cacheShards]cacheShard
	capacity int64 // bytes per shard; 0: the cache is off
}

type cacheShard struct {
	mu struct {
		sync.Mutex
		rows    map[string]*cacheEntry
		bytes   int64
		writing int    // rows between begin and finish
		version uint64 // grows with every begin: an older fill is refused
	}
}

type cacheEntry struct {
	value   []byte // never changed in place: readers keep it without the lock
	present bool   // false: the row does not exist
	valid   bool   // false: being written
	used    bool   // second chance
}

func newRowCache(bytes int64) *rowCache {
	c := &rowCache{}
	if bytes > 0 {
		c.capacity = bytes / cacheShards
	}
	for i := range c.shards {
		c.shards[i].mu.rows = make(map[string]*cacheEntry)
		c.shards[i].mu.version = noFill + 1
	}
	return c
}

func (c *rowCache) shard(row []byte) *cacheShard {
	return &c.shards[keys.HashOf(row)&(cacheShards-1)]
}

// noFill is the version of a look that may not be followed by a fill.
const noFill = 0

// get returns the row's value if the cache knows it (known), and else the version to pass to fill.
func (c *rowCache) get(row []byte) (value []byte, present, known bool, version uint64) {
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.mu.rows[string(row)]; e != nil && e.valid {
		e.used = true
		return e.value, e.present, true, 0
	}
	if s.mu.writing > 0 {
		return nil, false, false, noFill
	}
	return nil, false, false, s.mu.version
}

// fill puts in what Pebble answered, unless a write came in between. value is kept.
func (c *rowCache) fill(row, value []byte, present bool, version uint64) {
	if version == noFill || c.capacity == 0 || len(value) > maxCachedRow {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.version == version {
		s.storeLocked(row, value, present, c.capacity)
	}
}

// begin marks a row as being written.
func (c *rowCache) begin(row []byte) {
	if c.capacity == 0 {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.version++
	s.mu.writing++
	if e := s.mu.rows[string(row)]; e != nil {
		e.valid = false
	}
}

// finish stores a row after its commit, once for each begin. value is kept.
func (c *rowCache) finish(row, value []byte, present bool) {
	if c.capacity == 0 {
		return
	}
	s := c.shard(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.writing--
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
	e.value, e.present, e.valid = value, present, true
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
