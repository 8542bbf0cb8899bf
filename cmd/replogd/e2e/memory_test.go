package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	stoppedValueBytes  = 16 << 10
	stoppedKeys        = 2048
	stoppedPipeline    = 64
	stoppedGrowthLimit = 64 << 20
	shortStoppedBytes  = 128 << 20
	longStoppedBytes   = 2 << 30
	stoppedWarmUpBytes = 96 << 20 // fills caches and memtables to their configured sizes
)

// TestStoppedReplicaCostsNoMemory: a replica that does not read costs its master disk, never memory, and resumes where it stopped.
func TestStoppedReplicaCostsNoMemory(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	total := int64(shortStoppedBytes)
	if longRun() {
		total = longStoppedBytes
	}
	master := newNode(t, "master").start()
	replica := newNode(t, "replica", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start()
	replica.waitLinkUp()

	writeRandom(t, master, stoppedWarmUpBytes)
	waitSame(t, master, replica)
	replica.signal(syscall.SIGSTOP)
	before := residentBytes(t, master)
	var peak int64
	for written := int64(0); written < total; written += 16 << 20 {
		writeRandom(t, master, 16<<20)
		peak = max(peak, residentBytes(t, master))
	}
	t.Logf("resident memory of the master: %d MB before, %d MB at most while %d MB were written past a stopped replica",
		before>>20, peak>>20, total>>20)
	require.Less(t, peak-before, int64(stoppedGrowthLimit))

	full := master.number("sync_full")
	replica.signal(syscall.SIGCONT)
	waitSame(t, master, replica)
	replica.waitLinkUp()
	require.Equal(t, full, master.number("sync_full"), "the replica resumes, it does not start over")
}

// writeRandom overwrites a bounded set of keys with values that do not compress.
func writeRandom(t testing.TB, n *node, total int64) {
	t.Helper()
	rng := rand.NewChaCha8([32]byte(bytes.Repeat([]byte{7}, 32)))
	value := make([]byte, stoppedValueBytes)
	for written := int64(0); written < total; {
		pipe := n.client().Pipeline()
		for range stoppedPipeline {
			_, _ = rng.Read(value)
			pipe.Set(context.Background(), "random:"+strconv.FormatInt(written/stoppedValueBytes%stoppedKeys, 10), bytes.Clone(value), 0)
			written += stoppedValueBytes
		}
		_, err := pipe.Exec(context.Background())
		require.NoError(t, err)
	}
}

// residentBytes is VmRSS: everything the process holds, whoever allocated it.
func residentBytes(t testing.TB, n *node) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			require.NoError(t, err)
			return kb << 10
		}
	}
	t.Fatalf("no VmRSS in the status of process %d", n.pid)
	return 0
}
