package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/backlog"
	"replogd/engine/resp"
)

// ping appends what a master appends when nothing happens.
func ping(t *testing.T, s *server) {
	t.Helper()
	_, err := s.e.AppendNoop(resp.AppendCommandStrings(nil, "PING"))
	require.NoError(t, err)
}

// A former master that has gone on for a while with nothing but no-ops is no stranger to its successor, nor are its replicas.
func TestATailOfNoopsIsNoDivergence(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 20, 50)
	b := newServer(t, "b").start(a)
	c := newServer(t, "c").start(a)
	a.caughtUp(b, c)
	was := fullSyncs(a, b, c)

	b.promote()
	for range 5 {
		ping(t, a)
	}
	a.caughtUp(c)
	require.Greater(t, a.b.End(), b.b.End())
	b.setKeys("new", 20, 50)
	a.follow(b)
	c.follow(b)
	b.caughtUp(a, c)
	require.Equal(t, was, fullSyncs(a, b, c))
	require.Equal(t, b.digest(), a.digest())
	require.Equal(t, b.digest(), c.digest())
	require.EqualValues(t, 1, a.logged.count("rewinding"))

	// And after a restart, with and without a clean end, it is what it was.
	for _, clean := range []bool{true, false} {
		a.stop(clean)
		b.setKeys("away", 5, 50)
		a.start(b)
		b.caughtUp(a)
	}
	require.Zero(t, fullSyncs(b, c))
	require.Equal(t, b.digest(), a.digest())
}

// What the former master's own replica holds beyond the fork goes with it, down the chain.
func TestAChainRewindsTogether(t *testing.T) {
	a, b, c := newServer(t, "a").start(nil), newServer(t, "b"), newServer(t, "c")
	a.setKeys("k", 20, 50)
	b.start(a)
	c.start(a)
	a.caughtUp(b, c)
	was := fullSyncs(a, b, c)
	b.promote()
	ping(t, a)
	ping(t, a)
	a.caughtUp(c)
	a.follow(b) // c stays below a
	b.setKeys("new", 5, 50)
	b.caughtUp(a, c)
	require.Equal(t, was, fullSyncs(a, b, c))
	require.Equal(t, b.digest(), c.digest())
}

func TestATailWithDataIsDivergence(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 20, 50)
	a.caughtUp(b)
	b.promote()
	ping(t, a)
	a.setKeys("lost", 1, 10)
	a.follow(b)
	b.setKeys("new", 5, 50)
	b.caughtUp(a)
	require.EqualValues(t, 1, b.n.Status().SyncFull)
	require.Equal(t, b.digest(), a.digest())
	require.Zero(t, a.logged.count("rewinding"))
}

func TestCommonPoint(t *testing.T) {
	h := func(id byte, start uint64) backlog.History {
		return backlog.History{ID: string(rune(id)), Start: start}
	}
	for _, tc := range []struct {
		name         string
		ours, theirs []backlog.History
		end, fork    uint64
		common       int
	}{
		{"nothing", []backlog.History{h('a', 0)}, []backlog.History{h('b', 0)}, 10, 0, 0},
		{"the same", []backlog.History{h('a', 0)}, []backlog.History{h('a', 0)}, 10, 10, 1},
		{"they left ours", []backlog.History{h('a', 0)}, []backlog.History{h('a', 0), h('b', 7)}, 10, 7, 1},
		{"both left", []backlog.History{h('a', 0), h('c', 9)}, []backlog.History{h('a', 0), h('b', 7)}, 10, 7, 1},
		{"we left before them", []backlog.History{h('a', 0), h('c', 5)}, []backlog.History{h('a', 0), h('b', 7)}, 10, 5, 1},
		{"the newest common one counts", []backlog.History{h('a', 0), h('c', 5)}, []backlog.History{h('a', 0), h('c', 5), h('b', 8)}, 10, 8, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fork, hs := commonPoint(tc.ours, tc.end, tc.theirs)
			require.Equal(t, tc.fork, fork)
			require.Len(t, hs, tc.common)
		})
	}
}
