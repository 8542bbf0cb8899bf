package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/wal"
	"replogd/wal/crashfs"
)

// crashWrite is one write of the crash test and the offset behind it.
type crashWrite struct {
	key string
	n   int // value after it; 0: deleted
	end uint64
}

// After a power cut at any moment the keyspace is exactly the log's prefix, nothing acknowledged under `always` is missing, and
// the store never stands ahead of the log (Open would refuse).
func TestPowerCutLeavesExactlyAPrefix(t *testing.T) {
	for seed := range uint64(12) {
		policy := []wal.SyncPolicy{wal.SyncAlways, wal.SyncEverySecond, wal.SyncNo}[seed%3]
		t.Run(fmt.Sprintf("seed=%d/policy=%d", seed, policy), func(t *testing.T) { powerCut(t, seed, policy) })
	}
}

func powerCut(t *testing.T, seed uint64, policy wal.SyncPolicy) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := crashfs.New()
	n := openNode(t, fs, t.TempDir()+"/meta.db", policy, smallStore).lead()
	defer n.close()

	var writes []crashWrite
	acked := uint64(0)
	counts := map[string]int{}
	for i := range 1500 + rng.IntN(1500) {
		key := fmt.Sprintf("k%d", rng.IntN(40))
		line := "INCR " + key
		if rng.IntN(10) == 0 {
			line, counts[key] = "DEL "+key, 0
		} else {
			counts[key]++
		}
		n.exec(&n.client, line, fmt.Sprintf("SET fill%d %s", rng.IntN(50), bulk(100+rng.IntN(400))))
		writes = append(writes, crashWrite{key: key, n: counts[key], end: n.client.LastWrite})
		if i%50 == 0 || policy == wal.SyncAlways && i%7 == 0 {
			require.NoError(t, n.b.WaitSafe(context.Background(), n.client.Need))
			acked = n.client.Need
		}
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rand.New(rand.NewPCG(seed, 2))})
	if policy != wal.SyncAlways {
		acked = 0
	}
	checkPrefix(t, clone, copyMeta(t, n.meta), policy, writes, acked)
}

func checkPrefix(t *testing.T, fs vfs.FS, meta string, policy wal.SyncPolicy, writes []crashWrite, acked uint64) {
	t.Helper()
	n := openNode(t, fs, meta, policy, smallStore).lead()
	defer n.close()
	end := n.b.End()
	require.Equal(t, end, n.e.Applied())
	require.GreaterOrEqual(t, end, acked, "an acknowledged write is gone")
	want := map[string]int{}
	for _, w := range writes {
		if w.end <= end {
			want[w.key] = w.n
		}
	}
	for key, count := range want {
		reply := "$-1\r\n"
		if count > 0 {
			text := fmt.Sprint(count)
			reply = fmt.Sprintf("$%d\r\n%s\r\n", len(text), text)
		}
		require.Equal(t, reply, n.do("GET "+key), "%s at offset %d", key, end)
	}
}

// kill -9: what the OS was given survives, whatever was synced.
func TestKillKeepsEverythingWritten(t *testing.T) {
	fs := crashfs.New()
	n := openNode(t, fs, t.TempDir()+"/meta.db", wal.SyncEverySecond, smallStore).lead()
	defer n.close()
	for i := range 2000 {
		n.do(fmt.Sprintf("INCR k%d", i%37))
	}
	want, end := n.digest(), n.b.End()
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	again := openNode(t, clone, copyMeta(t, n.meta), wal.SyncEverySecond, smallStore)
	defer again.close()
	require.Equal(t, end, again.b.End())
	require.Equal(t, want, again.digest())
}

func TestRestartKeepsEverything(t *testing.T) {
	n := newNode(t, smallStore).lead()
	for i := range 500 {
		n.do(fmt.Sprintf("SET k%d v%d", i, i))
	}
	n.do("PEXPIREAT k1 9999999999999")
	n.client.DB = 5
	n.do("SET other 1")
	n.do("SWAPDB 5 6")
	want, end := n.digest(), n.b.End()
	n.close()
	require.NoError(t, n.open(smallStore))
	defer n.close()
	require.Equal(t, end, n.e.Applied())
	require.Equal(t, want, n.digest())
	stats := n.e.DBStats()
	require.Equal(t, DBStats{Keys: 500, Expires: 1}, stats[0])
	require.Equal(t, DBStats{Keys: 1}, stats[6])
}
