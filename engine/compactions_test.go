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

	mu struct {
		sync.Mutex
		grants []pebble.CompactionGrantHandle
		most   int
	}
}

func (s *waitingStore) GetAllowedWithoutPermission() int { return s.allowed }

func (s *waitingStore) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return s.left.Load() > 0, pebble.WaitingCompaction{}
}

func (s *waitingStore) Schedule(g pebble.CompactionGrantHandle) bool {
	if s.left.Add(-1) < 0 {
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

func TestCompactionsWaitForTheStoreToBeOpen(t *testing.T) {
	c, s := newCompactions(new(atomic.Int64)), &waitingStore{allowed: 2}
	s.left.Store(10)
	c.Register(2, s)
	ok, _ := c.TrySchedule()
	require.False(t, ok)
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
	ok, _ = c.TrySchedule()
	require.False(t, ok, "a closed store compacts no more")
}

func TestAFailedGrantGivesItsSlotBack(t *testing.T) {
	c, s := newCompactions(new(atomic.Int64)), &waitingStore{allowed: 1}
	c.Register(2, s)
	defer c.Unregister()
	c.begin()
	require.False(t, c.grant(), "nothing waits")
	ok, g := c.TrySchedule()
	require.True(t, ok)
	ok, _ = c.TrySchedule()
	require.False(t, ok, "the only slot is taken")
	g.Done()
	ok, _ = c.TrySchedule()
	require.True(t, ok)
}

func TestCompactionsRestAfterAnError(t *testing.T) {
	c, s := newCompactions(new(atomic.Int64)), &waitingStore{allowed: 1}
	c.Register(2, s)
	defer c.Unregister()
	c.begin()
	c.pause(time.Hour)
	ok, _ := c.TrySchedule()
	require.False(t, ok)
	c.pause(0)
	ok, _ = c.TrySchedule()
	require.True(t, ok)
}

func TestCompactionsStepBackWhileLevel0IsShallow(t *testing.T) {
	e := &Engine{}
	c, s := newCompactions(&e.yields), &waitingStore{allowed: 1}
	c.Register(2, s)
	defer c.Unregister()
	c.begin()
	starts := func() bool {
		ok, g := c.TrySchedule()
		if ok {
			g.Done()
		}
		return ok
	}
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
