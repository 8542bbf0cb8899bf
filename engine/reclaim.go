package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
)

const (
	reclaimPause = time.Second // between passes: range deletions must stay few
	reclaimBatch = 4096        // queue rows of one pass

	// reclaimKeys is how many keys of a flushed database one pass looks at: collections have rows elsewhere, which go first.
	reclaimKeys = 1 << 16

	// reclaimRanges is how many range deletions a pass may write: reads become slow with their number.
	reclaimRanges = 64

	// reclaimPoints is how many rows a pass removes one by one: those of collections that are not worth a range deletion.
	reclaimPoints = 1 << 14
)

// runReclaim removes the rows of databases that were flushed and of large collections that no key has any more. It is local work, not
// in the log: what remains to be done is in the queue, and doing it twice does no harm, so a crash at any point costs nothing.
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
			e.withDataset(e.reclaimSome)
		}
	}
}

// reclaimSome is one pass.
func (e *Engine) reclaimSome(ds *dataset) error {
	p := reclaimPass{ds: ds, batch: ds.db.NewBatch(), ranges: reclaimRanges, points: reclaimPoints}
	defer closeQuietly(p.batch)
	for _, work := range []func() error{p.databases, p.orphans} {
		if err := work(); err != nil {
			return fmt.Errorf("reclaim space: %w", err)
		}
	}
	if err := p.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("reclaim space: %w", err)
	}
	if p.more {
		kick(e.reclaim)
	}
	return nil
}

// reclaimPass collects one batch. It goes to disk in one piece, so a queue row never goes before what it speaks of.
type reclaimPass struct {
	ds     *dataset
	batch  *pebble.Batch
	ranges int  // range deletions left
	points int  // point deletions left
	more   bool // something is left for the next pass
}

// each calls fn with the rows in [lower, upper) of the files, until it returns false.
func (p *reclaimPass) each(lower, upper []byte, fn func(it *pebble.Iterator) (more bool, err error)) error {
	it, err := p.ds.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer closeQuietly(it)
	for ok := it.First(); ok; ok = it.Next() {
		if more, err := fn(it); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

func (p *reclaimPass) deleteRange(lower, upper []byte) error {
	p.ranges--
	return p.batch.DeleteRange(lower, upper, nil)
}

// databases takes on flushed databases, oldest first. Neighbours whose rows are all gone over share a range deletion.
func (p *reclaimPass) databases() error {
	dead, err := p.readQueue()
	if err != nil {
		return err
	}
	for first := 0; first < len(dead); {
		last := first
		for last+1 < len(dead) && dead[last+1] == dead[last]+1 {
			last++
		}
		if p.ranges < reclaimRanges/2 {
			p.more = true
			return nil
		}
		done, err := p.database(dead[first], dead[last])
		if err != nil {
			return err
		}
		if !done {
			p.more = true
			return nil
		}
		for _, id := range dead[first : last+1] {
			if err := p.batch.Delete(keys.AppendReclaim(nil, id), nil); err != nil {
				return err
			}
		}
		first = last + 1
	}
	return nil
}

// database removes keys of the databases first..last and the elements of their collections. done is false if some are left.
func (p *reclaimPass) database(first, last uint32) (done bool, err error) {
	lower, upper := keys.DBBounds(keys.TagKey, first, last)
	var uids []uint64
	seen, until := 0, upper
	err = p.each(lower, upper, func(it *pebble.Iterator) (bool, error) {
		if seen++; seen > reclaimKeys {
			until = slices.Clone(it.Key())
			return false, nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return false, err
		}
		h, err := keys.ParseHead(value)
		if err != nil {
			return false, corruptRow(it.Key(), err)
		}
		if h.Collection() {
			uids = append(uids, h.UID)
		}
		return true, nil
	})
	if err != nil {
		return false, err
	}
	slices.Sort(uids)
	if left, err := p.collections(uids); err != nil || len(left) > 0 {
		// Too scattered for one pass: what is left waits in the queue of its own.
		for _, uid := range left {
			if err := p.batch.Set(keys.AppendOrphan(nil, uid), []byte{0}, nil); err != nil {
				return false, err
			}
		}
		p.more = true
		if err != nil {
			return false, err
		}
	}
	if err := p.deleteRange(lower, until); err != nil {
		return false, err
	}
	if seen > reclaimKeys {
		return false, nil
	}
	lower, upper = keys.DBBounds(keys.TagExpiry, first, last)
	return true, p.deleteRange(lower, upper)
}

func (p *reclaimPass) readQueue() (dead []uint32, err error) {
	err = p.each([]byte{keys.TagReclaim}, []byte{keys.TagReclaim + 1}, func(it *pebble.Iterator) (bool, error) {
		id, err := keys.ParseReclaim(it.Key())
		if err != nil {
			return false, corruptRow(it.Key(), err)
		}
		dead = append(dead, id)
		return len(dead) < reclaimBatch, nil
	})
	return dead, err
}

// orphans takes on collections that were removed, in the order of their uids.
func (p *reclaimPass) orphans() error {
	var uids []uint64
	err := p.each([]byte{keys.TagOrphan}, []byte{keys.TagOrphan + 1}, func(it *pebble.Iterator) (bool, error) {
		uid, err := keys.ParseOrphan(it.Key())
		if err != nil {
			return false, corruptRow(it.Key(), err)
		}
		if len(uids) == reclaimBatch {
			p.more = true
			return false, nil
		}
		uids = append(uids, uid)
		return true, nil
	})
	if err != nil {
		return err
	}
	left, err := p.collections(uids)
	if err != nil {
		return err
	}
	p.more = p.more || len(left) > 0
	for _, uid := range uids {
		if _, waits := slices.BinarySearch(left, uid); waits {
			continue
		}
		if err := p.batch.Delete(keys.AppendOrphan(nil, uid), nil); err != nil {
			return err
		}
	}
	return nil
}

// collections removes the elements of the given uids, which are in order, and returns those that the pass had no room for, in order.
// A run of neighbours costs one range deletion per table that holds any of their rows; a small collection alone is removed row by
// row.
func (p *reclaimPass) collections(uids []uint64) (left []uint64, err error) {
	for first := 0; first < len(uids); {
		last := first
		for last+1 < len(uids) && uids[last+1] == uids[last]+1 {
			last++
		}
		for _, tag := range keys.ElementTags() {
			done, err := p.table(tag, uids[first], uids[last])
			if err != nil {
				return nil, err
			}
			if !done {
				return uids[first:], nil
			}
		}
		first = last + 1
	}
	return nil, nil
}

// reclaimSmall is the number of rows up to which they are removed one by one.
const reclaimSmall = 1024

// table removes the rows in a table of the collections first..last; done is false if the pass has no room for that.
func (p *reclaimPass) table(tag byte, first, last uint64) (done bool, err error) {
	lower, upper := keys.UIDBounds(tag, first, last)
	var few [][]byte
	err = p.each(lower, upper, func(it *pebble.Iterator) (bool, error) {
		few = append(few, slices.Clone(it.Key()))
		return len(few) <= reclaimSmall, nil
	})
	switch {
	case err != nil:
		return false, err
	case len(few) == 0:
		return true, nil
	case len(few) > reclaimSmall:
		if p.ranges <= 0 {
			return false, nil
		}
		return true, p.deleteRange(lower, upper)
	case len(few) > p.points:
		return false, nil
	}
	p.points -= len(few)
	for _, row := range few {
		if err := p.batch.Delete(row, nil); err != nil {
			return false, err
		}
	}
	return true, nil
}

// reclaimPending counts the rows of the queue, up to a pass' worth of each kind.
func reclaimPending(ds *dataset) (n int64, err error) {
	p := reclaimPass{ds: ds}
	for _, tag := range []byte{keys.TagReclaim, keys.TagOrphan} {
		left := reclaimBatch
		err := p.each([]byte{tag}, []byte{tag + 1}, func(*pebble.Iterator) (bool, error) {
			n++
			left--
			return left > 0, nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
