package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"
)

// waitingStore always has a compaction to run and allows a fixed number of them.
type waitingStore struct {
	allowed int
	left    atomic.Int64
	tidies  atomic.Bool // they only tidy up
	refuses atomic.Bool // what waits is refused when it is granted

	mu struct {
		sync.Mutex
		grants []pebble.CompactionGrantHandle
		most   int
	}
}

func (s *waitingStore) GetAllowedWithoutPermission() int { return s.allowed }

func (s *waitingStore) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return s.left.Load() > 0, pebble.WaitingCompaction{Optional: s.tidies.Load()}
}

func (s *waitingStore) Schedule(g pebble.CompactionGrantHandle) bool {
	if s.refuses.Load() || s.left.Add(-1) < 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.grants = append(s.mu.grants, g)
	s.mu.most = max(s.mu.most, len(s.mu.grants))
	return true
}

// finishOne ends a running compaction, if there is one.
func (s *waitingStore) finishOne() bool {
	s.mu.Lock()
	var g pebble.CompactionGrantHandle
	if n := len(s.mu.grants); n > 0 {
		g, s.mu.grants = s.mu.grants[n-1], s.mu.grants[:n-1]
	}
	s.mu.Unlock()
	if g == nil {
		return false
	}
	g.Done()
	return true
}

// starts says whether a compaction that waits is started; it has to be ended with finishOne.
func (s *waitingStore) starts(c *compactions) bool {
	s.left.Store(1)
	return c.grant()
}

// ungranted makes a scheduler for s without its goroutine.
func ungranted(s *waitingStore, yields *atomic.Int64) *compactions {
	c := newCompactions(yields)
	c.db = s
	c.begin()
	<-c.kick
	return c
}

func TestCompactionsWaitForTheStoreToBeOpen(t *testing.T) {
	c, s := newCompactions(new(atomic.Int64)), &waitingStore{allowed: 2}
	s.left.Store(10)
	c.Register(2, s)
	require.False(t, c.grant())

	c.begin()
	finished := 0
	require.Eventually(t, func() bool {
		for s.finishOne() {
			finished++
		}
		return finished == 10
	}, 10*time.Second, time.Millisecond)
	require.LessOrEqual(t, s.mu.most, 2)

	c.Unregister()
	s.left.Store(1)
	require.False(t, c.grant(), "a closed store compacts no more")
}

func TestWhatWaitsIsStartedAtOnce(t *testing.T) {
	c, s := newCompactions(new(atomic.Int64)), &waitingStore{allowed: 1}
	c.begin()
	c.Register(2, s)
	defer c.Unregister()
	s.left.Store(1)
	ok, _ := c.TrySchedule()
	require.False(t, ok, "the granter does it")
	require.Eventually(t, s.finishOne, 10*time.Second, time.Millisecond)
}

func TestAFailedGrantGivesItsSlotBack(t *testing.T) {
	s := &waitingStore{allowed: 1}
	c := ungranted(s, new(atomic.Int64))
	require.False(t, c.grant(), "nothing waits")
	s.refuses.Store(true)
	require.False(t, s.starts(c))
	require.Empty(t, c.kick, "a store that refuses is not asked again at once")
	s.refuses.Store(false)
	require.True(t, s.starts(c))
	require.False(t, s.starts(c), "the only slot is taken")
	require.True(t, s.finishOne())
	require.True(t, s.starts(c))
}

func TestCompactionsRestAfterAnError(t *testing.T) {
	s := &waitingStore{allowed: 1}
	c := ungranted(s, new(atomic.Int64))
	c.pause(time.Hour)
	require.False(t, s.starts(c))
	c.pause(0)
	require.True(t, s.starts(c))
}

func TestCompactionsStepBackWhileLevel0IsShallow(t *testing.T) {
	e := &Engine{}
	s := &waitingStore{allowed: 1}
	c := ungranted(s, &e.yields)
	starts := func() bool { return s.starts(c) && s.finishOne() }
	first, second := e.YieldCompactions(), e.YieldCompactions()
	require.False(t, starts())
	c.sublevels.Store(yieldSublevels)
	require.True(t, starts(), "reads and writers must not suffer")
	c.sublevels.Store(yieldSublevels - 1)
	require.False(t, starts())
	first()
	first()
	require.False(t, starts(), "somebody else still asks")
	second()
	require.True(t, starts())
}

// What only tidies up takes its turn while memtables are drained; what has to be done does not wait for it.
func TestTidyingIsPacedWhileTheKeyspaceIsWrittenTo(t *testing.T) {
	s := &waitingStore{allowed: 2}
	s.tidies.Store(true)
	c := ungranted(s, new(atomic.Int64))
	require.True(t, s.starts(c), "nothing is written")
	require.True(t, s.starts(c))
	require.True(t, s.finishOne())
	require.True(t, s.finishOne())

	c.drained()
	c.mu.tidying.next = time.Now().Add(time.Hour)
	require.False(t, s.starts(c))
	s.tidies.Store(false)
	require.True(t, s.starts(c))
}

func TestTidying(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tidy := tidying{drained: start}
	require.True(t, tidy.begin(at(0)), "none has run yet")
	require.False(t, tidy.begin(at(50)), "one at a time")
	tidy.end(at(0), at(100))
	require.False(t, tidy.begin(at(999)))
	require.True(t, tidy.begin(at(1000)), "a tenth of the time")
	tidy.end(at(1000), at(1500))
	require.False(t, tidy.begin(at(1999)))
	require.True(t, tidy.begin(at(2000)), "it is quiet")
	require.True(t, tidy.begin(at(2000)))
}

func TestErrorsThatComeBackAreReportedNowAndThen(t *testing.T) {
	var l errorLimit
	times, now := l.count()
	require.True(t, now)
	require.Equal(t, 1, times)
	for range 10 {
		_, now = l.count()
		require.False(t, now)
	}
	l.mu.last = l.mu.last.Add(-backgroundErrorLog)
	times, now = l.count()
	require.True(t, now)
	require.Equal(t, 11, times)
}
