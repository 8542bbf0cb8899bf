package engine

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

const (
	expiryEvery  = 100 * time.Millisecond // Redis' hz 10
	expiryBatch  = 256                    // keys removed in one hold of the sequencer
	expiryBudget = 25 * time.Millisecond  // per round; what is left waits for the next
)

// expiryHint keeps the expirer from looking when nothing is due, and from walking over what it has removed before.
type expiryHint struct {
	next  atomic.Int64 // no key expires before this time (milliseconds)
	floor atomic.Int64 // the index holds nothing below this time
}

func (h *expiryHint) reset() {
	h.next.Store(0)
	h.floor.Store(0)
}

// lower notes a new row of the index.
func (h *expiryHint) lower(to int64) {
	lowerTo(&h.next, to)
	lowerTo(&h.floor, to)
}

func lowerTo(a *atomic.Int64, to int64) {
	for old := a.Load(); to < old && !a.CompareAndSwap(old, to); old = a.Load() {
	}
}

// dueKey is one row of the expiry index whose time has come.
type dueKey struct {
	db  int
	id  uint32
	ms  int64
	key []byte
}

// runExpiry removes keys whose time is up, on a leader only: each removal is a DEL in the log, which is how replicas learn of it.
func (e *Engine) runExpiry(ctx context.Context) {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if e.Leading() && e.expiry.next.Load() <= time.Now().UnixMilli() && !e.o.HoldExpiry() {
				e.withDataset(e.expireDue)
			}
		}
	}
}

// expireDue is one round: it removes what is due until nothing is, or its time is over.
func (e *Engine) expireDue(ds *dataset) error {
	started := time.Now()
	now := started.UnixMilli()

	// With the sequencer held no write is between its note of an expiry and its commit, so none can be missed below.
	e.seq.Lock()
	e.expiry.next.Store(math.MaxInt64)
	floor := e.expiry.floor.Load()
	ids := *ds.dbIDs.Load()
	e.seq.Unlock()

	for db, id := range ids {
		if ds.expiry[db].Load() == 0 {
			continue
		}
		for {
			due, next, err := collectDue(ds, db, id, floor, now)
			if err != nil {
				lowerTo(&e.expiry.next, now)
				return err
			}
			if len(due) > 0 {
				if ok, err := e.removeDue(ds, due); err != nil || !ok {
					lowerTo(&e.expiry.next, now)
					return err
				}
			}
			if len(due) < expiryBatch {
				lowerTo(&e.expiry.next, next)
				break
			}
			if time.Since(started) > expiryBudget {
				lowerTo(&e.expiry.next, now)
				return nil
			}
		}
	}
	e.expiry.floor.CompareAndSwap(floor, now)
	return nil
}

// collectDue reads rows of one database's index between floor and now, and the time of the first one after.
func collectDue(ds *dataset, db int, id uint32, floor, now int64) (due []dueKey, next int64, err error) {
	_, upper := keys.DBBounds(keys.TagExpiry, id, id)
	v := ds.view()
	defer v.close()
	it, err := v.iter(keys.AppendExpiry(nil, id, floor, nil), upper)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = it.close() }() // what went wrong is returned below
	for ok := it.first(); ok && len(due) < expiryBatch; ok = it.next() {
		_, ms, key, err := keys.ParseExpiry(it.key())
		if err != nil {
			return nil, 0, corruptRow(it.key(), err)
		}
		if ms > now {
			return due, ms, it.err()
		}
		due = append(due, dueKey{db: db, id: id, ms: ms, key: append([]byte(nil), key...)})
	}
	return due, math.MaxInt64, it.err()
}

// removeDue deletes keys with a unit each, in one record and one batch. ok is false when this node may not (any more).
func (e *Engine) removeDue(ds *dataset, due []dueKey) (ok bool, err error) {
	e.seq.Lock()
	defer e.seq.Unlock()
	if e.seq.role != roleLeader || e.o.Backlog.Health() != nil || e.ds.Load() != ds {
		return false, nil
	}
	t := &e.seq.tx
	t.reset(ds, &e.seq.state)
	var s Session
	var w resp.Writer
	c := call{e: e, ds: ds, tx: t, s: &s, w: &w, now: time.Now().UnixMilli()}
	for _, d := range due {
		if t.state.dbs[d.db].id != d.id {
			continue // the database was flushed or swapped meanwhile
		}
		c.rowBuf = c.rowBuf[:0]
		k, err := c.open(d.db, d.key) // removes it, as it is due
		if err != nil {
			return false, err
		}
		if len(t.unit) == 0 && k.ExpireMs != d.ms {
			// No key of that expiry: a row of the index that leads nowhere. Local, so it needs no effect.
			c.deleteRow(keys.AppendExpiry(nil, d.id, d.ms, d.key))
		}
		t.endUnit()
	}
	return true, e.commitLocked(nil)
}
