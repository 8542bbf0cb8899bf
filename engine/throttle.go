package engine

import (
	"context"
	"sync/atomic"
	"time"
)

// throttle slows writers down before they have to wait for memory (memory.waitRoom), and before level 0 grows so deep that reads
// suffer. The delay is taken before the sequencer, by each run of writes, and grows with how far the store is behind.
type throttle struct {
	delay  atomic.Int64  // nanoseconds per run
	waited atomic.Uint64 // nanoseconds, in all

	memTableBytes int64
}

const (
	throttleMemTables  = maxFrozen            // memtables' worth of bytes from which writers are slowed
	throttleSublevels  = 20                   // sublevels of level 0 from which writers are slowed
	throttleStep       = 2 * time.Millisecond // per sublevel beyond
	throttleMemDelay   = 10 * time.Millisecond
	throttleDelayLimit = 100 * time.Millisecond
)

// sample looks at the store and sets the delay.
func (t *throttle) sample(ds *dataset) error {
	m := ds.db.Metrics()
	ds.compactions.sublevels.Store(m.Levels[0].Sublevels)
	ds.fileBytes.Store(m.Total().TablesSize)
	var delay time.Duration
	if ds.mem.bytes() >= throttleMemTables*t.memTableBytes {
		delay = throttleMemDelay
	}
	if over := int(m.Levels[0].Sublevels) - throttleSublevels; over > 0 {
		delay += time.Duration(over) * throttleStep
	}
	t.delay.Store(int64(min(delay, throttleDelayLimit)))
	return nil
}

// wait takes the delay, if there is one.
func (t *throttle) wait(ctx context.Context) error {
	d := time.Duration(t.delay.Load())
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		t.waited.Add(uint64(d))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
