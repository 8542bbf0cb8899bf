package backlog

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"replogd/wal"
)

// filled is a node with k closed segments of one record each, all applied, an hour old.
func filled(t *testing.T, k int) (n *node, starts []uint64) {
	n = started(t)
	n.fill(k)
	n.write("live")
	for _, s := range n.Log().Segments() {
		if s.End > s.Start {
			starts = append(starts, s.Start)
		}
	}
	require.GreaterOrEqual(t, len(starts), k)
	n.SetDurableApplied(n.End())
	n.clock.advance(time.Hour)
	return n, starts
}

func TestRetentionByAge(t *testing.T) {
	n, starts := filled(t, 4)
	n.clock.advance(-time.Second)
	n.retain()
	require.Equal(t, uint64(0), n.Start(), "a second too young")
	n.clock.advance(time.Second)
	n.retain()
	require.Equal(t, starts[len(starts)-1], n.Start(), "only the live segment is left")
	require.Contains(t, n.logs.String(), "dropped old log segments")
}

func TestRetentionKeepsWhatRecoveryNeeds(t *testing.T) {
	n := started(t)
	n.fill(4)
	n.clock.advance(time.Hour)
	n.maxBytes.Store(1)
	n.retain()
	require.Equal(t, uint64(0), n.Start(), "nothing is durably applied yet")
	n.SetDurableApplied(2*testSegment + 1)
	n.SetDurableApplied(5) // late news of an older flush
	n.SetDurableApplied(n.End() + 1)
	n.retain()
	require.Equal(t, uint64(2*testSegment), n.Start())
}

// TestNewsOfAReplacedKeyspaceIsIgnored: its last flush may be told after the switch.
func TestNewsOfAReplacedKeyspaceIsIgnored(t *testing.T) {
	n := started(t)
	n.fill(6)
	require.NoError(t, n.BeginGeneration(2, []History{{ID: id('a')}}, 0))
	n.fill(6)
	n.clock.advance(time.Hour)
	n.SetDurableAppliedOf(1, 5*testSegment)
	n.retain()
	require.Equal(t, uint64(0), n.Start())
	n.SetDurableAppliedOf(2, 3*testSegment)
	n.retain()
	require.Equal(t, uint64(3*testSegment), n.Start())
}

func TestRetentionKeepsMinBytes(t *testing.T) {
	n, _ := filled(t, 4)
	n.minBytes.Store(int64(testSegment + len("live")))
	n.retain()
	require.Equal(t, uint64(3*testSegment), n.Start())
}

func TestPinHoldsUntilReleasedOrMoved(t *testing.T) {
	n, _ := filled(t, 4)
	p, err := n.Pin("transfer", testSegment+5)
	require.NoError(t, err)
	n.retain()
	require.Equal(t, uint64(testSegment), n.Start())
	p.Move(2 * testSegment)
	p.Move(3) // never back
	require.Equal(t, uint64(2*testSegment), p.Offset())
	n.retain()
	require.Equal(t, uint64(2*testSegment), n.Start())
	_, err = n.Pin("late", testSegment)
	require.ErrorIs(t, err, wal.ErrTrimmed)
	require.False(t, p.Lost())
	p.Release()
	p.Release()
	n.retain()
	require.Equal(t, uint64(4*testSegment), n.Start())
	require.Zero(t, n.Stats().PinsLost)
}

func TestMaxBytesTakesAPinsLog(t *testing.T) {
	n, _ := filled(t, 4)
	p, err := n.Pin("slow transfer", 7)
	require.NoError(t, err)
	c, err := n.OpenCursor("slow replica", 9)
	require.NoError(t, err)
	defer c.Close()
	fast, err := n.OpenCursor("fast replica", n.End())
	require.NoError(t, err)
	defer fast.Close()
	n.NoteReplica(id('a'), "h:1", 9)
	n.maxBytes.Store(1)
	n.retain()
	require.Equal(t, uint64(4*testSegment), n.Start())
	require.True(t, p.Lost())
	require.True(t, c.Lost())
	require.False(t, fast.Lost())
	require.Equal(t, uint64(3), n.Stats().PinsLost, "the pin, the cursor, the named replica")
	for _, name := range []string{"slow transfer", "slow replica", id('a')} {
		require.Contains(t, n.logs.String(), name)
	}
	require.Contains(t, n.logs.String(), "repl-backlog-max-size")
	_, err = c.Read(waitCtx(t), make([]byte, 10))
	require.ErrorIs(t, err, wal.ErrTrimmed)

	// What cannot be had any more holds nothing, and is reported once. Nor is a newcomer that needs all of it.
	n.NoteReplica(id('b'), "h:2", 0)
	n.fill(1)
	n.SetDurableApplied(n.End())
	n.retain()
	require.Equal(t, uint64(3), n.Stats().PinsLost)
}

// TestLostCursorFinishesTheSegmentItReads: losing the pin is only an error once dropped bytes are needed.
func TestLostCursorFinishesTheSegmentItReads(t *testing.T) {
	n, _ := filled(t, 3)
	c, err := n.OpenCursor("slow", 0)
	require.NoError(t, err)
	defer c.Close()
	readN(t, c, 10, 10)
	n.maxBytes.Store(1)
	n.retain()
	require.True(t, c.Lost())
	readN(t, c, testSegment-10, 100)
	_, err = c.Read(waitCtx(t), make([]byte, 10))
	require.ErrorIs(t, err, wal.ErrTrimmed)
}

func TestNamedReplicaHoldsWhileSeenLately(t *testing.T) {
	n, _ := filled(t, 4)
	n.NoteReplica(id('a'), "h:1", testSegment+1)
	n.NoteReplica(id('b'), "h:2", n.End())
	n.retain()
	require.Equal(t, uint64(testSegment), n.Start())

	// The note outlives a restart, but not its age.
	require.NoError(t, n.Close(true))
	n.open()
	n.SetDurableApplied(n.End())
	n.retain()
	require.Equal(t, uint64(testSegment), n.Start())
	n.clock.advance(time.Hour - time.Millisecond)
	n.retain()
	require.Equal(t, uint64(testSegment), n.Start())
	n.clock.advance(time.Millisecond)
	n.retain()
	require.Equal(t, uint64(4*testSegment), n.Start())
	require.Zero(t, n.Stats().PinsLost, "one that stayed away too long is no event")
}

func TestForgottenReplicaHoldsNothing(t *testing.T) {
	n, _ := filled(t, 4)
	n.NoteReplica(id('a'), "h:1", 1)
	n.retain()
	require.Equal(t, uint64(0), n.Start())
	require.NoError(t, n.ForgetReplica(id('a')))
	n.retain()
	require.Equal(t, uint64(4*testSegment), n.Start())
}

// TestKeeperRunsByItself on kicks: no ticker in this test.
func TestKeeperRunsByItself(t *testing.T) {
	n := newNode(t)
	n.keeperEvery = time.Hour
	n.maxAge.Store(0)
	n.open()
	n.fill(3)
	n.SetDurableApplied(n.End())
	require.Eventually(t, func() bool { return n.Log().Start() >= 2*testSegment }, 10*time.Second, time.Millisecond)
	n.fill(3)
	n.SetDurableApplied(n.End())
	require.Eventually(t, func() bool { return n.Log().Start() >= 5*testSegment }, 10*time.Second, time.Millisecond)
}

func TestHistoriesAreTrimmedWithTheLog(t *testing.T) {
	n := started(t)
	for range 4 {
		n.fill(1)
		_, err := n.StartHistory()
		require.NoError(t, err)
	}
	n.write("live")
	require.Len(t, n.Histories(), 5)
	n.clock.advance(time.Hour)
	n.SetDurableApplied(n.End())
	n.retain()
	n.trimHistories()
	require.Equal(t, uint64(4*testSegment), n.Start())
	want := n.Histories()
	require.Len(t, want, 2, "the current one and the previous one for master_replid2")
	r, _ := n.Check(Pos{want[0].ID, 4 * testSegment})
	require.Equal(t, Accepted, r)
	require.Equal(t, want, n.crashed(0).open().Histories())
}

// TestSegmentThatCannotBeRemoved: the bytes count as dropped (no pin can be taken on them), and removal is tried again.
func TestSegmentThatCannotBeRemoved(t *testing.T) {
	n := newNode(t)
	boom := errors.New("boom")
	fail := true
	o := n.options()
	o.FS = errorfs.Wrap(n.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail && op.Kind == errorfs.OpRemove {
			return boom
		}
		return nil
	}))
	b, err := Open(o)
	require.NoError(t, err)
	n.Backlog = b
	defer func() { require.NoError(t, b.Close(true)) }()
	n.fill(2)
	n.SetDurableApplied(n.End())
	n.clock.advance(time.Hour)
	n.retain()
	require.Contains(t, n.logs.String(), "could not remove old log segments")
	require.Equal(t, uint64(0), n.Log().Start())
	require.Equal(t, uint64(testSegment), n.Start())
	_, err = n.Pin("x", 5)
	require.ErrorIs(t, err, wal.ErrTrimmed)
	fail = false
	n.retain()
	require.Equal(t, uint64(testSegment), n.Log().Start())
}
