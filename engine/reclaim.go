package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
)

const (
	reclaimPause = time.Second // between passes: range deletions must stay few
	reclaimBatch = 4096        // queue rows of one pass
)

// runReclaim removes the rows of databases that were flushed. It is local work, not in the log: what remains to be done is in
// the queue, and doing it twice does no harm, so a crash at any point costs nothing.
//
// It works on the store's files alone, past the memtables. A queue row that has come there came with, or after, every row it speaks
// of, and only once the log was safe up to it: nothing is removed that a crash could bring back into use.
func (e *Engine) runReclaim(ctx context.Context) {
	tick := time.NewTicker(reclaimPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.reclaim:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.withDataset(reclaimDatabases)
		}
	}
}

// reclaimDatabases turns neighbouring dead databases into one range deletion each. Never one per flush: reads become
// slow with the number of range deletions in a memtable.
func reclaimDatabases(ds *dataset) error {
	dead, err := readReclaimQueue(ds)
	if err != nil || len(dead) == 0 {
		return err
	}
	batch := ds.db.NewBatch()
	defer closeQuietly(batch)
	for first := 0; first < len(dead); {
		last := first
		for last+1 < len(dead) && dead[last+1] == dead[last]+1 {
			last++
		}
		for _, tag := range []byte{keys.TagKey, keys.TagExpiry} {
			lower, upper := keys.DBBounds(tag, dead[first], dead[last])
			if err := batch.DeleteRange(lower, upper, nil); err != nil {
				return fmt.Errorf("reclaim flushed databases: %w", err)
			}
		}
		for _, id := range dead[first : last+1] {
			if err := batch.Delete(keys.AppendReclaim(nil, id), nil); err != nil {
				return fmt.Errorf("reclaim flushed databases: %w", err)
			}
		}
		first = last + 1
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("reclaim flushed databases: %w", err)
	}
	return nil
}

func readReclaimQueue(ds *dataset) (dead []uint32, err error) {
	it, err := ds.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keys.TagReclaim}, UpperBound: []byte{keys.TagReclaim + 1}})
	if err != nil {
		return nil, fmt.Errorf("read reclaim queue: %w", err)
	}
	defer closeQuietly(it)
	for ok := it.First(); ok && len(dead) < reclaimBatch; ok = it.Next() {
		id, err := keys.ParseReclaim(it.Key())
		if err != nil {
			return nil, corruptRow(it.Key(), err)
		}
		dead = append(dead, id)
	}
	return dead, it.Error()
}
