package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"replogd/engine/keys"
)

// Watch is the keys that one client watches. It belongs to the client's goroutine; commits mark it from theirs.
type Watch struct {
	changed atomic.Bool
	keys    []*watchedKey
}

// watchedKey is one key of a Watch. What of it changes is written under the sequencer and watches.mu, and read under either.
type watchedKey struct {
	watch   *Watch
	db      int
	key     string
	row     []byte     // the key's row in the database that has the number now
	place   touchedKey // of row
	expired bool       // its time was up when it was watched: that it goes then is no change
}

// watches finds the clients that watch a key by its database and the hash of its name. Two keys with one hash would at worst make a
// transaction fail that need not.
type watches struct {
	count atomic.Int64 // watched keys; commits look at this first
	mu    struct {
		sync.Mutex
		byPlace map[touchedKey][]*watchedKey
	}
}

// WatchKeys adds keys of the session's database to w: from now on w is changed when somebody, the client included, changes one of them, as
// Redis 7.0.15 sees it. Keys watched already are left alone. An error means that the store could not be read; w is changed then.
func (e *Engine) WatchKeys(s *Session, w *Watch, names [][]byte) error {
	e.seq.Lock() // between two commits: what is read here and what is told later do not overlap
	defer e.seq.Unlock()
	ds := e.ds.Load()
	for _, name := range names {
		if w.has(s.DB, name) {
			continue
		}
		k := &watchedKey{watch: w, db: s.DB, key: string(name)}
		k.move(e.seq.state.dbs[s.DB].id)
		_, expired, err := ds.keyState(k.row)
		if err != nil {
			w.changed.Store(true)
			return err
		}
		k.expired = expired
		w.keys = append(w.keys, k)
		e.watches.add(k)
	}
	return nil
}

// Unwatch forgets all keys of w, which is as good as new then.
func (e *Engine) Unwatch(w *Watch) {
	for _, k := range w.keys {
		e.watches.remove(k)
	}
	w.keys = nil
	w.changed.Store(false)
}

// Changed says whether a watched key is known to have changed. A key whose time is up since counts only in Transact.
func (w *Watch) Changed() bool { return w.changed.Load() }

func (w *Watch) has(db int, key []byte) bool {
	for _, k := range w.keys {
		if k.db == db && k.key == string(key) {
			return true
		}
	}
	return false
}

// changedLocked is Redis' test at EXEC: a key has been changed, or its time has come since it was watched. The caller holds seq.
func (w *Watch) changedLocked(e *Engine, ds *dataset) (bool, error) {
	if w.changed.Load() {
		return true, nil
	}
	for _, k := range w.keys {
		if k.expired {
			continue
		}
		_, expired, err := ds.keyState(k.row)
		if err != nil {
			return false, fmt.Errorf("look at watched key: %w", err)
		}
		if expired {
			w.changed.Store(true)
			return true, nil
		}
	}
	return false, nil
}

// move finds the key's row in the database with the internal number id.
func (k *watchedKey) move(id uint32) {
	k.row = keys.AppendKey(k.row[:0], id, []byte(k.key))
	k.place = touchedOf(k.row)
}

// keyState looks at a committed key row.
func (ds *dataset) keyState(row []byte) (exists, expired bool, err error) {
	value, _, ok, err := ds.row(nil, row, true)
	if err != nil || !ok {
		return false, false, err
	}
	h, err := keys.ParseHead(value)
	if err != nil {
		return false, false, corruptRow(row, err)
	}
	return true, h.Expired(time.Now().UnixMilli()), nil
}

func (ws *watches) add(k *watchedKey) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.addLocked(k)
	ws.count.Add(1)
}

func (ws *watches) addLocked(k *watchedKey) {
	if ws.mu.byPlace == nil {
		ws.mu.byPlace = map[touchedKey][]*watchedKey{}
	}
	ws.mu.byPlace[k.place] = append(ws.mu.byPlace[k.place], k)
}

func (ws *watches) remove(k *watchedKey) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.removeLocked(k)
	ws.count.Add(-1)
}

func (ws *watches) removeLocked(k *watchedKey) {
	list := ws.mu.byPlace[k.place]
	for i, other := range list {
		if other == k {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			ws.mu.byPlace[k.place] = list[:len(list)-1]
			break
		}
	}
	if len(ws.mu.byPlace[k.place]) == 0 {
		delete(ws.mu.byPlace, k.place)
	}
}

// tell marks who watches what t changes. was is the state before t. The caller holds the sequencer and is about to commit t.
func (ws *watches) tell(t *tx, was *state) {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, place := range t.touched {
		for _, k := range ws.mu.byPlace[place] {
			if _, present, changed := t.find(k.row); k.expired && changed && !present {
				k.expired = false // it was gone for its watcher before
				continue
			}
			k.watch.changed.Store(true)
		}
	}
	if t.all {
		ws.tellMovedLocked(t, was)
	}
}

// tellMovedLocked is for FLUSHDB and SWAPDB, which name no key: a watched key of a database that has another internal number now has
// changed if it is in the old one or in the new one; else it is looked for in the new one from now on. A row that cannot be read counts
// as changed.
func (ws *watches) tellMovedLocked(t *tx, was *state) {
	var moved []*watchedKey
	for _, list := range ws.mu.byPlace {
		for _, k := range list {
			if k.db < len(was.dbs) && was.dbs[k.db].id != t.state.dbs[k.db].id {
				moved = append(moved, k)
			}
		}
	}
	for _, k := range moved {
		before, _, err := t.ds.keyState(k.row)
		ws.removeLocked(k)
		k.move(t.state.dbs[k.db].id)
		ws.addLocked(k)
		after, _, err2 := t.ds.keyState(k.row)
		if before || after || err != nil || err2 != nil {
			k.watch.changed.Store(true)
		}
	}
}

// tellAll marks everybody: the keyspace has been replaced.
func (ws *watches) tellAll() {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, list := range ws.mu.byPlace {
		for _, k := range list {
			k.watch.changed.Store(true)
		}
	}
}
