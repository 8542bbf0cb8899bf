package engine

import (
	"iter"
	"sync"
	"sync/atomic"

	"replogd/engine/memtable"
)

// drainTurn has the files of a drain, which are written beside each other, take turns: one at a time works on a window of rows, while others
// may wait for their fsyncs. So a drain takes one processor from those who answer clients, and not as many as it has workers. When somebody
// waits for the drain (Flush, or another full memtable), all work at once.
type drainTurn struct {
	turn    sync.Mutex   // a leaf: who holds it locks nothing, and waits for nothing but writes to a file
	flushes atomic.Int32 // callers of Flush that wait
}

// windows are those it is given, with each of which the caller works in its turn.
func (t *drainTurn) windows(ds *dataset, all iter.Seq[[]memtable.Row]) iter.Seq[[]memtable.Row] {
	return func(yield func([]memtable.Row) bool) {
		done := t.take(ds)
		defer func() { done() }()
		for rows := range all {
			if !yield(rows) {
				return
			}
			done()
			done = t.take(ds)
		}
	}
}

// take waits for the caller's turn, if turns are taken now. done ends it.
func (t *drainTurn) take(ds *dataset) (done func()) {
	if t.flushes.Load() > 0 || ds.mem.countFrozen() > 1 {
		return func() {}
	}
	t.turn.Lock()
	return t.turn.Unlock
}
