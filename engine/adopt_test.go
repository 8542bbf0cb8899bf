package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/backlog"
	"replogd/wal"
	"replogd/wal/crashfs"
)

// ship copies a checkpoint to a receiver's incoming folder, durably, as a transfer does.
func ship(t *testing.T, from vfs.FS, c *Checkpoint, to vfs.FS, dir string) {
	t.Helper()
	require.NoError(t, to.MkdirAll(dir, 0o755))
	for _, file := range c.Files {
		in, err := from.Open(from.PathJoin(c.Dir, file.Name))
		require.NoError(t, err)
		out, err := to.Create(to.PathJoin(dir, file.Name), vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		n, err := io.Copy(out, in)
		require.NoError(t, err)
		require.Equal(t, file.Size, n)
		require.NoError(t, out.Sync())
		require.NoError(t, out.Close())
		require.NoError(t, in.Close())
	}
	for d := dir; ; d = to.PathDir(d) {
		f, err := to.OpenDir(d)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		if d == "/" {
			return
		}
	}
}

func filledLeader(t *testing.T) (*testNode, *Checkpoint) {
	n := newNode(t, smallStore).lead()
	for i := range 3000 {
		n.exec(&n.client, fmt.Sprintf("SET key%d %s", i, bulk(100)), fmt.Sprintf("INCR n%d", i%10))
	}
	n.client.DB = 2
	n.do("SET two 2 PXAT 9999999999999")
	c, err := n.e.Checkpoint(context.Background())
	require.NoError(t, err)
	return n, c
}

func TestAdoptedCheckpointContinuesWithTheLog(t *testing.T) {
	leader, c := filledLeader(t)
	defer leader.close()
	defer c.Release()
	require.Equal(t, 2, c.StreamDB)
	leader.do("SET after 1")

	follower := newNode(t, smallStore).lead()
	defer follower.close()
	follower.do("SET mine 1")
	follower.follow()
	ship(t, leader.fs, c, follower.fs, "/node/incoming/x")
	require.NoError(t, follower.e.Adopt(context.Background(), "/node/incoming/x", c.Offset, c.Histories))
	require.Equal(t, c.Offset, follower.e.Applied())
	require.Equal(t, "$-1\r\n", follower.do("GET mine"))
	follower.receive(leader.stream(c.Offset))
	require.Equal(t, leader.digest(), follower.digest())
	require.Equal(t, leader.b.End(), follower.b.End())

	// And it survives a restart.
	follower.close()
	require.NoError(t, follower.open(smallStore))
	require.Equal(t, leader.digest(), follower.digest())
}

// A full sync's link can be cut at any moment: the keyspace that it has replaced must not stay open for that.
func TestTheReplacedKeyspaceGoesWithItsLastReader(t *testing.T) {
	leader, c := filledLeader(t)
	defer leader.close()
	defer c.Release()
	for _, withReader := range []bool{false, true} {
		for range 8 {
			n := newNode(t, smallStore).lead()
			n.do("SET mine 1")
			n.follow()
			ship(t, leader.fs, c, n.fs, "/node/incoming/x")
			old, reader := n.e.ds.Load(), n.e.Snapshot()
			if !withReader {
				reader.Close()
			}
			cut, cancel := context.WithCancel(context.Background())
			cancel()
			require.NoError(t, n.e.Adopt(cut, "/node/incoming/x", c.Offset, c.Histories))
			if withReader {
				_, err := n.fs.Stat(old.dir)
				require.NoError(t, err, "its reader is still there")
				reader.Close()
			}
			require.Eventually(t, func() bool { _, err := n.fs.Stat(old.dir); return errors.Is(err, fs.ErrNotExist) }, 10*time.Second, time.Millisecond)
			n.close()
		}
	}
}

func TestAdoptRefusesWhatDoesNotStandWhereItShould(t *testing.T) {
	leader, c := filledLeader(t)
	defer leader.close()
	defer c.Release()
	follower := newNode(t, smallStore).lead()
	defer follower.close()
	follower.do("SET mine 1")
	require.ErrorIs(t, follower.e.Adopt(context.Background(), "/node/incoming/x", c.Offset, c.Histories), ErrNotFollowing)
	follower.follow()
	ship(t, leader.fs, c, follower.fs, "/node/incoming/x")
	require.ErrorContains(t, follower.e.Adopt(context.Background(), "/node/incoming/x", c.Offset+1, c.Histories), "manifest says")
	require.Equal(t, "$1\r\n1\r\n", follower.do("GET mine"), "the old data stays")
}

// Power is cut before every single change of the file system that an adoption makes: what comes up is the old keyspace or the new
// one, whole, and never neither.
func TestACrashWithinAdoptLeavesOldOrNew(t *testing.T) {
	leader, c := filledLeader(t)
	defer leader.close()
	defer c.Release()
	outcomes := map[string]int{}
	for step := 1; ; step++ {
		done := crashInAdopt(t, leader, c, step, outcomes)
		if done {
			break
		}
	}
	require.Positive(t, outcomes["old"])
	require.Positive(t, outcomes["new"])
}

func crashInAdopt(t *testing.T, leader *testNode, c *Checkpoint, step int, outcomes map[string]int) (done bool) {
	mem := crashfs.New()
	fs := &stepFS{FS: mem}
	n := openNode(t, fs, t.TempDir()+"/meta.db", wal.SyncAlways, smallStore).lead()
	defer n.close()
	n.do("SET mine 1")
	old := n.digest()
	n.follow()
	ship(t, leader.fs, c, fs, "/node/incoming/x")

	var clone vfs.FS
	var meta string
	fs.arm(step, func() {
		clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (step % 3), RNG: rand.New(rand.NewPCG(uint64(step), 3))})
		meta = copyMeta(t, n.meta)
	})
	require.NoError(t, n.e.Adopt(context.Background(), "/node/incoming/x", c.Offset, []backlog.History(c.Histories)))
	fs.disarm()
	if clone == nil {
		return true
	}
	again := openNode(t, clone, meta, wal.SyncAlways, smallStore)
	defer again.close()
	switch again.digest() {
	case old:
		outcomes["old"]++
	case leader.digest():
		outcomes["new"]++
		require.Equal(t, c.Offset, again.b.End())
	default:
		t.Fatalf("step %d: neither the old keyspace nor the new one came up", step)
	}
	return false
}
