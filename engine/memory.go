package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
	"replogd/engine/memtable"
)

// tableLayout has the rows that most commands look for one by one found by hash: they come in no order, and to keep them in one would cost
// more than all the rest of a write.
var tableLayout = memtable.NewLayout(keys.TagKey, keys.TagField)

// maxFrozen is how many full memtables may wait to be drained; with the active one they bound the memory of unfiled rows. Writers
// wait, outside the sequencer, while all of them are full.
const maxFrozen = 3

// memory is the part of a dataset that its files do not hold yet: the active memtable, which commits go to, and full ones that wait
// to be drained (drain.go).
//
// What a reader finds is the first of: active, frozen from the newest to the oldest, files. A drained table leaves the list after
// its rows are in the files, so at any moment each row is in at least one of them.
type memory struct {
	limit int64 // bytes at which the active table is frozen

	mu struct {
		sync.RWMutex // a leaf of the lock order: nothing else is locked under it but the store's own locks
		active       *memtable.Table
		frozen       []*frozenTable  // oldest first
		view         *memtable.Table // of active, as long as that has not changed
		toucher      memtable.Toucher
	}
	drained broadcast // a frozen table was drained, or the dataset is given up
}

// frozenTable is a full memtable and the state behind its last row.
type frozenTable struct {
	table   *memtable.Table
	state   []byte // encoded state row
	end     uint64 // offset of the log that the table and all before it reflect
	nextUID uint64 // collections from here on have no row in it
}

func (m *memory) init(limit int64) {
	m.limit = limit
	m.mu.active = tableLayout.New()
}

// find looks a row up in memory; found is true for a tombstone, whose live is false.
func (m *memory) find(key []byte) (value []byte, live, found bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return findIn(m.mu.active, m.mu.frozen, key)
}

func findIn(active *memtable.Table, frozen []*frozenTable, key []byte) (value []byte, live, found bool) {
	row, found := active.Get(key)
	for i := len(frozen) - 1; i >= 0 && !found; i-- {
		row, found = frozen[i].table.Get(key)
	}
	if !found || row.Deleted() {
		return nil, false, found
	}
	return row.Value(), true, true
}

// apply makes a tx's rows visible, all at once, in the row cache too, together with publish. Only the sequencer's holder calls it. full
// says that the active table should be frozen.
func (m *memory) apply(rows []rowChange, cache *rowCache, filters *rowFilters, publish func()) (full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropViewLocked()
	for i := range rows {
		if i%memtable.TouchRows == 0 {
			m.touchLocked(rows[i:min(i+memtable.TouchRows, len(rows))])
		}
		r := &rows[i]
		if r.fresh && !r.deleted {
			filters.add(r.key()) // before anybody can find it; a row that was there already is in
		}
		if !r.fresh || !r.deleted { // made and removed in this run: nothing anywhere has it
			m.mu.active.Put(r.memRow())
		}
		if cachedTag(r.data[0]) {
			cache.write(r.key(), r.value(), !r.deleted)
		}
	}
	publish()
	return m.mu.active.Bytes() >= m.limit
}

// touchLocked fetches what the active table has of the rows into the processor's caches.
func (m *memory) touchLocked(rows []rowChange) {
	if len(rows) < minTouchRows {
		return
	}
	for i := range rows {
		m.mu.toucher.Add(m.mu.active, rows[i].key())
	}
	m.mu.toucher.Touch()
}

// freeze puts the active table behind the frozen ones, unless too many wait already. The state is the one that the active table
// ends with; only the sequencer's holder calls it.
func (m *memory) freeze(s *state) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.mu.frozen) >= maxFrozen {
		return false
	}
	f := &frozenTable{table: m.mu.active, state: s.appendTo(nil), end: s.applied, nextUID: s.nextUID}
	m.mu.frozen = append(m.mu.frozen[:len(m.mu.frozen):len(m.mu.frozen)], f)
	m.dropViewLocked()
	m.mu.active.Seal()
	m.mu.active = m.mu.active.Next()
	return true
}

// oldestFrozen returns the table to drain next, nil if there is none.
func (m *memory) oldestFrozen() *frozenTable {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.mu.frozen) == 0 {
		return nil
	}
	return m.mu.frozen[0]
}

// countFrozen is how many tables wait to be drained, with the one that is.
func (m *memory) countFrozen() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.mu.frozen)
}

// dropFrozen forgets the oldest frozen table: the files hold its rows.
func (m *memory) dropFrozen() {
	m.mu.Lock()
	m.mu.frozen = append([]*frozenTable(nil), m.mu.frozen[1:]...)
	m.mu.Unlock()
	m.drained.wake()
}

// bytes is what the tables hold.
func (m *memory) bytes() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.mu.active.Bytes()
	for _, f := range m.mu.frozen {
		n += f.table.Bytes()
	}
	return n
}

// waitRoom blocks while every table is full.
func (m *memory) waitRoom(ctx context.Context) error {
	for {
		changed := m.drained.next()
		if !m.full() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the keyspace's memory to be written to disk: %w", ctx.Err())
		}
	}
}

// full says that there is no room for more rows until a table has been drained.
func (m *memory) full() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.mu.frozen) >= maxFrozen && m.mu.active.Bytes() >= m.limit
}

// dropViewLocked gives the memory's own view of the active table back: that is going to change. The caller holds mu.
func (m *memory) dropViewLocked() {
	if m.mu.view != nil {
		m.mu.view.Release()
		m.mu.view = nil
	}
}

// view is the keyspace as of one commit. It must be closed: it keeps files and memory from being given back.
type view struct {
	mem    *memory
	of     *memtable.Table // the active table
	active *memtable.Table // and its view
	once   bool            // what is read in order is not going to be read so again soon
	frozen []*frozenTable
	files  *pebble.Snapshot
	filter *rowFilter // holds every row of the view, and maybe later ones; nil: there is none
	dbIDs  []uint32   // nil before the dataset is published
}

// view takes one. It costs about a microsecond, and the next commits copy what they touch of the memtable, or keep the rows they replace.
func (ds *dataset) view() *view {
	m := &ds.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.view == nil {
		m.mu.view = m.mu.active.View()
	}
	v := &view{mem: m, of: m.mu.active, active: m.mu.view.Retain(), frozen: m.mu.frozen, files: ds.db.NewSnapshot(), filter: ds.filters.use.Load()}
	if ids := ds.dbIDs.Load(); ids != nil {
		v.dbIDs = *ids
	}
	return v
}

// viewOnce is view for who walks over all of it, and is not going to come again soon: the next tables stay as they are.
func (ds *dataset) viewOnce() *view {
	v := ds.view()
	v.once = true
	return v
}

func (v *view) close() {
	v.active.Release()
	closeQuietly(v.files)
}

// get reads a row as of the view.
func (v *view) get(key []byte) (value []byte, ok bool, err error) {
	if v.filter != nil && filteredTag(key[0]) && v.filter.lacks(key) {
		return nil, false, nil
	}
	v.mem.mu.RLock() // the view shares its index with the table, which may be written
	value, live, found := findIn(v.active, v.frozen, key)
	v.mem.mu.RUnlock()
	if found {
		return value, live, nil
	}
	return readFiles(v.files, key)
}
