package engine

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/wal"
	"replogd/wal/crashfs"
)

// Power is cut before every single change of the file system that a rewind makes: the data is the same whatever comes up, and the log ends
// where it did or where it was to.
func TestACrashWithinRewindLosesNothing(t *testing.T) {
	ends := map[string]int{}
	for step := 1; !crashInRewind(t, step, ends); step++ {
	}
	require.Positive(t, ends["old"])
	require.Positive(t, ends["new"])
}

func crashInRewind(t *testing.T, step int, ends map[string]int) (done bool) {
	mem := crashfs.New()
	fs := &stepFS{FS: mem}
	n := openNode(t, fs, t.TempDir()+"/meta.db", wal.SyncAlways, smallStore).lead()
	defer n.close()
	for range 20 {
		n.do("RPUSH list " + bulk(100))
	}
	fork := n.b.End()
	for range 3 {
		_, err := n.e.AppendNoop(resp.AppendCommandStrings(nil, "PING"))
		require.NoError(t, err)
	}
	end := n.b.End()
	require.NoError(t, n.b.WaitSynced(context.Background(), end))
	want := n.digest()
	n.follow()

	var clone vfs.FS
	var meta string
	fs.arm(step, func() {
		clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (step % 3), RNG: rand.New(rand.NewPCG(uint64(step), 3))})
		meta = copyMeta(t, n.meta)
	})
	require.NoError(t, n.e.Rewind(context.Background(), fork, n.b.Histories()))
	fs.disarm()
	require.Equal(t, fork, n.b.End())
	require.Equal(t, want, n.digest())
	if clone == nil {
		return true
	}
	again := openNode(t, clone, meta, wal.SyncAlways, smallStore)
	defer again.close()
	require.Equal(t, want, again.digest(), "step %d", step)
	switch again.b.End() {
	case end:
		ends["old"]++
	case fork:
		ends["new"]++
	default:
		t.Fatalf("step %d: the log ends at %d, neither at %d nor at %d", step, again.b.End(), end, fork)
	}
	return false
}
