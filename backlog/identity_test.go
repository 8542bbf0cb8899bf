package backlog

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/wal"
)

// TestLostTail is the table of the package: what a run did, how it ended, and what the next one must conclude.
func TestLostTail(t *testing.T) {
	for _, c := range []struct {
		name    string
		policy  wal.SyncPolicy
		run     func(n *node)
		clean   bool
		unclean bool
		lost    bool
	}{
		{"leader, everysec, killed", wal.SyncEverySecond, func(n *node) { require.NoError(n.t, n.SetRole(true)) }, false, true, true},
		{"leader, no, killed", wal.SyncNo, func(n *node) { require.NoError(n.t, n.SetRole(true)) }, false, true, true},
		{"leader, always, killed", wal.SyncAlways, func(n *node) { require.NoError(n.t, n.SetRole(true)) }, false, true, false},
		{"leader, everysec, closed", wal.SyncEverySecond, func(n *node) { require.NoError(n.t, n.SetRole(true)) }, true, false, false},
		{"follower, everysec, killed", wal.SyncEverySecond, func(n *node) { require.NoError(n.t, n.SetRole(false)) }, false, true, false},
		{"no role taken, everysec, killed", wal.SyncEverySecond, func(*node) {}, false, true, false},
		{"leader, always and for a while everysec, killed", wal.SyncAlways, func(n *node) {
			require.NoError(n.t, n.SetRole(true))
			require.NoError(n.t, n.SetUnsafeShipping())
			n.setPolicy(wal.SyncEverySecond)
			n.setPolicy(wal.SyncAlways)
		}, false, true, true},
		{"leader that became follower, everysec, killed", wal.SyncEverySecond, func(n *node) {
			require.NoError(n.t, n.SetRole(true))
			require.NoError(n.t, n.SetRole(false))
		}, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.setPolicy(c.policy)
			n.open()
			c.run(n)
			n.write("x")
			if c.clean {
				require.NoError(t, n.Close(true))
			}
			next := n.crashed(100).open()
			require.Equal(t, c.unclean, next.Unclean())
			require.Equal(t, c.lost, next.LostTailPossible())
			require.Equal(t, c.lost || n.Role() == "follower", next.MustStartHistory())
		})
	}
}

// TestLostTailSticks: the verdict outlives more crashes and clean shutdowns until a new history begins.
func TestLostTailSticks(t *testing.T) {
	n := newNode(t)
	n.setPolicy(wal.SyncEverySecond)
	n.open()
	require.NoError(t, n.SetRole(true))
	n.write("x")

	n = n.crashed(100)
	n.setPolicy(wal.SyncAlways)
	n.open()
	require.True(t, n.LostTailPossible())
	n = n.crashed(100).open() // killed before it had a role
	require.True(t, n.LostTailPossible())
	require.NoError(t, n.SetRole(false))
	require.NoError(t, n.Close(true)) // a follower for a while, and closed
	n.open()
	require.False(t, n.Unclean())
	require.True(t, n.LostTailPossible())

	old := n.Current()
	h, err := n.StartHistory()
	require.NoError(t, err)
	require.False(t, n.LostTailPossible())
	require.Equal(t, []History{old, h}, n.Histories())
	n = n.crashed(100).open()
	require.False(t, n.LostTailPossible())
	require.Equal(t, []History{old, h}, n.Histories())
}

func TestLeaderMustNotWriteOnAnUpstreamsHistory(t *testing.T) {
	n := started(t)
	require.NoError(t, n.AdoptHistories(append(n.Histories(), History{id('a'), 0})))
	require.True(t, n.MustStartHistory())
	require.NoError(t, n.Close(true))
	n.open()
	require.True(t, n.MustStartHistory())
	require.False(t, n.LostTailPossible())
	_, err := n.StartHistory()
	require.NoError(t, err)
	require.False(t, n.MustStartHistory())
}

// TestFollowerDoesNotOwnItsHistory, even if it never got to adopt another: its upstream may use the same name.
func TestFollowerDoesNotOwnItsHistory(t *testing.T) {
	n := started(t)
	require.NoError(t, n.SetRole(true))
	require.False(t, n.MustStartHistory())
	require.NoError(t, n.SetRole(false))
	require.True(t, n.MustStartHistory())
	tx := metaTx(n)
	require.NoError(t, n.SetRole(false))
	require.Equal(t, tx, metaTx(n))
	require.NoError(t, n.Close(true))
	n.open()
	require.True(t, n.MustStartHistory())
	require.False(t, n.LostTailPossible())
}

// recs prints the log's records as "start:payload@epoch".
func recs(t *testing.T, n *node, off uint64) (out []string) {
	r, err := n.Log().NewReader(off)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, fmt.Sprintf("%d:%s@%d", rec.Start, rec.Payload, rec.Epoch))
	}
}

// TestAppendSwitchesHistoryAtTheBoundary: bytes before an announced history's start belong to the one before, to the byte.
func TestAppendSwitchesHistoryAtTheBoundary(t *testing.T) {
	n := started(t)
	own := n.Current()
	require.NoError(t, n.AdoptHistories([]History{own, {id('a'), 5}, {id('b'), 5}, {id('c'), 7}}))
	require.Equal(t, Pos{own.ID, 0}, n.Position())
	require.Equal(t, id('c'), n.Current().ID)
	n.write("123")
	n.write("45678901") // over both boundaries
	require.Equal(t, Pos{id('c'), 11}, n.Position())
	n.write("x")
	require.Equal(t, []string{"0:123@1", "3:45@1", "5:67@3", "7:8901@4", "11:x@4"}, recs(t, n, 0))
	require.Equal(t, "12345678901x", n.stream(0))

	// The segments carry the same names.
	var names []string
	for _, s := range n.Log().Segments() {
		if s.End > s.Start {
			names = append(names, fmt.Sprintf("%d %d %c", s.Start, s.Epoch, s.History[0]))
		}
	}
	require.Equal(t, []string{fmt.Sprintf("0 1 %c", own.ID[0]), "5 3 b", "7 4 c"}, names)

	// A restart in between changes nothing.
	n = n.crashed(100).open()
	n.write("y")
	require.Equal(t, "12:y@4", recs(t, n, 12)[0])
	_, err := n.StartHistory()
	require.NoError(t, err)
	n.write("z")
	require.Equal(t, "13:z@5", recs(t, n, 13)[0])
}

func TestAdoptRefusesAndLeavesTheOldListInEffect(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	was := n.Histories()
	for name, hs := range map[string][]History{
		"empty": nil, "foreign": {{id('a'), 0}}, "forked before our end": append(n.Histories(), History{id('a'), 9}),
	} {
		require.ErrorIs(t, n.AdoptHistories(hs), ErrHistories, name)
		require.Equal(t, was, n.Histories())
	}
	require.NoError(t, n.Health(), "a bad list is the peer's fault")
	hs := append(n.Histories(), History{id('a'), 10})
	require.NoError(t, n.AdoptHistories(hs))
	tx := metaTx(n)
	require.NoError(t, n.AdoptHistories(hs))
	require.Equal(t, tx, metaTx(n), "every reconnection brings the same list: no commit")
}

// TestAnnouncedHistoryThatTheCrashPutsAhead: the list is durable before the bytes that lead up to it are.
func TestAnnouncedHistoryThatTheCrashPutsAhead(t *testing.T) {
	n := newNode(t)
	n.setPolicy(wal.SyncNo)
	n.open()
	own := n.Current()
	n.write("0123456789")
	require.NoError(t, n.AdoptHistories(append(n.Histories(), History{id('a'), 13})))
	n.write("abc")
	c := n.crashed(0).open()
	require.Less(t, c.End(), uint64(13), "the test needs a lost tail")
	require.Equal(t, Pos{own.ID, c.End()}, c.Position(), "it asks for what is missing under the right name")
	r, _ := n.Check(c.Position())
	require.Equal(t, Accepted, r)
	require.NoError(t, c.AdoptHistories(n.Histories()))
	c.write(n.stream(c.End()))
	c.write("!")
	require.Equal(t, "0123456789abc!", c.stream(0))
	require.Equal(t, Pos{id('a'), 14}, c.Position())
	require.Equal(t, []string{"13:!@2"}, recs(t, c, 13))
}

func TestBeginGeneration(t *testing.T) {
	n := started(t)
	n.write("old data")
	n.NoteReplica(id('7'), "h:1", 3)
	require.NoError(t, n.flushReplicas(true))
	pin, err := n.Pin("transfer", 2)
	require.NoError(t, err)
	cur, err := n.OpenCursor("replica", 3)
	require.NoError(t, err)
	n.SetDurableApplied(8)

	hs := []History{{id('a'), 0}, {id('b'), 40}, {id('c'), 120}}
	require.ErrorContains(t, n.BeginGeneration(1, hs, 100), "not higher")
	require.ErrorIs(t, n.BeginGeneration(2, nil, 100), ErrHistories)
	require.NoError(t, n.BeginGeneration(2, hs, 100))

	check := func(n *node) {
		require.Equal(t, uint64(2), n.Generation())
		require.Equal(t, hs, n.Histories())
		require.Equal(t, uint64(100), n.Start())
		require.Equal(t, uint64(100), n.End())
		require.Equal(t, Pos{id('b'), 100}, n.Position())
		require.True(t, n.MustStartHistory())
		require.Empty(t, n.Replicas())
	}
	check(n)
	require.True(t, pin.Lost())
	require.True(t, cur.Lost())
	_, err = cur.Read(waitCtx(t), make([]byte, 10))
	require.ErrorIs(t, err, wal.ErrTrimmed)
	_, err = n.Pin("old", 99)
	require.ErrorIs(t, err, wal.ErrTrimmed)
	check(n.crashed(0).open())

	n.write("new bytes, and more than twenty of them")
	require.Equal(t, []string{"100:new bytes, and more @3", "120:than twenty of them@4"}, recs(t, n, 100))
	require.NoError(t, n.Close(true))
	n.open()
	require.Equal(t, "new bytes, and more than twenty of them", n.stream(100))
	pin.Release()
	cur.Close()
}

// TestCrashBetweenCommitAndReset: Open finishes what meta.db says.
func TestCrashBetweenCommitAndReset(t *testing.T) {
	n := started(t)
	n.write("old data")
	n.fill(2)
	before, log := n.crashed(0), n.crashed(0)
	require.NoError(t, n.BeginGeneration(2, []History{{id('a'), 0}}, 50))
	after := n.crashed(0)

	after.fs = log.fs // the log as it was, meta.db after the commit
	after.open()
	require.Equal(t, uint64(50), after.Start())
	require.Equal(t, uint64(50), after.End())
	require.Equal(t, id('a'), after.Current().ID)
	after.write("x")
	require.Equal(t, []string{"50:x@2"}, recs(t, after, 50))

	before.open() // the other way round: nothing has happened
	require.Equal(t, "old data", before.stream(0)[:8])
}

// TestRolesAreDurableBeforeTheyReturn also shows that repeating one costs no commit.
func TestRolesAreDurableBeforeTheyReturn(t *testing.T) {
	n := started(t)
	require.NoError(t, n.SetRole(true))
	require.Equal(t, "leader", n.crashed(0).open().PreviousRole())
	txid := metaTx(n)
	require.NoError(t, n.SetRole(true))
	require.NoError(t, n.SetUnsafeShipping())
	require.NoError(t, n.SetUnsafeShipping())
	require.Equal(t, txid+1, metaTx(n), "only the first SetUnsafeShipping")
	require.NoError(t, n.SetRole(false))
	require.Equal(t, "follower", n.Role())
	require.Equal(t, "follower", n.crashed(0).open().PreviousRole())
}
