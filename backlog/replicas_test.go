package backlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReplicaNotes(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	n.NoteReplica(strings.ToUpper(id('a')), "h:1", 4)
	n.NoteReplica("not an id", "h:2", 4)
	n.NoteReplica(id('b'), strings.Repeat("x", 1000), 5)
	n.clock.advance(time.Second)
	n.NoteReplica(id('a'), "h:3", 7)
	rs := n.Replicas()
	require.Len(t, rs, 2)
	require.Equal(t, Replica{ID: id('a'), Addr: "h:3", Ack: 7, LastSeen: n.clock.now()}, rs[0])
	require.Len(t, rs[1].Addr, maxReplicaAddr)

	require.NoError(t, n.Close(true))
	n.open()
	require.Equal(t, rs, n.Replicas())
	require.NoError(t, n.ForgetReplica(id('a')))
	require.NoError(t, n.ForgetReplica(id('f')), "nobody by that name is no error")
	require.Error(t, n.ForgetReplica("?"))
	require.Len(t, n.crashed(0).open().Replicas(), 1, "forgetting is durable at once")
}

// TestNotesAreFlushedNowAndThen: not with every ACK, and only if something changed.
func TestNotesAreFlushedNowAndThen(t *testing.T) {
	n := started(t)
	n.NoteReplica(id('a'), "h:1", 1)
	n.housekeep()
	tx := metaTx(n)
	for range 10 {
		n.NoteReplica(id('a'), "h:1", 2)
		n.housekeep()
	}
	require.Equal(t, tx, metaTx(n))
	n.clock.advance(flushEvery)
	n.housekeep()
	require.Equal(t, tx+1, metaTx(n))
	require.Equal(t, uint64(2), n.crashed(0).open().Replicas()[0].Ack)
	n.clock.advance(flushEvery)
	n.housekeep()
	require.Equal(t, tx+1, metaTx(n))
}

func TestOldestReplicaIsForgottenAtTheLimit(t *testing.T) {
	n := started(t)
	for i := range MaxReplicas + 3 {
		n.NoteReplica(fmt.Sprintf("%040x", i), "h", 0)
		n.clock.advance(time.Millisecond)
	}
	rs := n.Replicas()
	require.Len(t, rs, MaxReplicas)
	require.Equal(t, fmt.Sprintf("%040x", 3), rs[0].ID)
}
