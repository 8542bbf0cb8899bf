package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
)

func TestTheLeaderRemovesExpiredKeysAndSaysSo(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	const count = 3 * expiryBatch
	n.do("SET stays 1")
	from := n.b.End()
	soon := time.Now().Add(50 * time.Millisecond).UnixMilli()
	for i := range count {
		n.exec(&n.client, fmt.Sprintf("SET k%d v PXAT %d", i, soon+int64(i%20)))
	}
	require.Eventually(t, func() bool { return n.e.DBStats()[0] == DBStats{Keys: 1} }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, uint64(count), n.e.Stats().ExpiredKeys)
	require.Zero(t, countRows(t, n.e, keys.TagExpiry))

	follower := newNode(t).follow()
	defer follower.close()
	follower.receive(n.stream(0))
	require.Equal(t, n.digest(), follower.digest())
	require.NotEmpty(t, n.stream(from))
}

func TestAKeyWhoseExpiryMovedIsNotRemovedEarly(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	n.do(fmt.Sprintf("SET a v PXAT %d", time.Now().Add(30*time.Millisecond).UnixMilli()))
	n.do("PEXPIREAT a 9999999999999")
	n.do(fmt.Sprintf("SET b v PXAT %d", time.Now().Add(30*time.Millisecond).UnixMilli()))
	require.Eventually(t, func() bool { return n.e.DBStats()[0].Keys == 1 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "$1\r\nv\r\n", n.do("GET a"))
}

// A flush costs nothing at the time, and the rows go in the background.
func TestFlushedDatabasesAreReclaimed(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	for round := range 20 {
		for i := range 50 {
			n.exec(&n.client, fmt.Sprintf("SET k%d-%d v PXAT 9999999999999", round, i))
		}
		n.do("FLUSHALL")
	}
	n.do("SET left 1")
	require.NoError(t, n.e.Flush(t.Context())) // it is files that are reclaimed
	require.Eventually(t, func() bool {
		return countRows(t, n.e, keys.TagKey) == 1 && countRows(t, n.e, keys.TagExpiry) == 0 && n.e.Stats().ReclaimPending == 0
	}, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, DBStats{Keys: 1}, n.e.DBStats()[0])
}

func countRows(t *testing.T, e *Engine, tag byte) (count int) {
	t.Helper()
	ds := e.acquire()
	defer ds.release()
	v := ds.view()
	defer v.close()
	it, err := v.iter([]byte{tag}, []byte{tag + 1})
	require.NoError(t, err)
	for ok := it.first(); ok; ok = it.next() {
		count++
	}
	require.NoError(t, it.close())
	return count
}

func TestExpiredKeysStayWhileExpiryIsHeld(t *testing.T) {
	var held atomic.Bool
	held.Store(true)
	n := newNode(t, func(o *Options) { o.HoldExpiry = held.Load }).lead()
	defer n.close()
	n.do(fmt.Sprintf("SET a v PXAT %d", time.Now().Add(10*time.Millisecond).UnixMilli()))
	end := n.b.End()
	require.Eventually(t, func() bool { return n.do("GET a") == "$-1\r\n" }, 10*time.Second, time.Millisecond)
	require.Never(t, func() bool { return n.b.End() != end }, 3*expiryEvery, expiryEvery/2)
	held.Store(false)
	require.Eventually(t, func() bool { return n.e.DBStats()[0].Keys == 0 }, 10*time.Second, 5*time.Millisecond)
}
