package backlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"replogd/wal"
)

// chronicle is what the world outside remembers of one node over its crashes.
type chronicle struct {
	t       *testing.T
	n       *node
	rng     *rand.Rand
	written int // unique words so far

	appended string // all of this run's stream, durable or not
	acked    int    // bytes that were acknowledged as the policy says
	synced   int    // bytes known to be fsynced

	replica string // the bytes a replica has received
	id      string // the history it believes to be on
	cur     *Cursor
}

// TestNoBytesAreLostOrConfusedOverCrashes drives a leader with a replica through random writes, policy changes and crashes,
// both kill -9 and power cuts, and checks after each restart that
//   - the log holds exactly a prefix of what was appended, with everything that was acknowledged as safe against that crash,
//   - the replica is accepted if and only if its bytes are a prefix of the log, although the leader, wherever it lost a tail,
//     has gone on writing other bytes at the same offsets.
func TestNoBytesAreLostOrConfusedOverCrashes(t *testing.T) {
	lostTails, forks := 0, 0
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := &chronicle{t: t, n: newNode(t), rng: rand.New(rand.NewPCG(seed, 7))}
			c.n.setPolicy(wal.SyncPolicy(c.rng.IntN(3)))
			c.n.open()
			require.NoError(t, c.n.SetRole(true))
			c.id = c.n.Current().ID
			c.attach(0)
			for range 4 {
				for range c.rng.IntN(12) {
					c.step()
				}
				lost, forked := c.crash()
				if lost {
					lostTails++
				}
				if forked {
					forks++
				}
			}
			c.cur.Close()
		})
	}
	require.Positive(t, lostTails, "the test must have met a lost tail")
	require.Positive(t, forks, "and a replica that had bytes of it")
}

func (c *chronicle) attach(off uint64) {
	var err error
	c.cur, err = c.n.OpenCursor("replica", off)
	require.NoError(c.t, err)
}

func (c *chronicle) step() {
	ctx := context.Background()
	switch c.rng.IntN(8) {
	case 0, 1, 2: // write, and mostly wait for the acknowledgement
		c.written++
		word := fmt.Sprintf("<%d%s>", c.written, strings.Repeat("x", c.rng.IntN(200)))
		end, err := c.n.Append(wal.KindData, []byte(word))
		require.NoError(c.t, err)
		c.appended += word
		if c.rng.IntN(3) > 0 {
			require.NoError(c.t, c.n.WaitSafe(ctx, end))
			c.acked = len(c.appended)
		}
	case 3, 4: // ship
		if safe := c.n.Safe(); safe > c.cur.Offset() {
			p := make([]byte, 1+c.rng.IntN(300))
			k, err := c.cur.Read(ctx, p)
			require.NoError(c.t, err)
			c.replica += string(p[:k])
		}
	case 5:
		require.NoError(c.t, c.n.WaitSynced(ctx, c.n.End()))
	case 6: // change the policy, with or without telling in advance
		p := wal.SyncPolicy(c.rng.IntN(3))
		if p != wal.SyncAlways && c.rng.IntN(2) == 0 {
			require.NoError(c.t, c.n.SetUnsafeShipping())
		}
		c.n.setPolicy(p)
	case 7:
		if c.rng.IntN(4) == 0 {
			_, err := c.n.StartHistory()
			require.NoError(c.t, err)
			c.id = c.n.Current().ID
		}
	}
	c.synced = int(c.n.Synced())
}

// crash ends the run, in one of three ways, and begins the next.
func (c *chronicle) crash() (lost, forked bool) {
	survives, atLeast, clean := 100, max(c.acked, int(c.n.Written())), false
	switch c.rng.IntN(4) {
	case 0:
		clean = true
		require.NoError(c.t, c.n.Close(true))
		atLeast = len(c.appended)
	case 1, 2:
		survives, atLeast = c.rng.IntN(100), c.synced
	}
	next := c.n.crashed(survives)
	c.cur.Close()
	if err := c.n.Close(false); err != nil {
		require.ErrorIs(c.t, err, ErrClosed)
	}
	c.n = next.open()
	end := int(next.End())
	require.GreaterOrEqual(c.t, end, atLeast)
	require.LessOrEqual(c.t, end, len(c.appended))
	stream := next.stream(0)
	require.Equal(c.t, c.appended[:end], stream)
	require.Equal(c.t, !clean, next.Unclean())

	lost = next.LostTailPossible()
	if len(c.replica) > end {
		require.True(c.t, lost, "a replica holds bytes that are gone")
	}
	if next.MustStartHistory() {
		_, err := next.StartHistory()
		require.NoError(c.t, err)
	}
	require.NoError(c.t, next.SetRole(true))

	// Write past where the lost bytes were, then let the replica ask.
	c.written++
	stream += fmt.Sprintf("<after crash %d %s>", c.written, strings.Repeat("y", 300))
	_, err := next.Append(wal.KindData, []byte(stream[end:]))
	require.NoError(c.t, err)
	require.NoError(c.t, next.WaitSynced(context.Background(), next.End()))
	pos := Pos{c.id, uint64(len(c.replica))}
	cur, r, detail, err := next.Continue("replica", pos)
	require.NoError(c.t, err)
	require.Equal(c.t, strings.HasPrefix(stream, c.replica), r == Accepted, detail)
	if r != Accepted {
		require.Equal(c.t, Forked, r, detail)
		forked = true
		c.replica = stream // the full sync
		cur, err = next.OpenCursor("replica", next.End())
		require.NoError(c.t, err)
	}
	c.cur, c.id = cur, next.Current().ID
	c.appended, c.acked, c.synced = stream, len(stream), len(stream)
	return lost, forked
}

// TestFailedFsyncIsFinal: nothing is acknowledged or shipped after it.
func TestFailedFsyncIsFinal(t *testing.T) {
	n, fail := failingNode(t)
	n.write("good")
	c, err := n.OpenCursor("x", 0)
	require.NoError(t, err)
	defer c.Close()
	fail.Store(true)
	end, err := n.Append(wal.KindData, []byte("bad"))
	require.NoError(t, err)
	require.ErrorIs(t, n.WaitSafe(waitCtx(t), end), wal.ErrFailed)
	require.ErrorIs(t, n.Health(), wal.ErrFailed)
	_, err = c.Read(waitCtx(t), make([]byte, 10))
	require.ErrorIs(t, err, wal.ErrFailed)
	_, err = n.Append(wal.KindData, []byte("more"))
	require.ErrorIs(t, err, wal.ErrFailed)
	require.Equal(t, end, n.End(), "what was refused is not in the stream")
	fail.Store(false)
	require.ErrorIs(t, n.WaitSafe(waitCtx(t), end), wal.ErrFailed)
	err = n.Close(true)
	require.ErrorIs(t, err, wal.ErrFailed)

	next := n.crashed(0).open()
	require.True(t, next.Unclean(), "such a shutdown is not a clean one")
	require.Equal(t, "good", next.stream(0))
}

// TestSwitchOnAFullDisk: as TestFailedSwitchStopsTheLog, but the log itself would go on.
func TestSwitchOnAFullDisk(t *testing.T) {
	n := newNode(t)
	var full atomic.Bool
	o := n.options()
	o.FS = errorfs.Wrap(n.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	}))
	b, err := Open(o)
	require.NoError(t, err)
	n.Backlog = b
	n.write(strings.Repeat("long old log ", 10))
	full.Store(true)
	require.ErrorContains(t, n.BeginGeneration(2, []History{{id('a'), 0}}, 50), "restart the server to finish")
	full.Store(false)
	_, err = n.Append(wal.KindData, []byte("x"))
	require.Error(t, err)
	require.NoError(t, n.Close(true))
	next := n.crashed(100).open()
	require.Equal(t, uint64(2), next.Generation())
	require.Equal(t, uint64(50), next.End())
	require.True(t, next.Unclean())
}

// TestFailedSwitchStopsTheLog: meta.db is on the new generation, the log could not follow.
func TestFailedSwitchStopsTheLog(t *testing.T) {
	n, fail := failingNode(t)
	n.write("old")
	fail.Store(true)
	err := n.BeginGeneration(2, []History{{id('a'), 0}}, 50)
	require.ErrorContains(t, err, "restart the server to finish")
	_, aerr := n.Append(wal.KindData, []byte("x"))
	require.Error(t, aerr)
	require.Error(t, n.Health())
	require.Error(t, n.SetRole(true))
	require.Error(t, n.AdoptHistories(append(n.Histories(), History{id('b'), 3})), "it would mix two generations")
	_, perr := n.Pin("x", 0)
	require.ErrorIs(t, perr, wal.ErrTrimmed)
	fail.Store(false)
	_ = n.Close(true) // whatever it says, this is no clean end
	next := n.crashed(100).open()
	require.Equal(t, uint64(2), next.Generation())
	require.Equal(t, uint64(50), next.End())
	require.True(t, next.Unclean())
}
