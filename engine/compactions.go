package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactionRegrant is how often the scheduler looks by itself whether the store may run more compactions than it does.
const compactionRegrant = 100 * time.Millisecond

// compactions decides when one store may compact: as many at a time as the store's own limits allow, and none before begin. A
// store that is being opened waits for a compaction that has started, and a freshly received one, whose tables all lie in level 0,
// starts one at once: a full sync would wait most of a second for work that can as well be done behind it.
//
// They also step back while a whole keyspace moves to or from this node, or a start replays the log (YieldCompactions): both want the disk and the cores,
// and what is compacted a little later is compacted just as well. Not for ever: from yieldSublevels on they run all the same.
//
// Compactions that only tidy up are paced while the keyspace is written to (tidying.go).
//
// Lock order: the store's locks, then mu. Of the store's methods only GetAllowedWithoutPermission may be called under mu.
type compactions struct {
	db        pebble.DBForCompaction // set once by Register
	yields    *atomic.Int64          // how many ask compactions to step back
	sublevels atomic.Int32           // of level 0, when last looked at

	kick chan struct{} // capacity 1: look whether a compaction may start
	stop chan struct{}
	done chan struct{} // the granter has returned

	mu struct {
		sync.Mutex
		open    bool // begin was called, and Unregister was not
		running int
		resume  time.Time // none starts before
		tidying tidying
	}
}

var _ pebble.CompactionScheduler = (*compactions)(nil)

// yieldSublevels is how deep level 0 may get while compactions step back: well before writers are slowed (throttleSublevels).
const yieldSublevels = 12

// YieldCompactions makes compactions step back until done is called; done may be called again.
func (e *Engine) YieldCompactions() (done func()) {
	e.yields.Add(1)
	return sync.OnceFunc(func() { e.yields.Add(-1) }) // the scheduler looks again by itself
}

func newCompactions(yields *atomic.Int64) *compactions {
	return &compactions{yields: yields, kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// begin lets compactions run. It is called when the store is open.
func (c *compactions) begin() {
	c.mu.Lock()
	c.mu.open = true
	c.mu.Unlock()
	kick(c.kick)
}

// pause keeps compactions from starting for a while: the last one failed, and the next would too.
func (c *compactions) pause(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.resume = time.Now().Add(d)
}

// Register starts the granter for db; the store calls it once, while it is being opened.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	go c.grantLoop()
}

// Unregister ends granting and waits for a grant in progress; the store calls it while it is being closed.
func (c *compactions) Unregister() {
	c.mu.Lock()
	c.mu.open = false
	c.mu.Unlock()
	close(c.stop)
	<-c.done
}

// TrySchedule leaves it to the granter, which alone learns what sort of compaction it is, and wakes it.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	kick(c.kick)
	return false, nil
}

// drained notes that the store has taken a memtable in.
func (c *compactions) drained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.tidying.drained = time.Now()
}

// UpdateGetAllowedWithoutPermission has the granter look again.
func (c *compactions) UpdateGetAllowedWithoutPermission() { kick(c.kick) }

func (c *compactions) reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.yields.Load() > 0 && c.sublevels.Load() < yieldSublevels {
		return false
	}
	if !c.mu.open || c.mu.running >= c.db.GetAllowedWithoutPermission() || time.Now().Before(c.mu.resume) {
		return false
	}
	c.mu.running++
	return true
}

func (c *compactions) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running--
}

func (c *compactions) grantLoop() {
	defer close(c.done)
	tick := time.NewTicker(compactionRegrant)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		case <-c.kick:
		}
		for c.grant() {
		}
	}
}

// grant starts one waiting compaction if there is a slot for it.
func (c *compactions) grant() bool {
	if !c.reserve() {
		return false
	}
	waiting, what := c.db.GetWaitingCompaction()
	if !waiting || !c.begins(what.Optional) {
		c.release()
		return false
	}
	g := &compactionGrant{c: c, tidies: what.Optional, began: time.Now()}
	if !c.db.Schedule(g) {
		g.giveBack() // without a kick: the store would be asked again and again
		return false
	}
	return true
}

// begins says whether a compaction may start now that there is a slot for it, and counts it.
func (c *compactions) begins(tidies bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !tidies || c.mu.tidying.begin(time.Now())
}

// compactionGrant is a compaction's permission to run.
type compactionGrant struct {
	c      *compactions
	tidies bool
	began  time.Time
}

// Started is part of a grant's life that nothing is done with, like MeasureCPU and CumulativeStats.
func (g *compactionGrant) Started() {}

// MeasureCPU does nothing.
func (g *compactionGrant) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats does nothing.
func (g *compactionGrant) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done gives the slot back and has the granter look who is next.
func (g *compactionGrant) Done() {
	g.giveBack()
	kick(g.c.kick)
}

func (g *compactionGrant) giveBack() {
	g.c.mu.Lock()
	defer g.c.mu.Unlock()
	g.c.mu.running--
	if g.tidies {
		g.c.mu.tidying.end(g.began, time.Now())
	}
}
