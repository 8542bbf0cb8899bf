package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/wal"
)

// try runs command lines in one call of TryExec.
func (n *testNode) try(w *resp.Writer, lines ...string) (answered int) {
	n.t.Helper()
	var reqs []Request
	for _, line := range lines {
		args := splitLine(line)
		require.NotNil(n.t, Lookup(args[0]), line)
		reqs = append(reqs, Request{Cmd: Lookup(args[0]), Args: args})
	}
	return n.e.TryExec(context.Background(), &n.client, reqs, w)
}

func TestTryExecAnswersWhatNeedsNoWaiting(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	var w resp.Writer
	require.Equal(t, 5, n.try(&w, "SET a 1", "INCR a", "GET a", "RPUSH l x y", "LRANGE l 0 -1"))
	require.Equal(t, "+OK\r\n:2\r\n$1\r\n2\r\n:2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n", string(w.Bytes()))
	require.Equal(t, n.b.End(), n.client.Need)
}

// A reply longer than the limit is taken back, and neither it nor what follows counts as run.
func TestTryExecStopsAtALongReply(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	for range 100 {
		n.do("RPUSH l " + bulk(100))
	}
	lrange := Lookup([]byte("lrange"))
	calls := lrange.Calls.Load()
	w := resp.Writer{Limit: 2000}
	require.Equal(t, 2, n.try(&w, "SET a 1", "LRANGE l 0 9", "LRANGE l 0 -1", "SET a 2"))
	require.True(t, strings.HasPrefix(string(w.Bytes()), "+OK\r\n*10\r\n"))
	require.Equal(t, len("+OK\r\n*10\r\n")+10*len("$100\r\n\r\n")+10*100, w.Len())
	require.False(t, w.Torn())
	require.EqualValues(t, calls+1, lrange.Calls.Load())
	require.Equal(t, "$1\r\n1\r\n", n.do("GET a"))
}

// While writers have to wait, TryExec runs reads only.
func TestTryExecDoesNotWaitForTheStore(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	n.do("SET a 1")
	n.e.throttle.delay.Store(1)
	var w resp.Writer
	require.Equal(t, 1, n.try(&w, "GET a", "SET a 2", "GET a"))
	require.Equal(t, "$1\r\n1\r\n", string(w.Bytes()))
	n.e.throttle.delay.Store(0)
	require.Equal(t, 2, n.try(&w, "SET a 2", "GET a"))
}

// What might have to come from the disk is left to Exec: rows that are neither in the row cache nor known to be absent, and, once the store is
// larger than memory, commands that look further than at keys.
func TestTryExecDoesNotReadFromTheDisk(t *testing.T) {
	cold := func(o *Options) { o.RowCacheBytes, o.RowFilterBytes = minCacheBytes, -1 } // no survey warms it
	n := openNode(t, vfs.NewMem(), t.TempDir()+"/meta.db", wal.SyncEverySecond, smallStore, cold)
	n.lead()
	n.do("SET cold 1")
	n.do("HSET h f v")
	n.close()
	require.NoError(t, n.open(smallStore, cold))
	n.lead()
	defer n.close()
	n.e.ds.Load().fileBytes.Store(1 << 40) // as if it were so large
	var w resp.Writer
	require.Zero(t, n.try(&w, "GET cold", "GET cold"))
	require.Zero(t, n.try(&w, "INCR cold"))
	require.Equal(t, "$1\r\n1\r\n", n.do("GET cold"))
	require.Equal(t, 2, n.try(&w, "GET cold", "INCR cold"), "it is in the row cache now")
	require.Equal(t, "$1\r\nv\r\n", n.do("HGET h f"))
	require.Zero(t, n.try(&w, "HGET h f"))
	require.Equal(t, "$1\r\n1\r\n:2\r\n", string(w.Bytes()))
}
