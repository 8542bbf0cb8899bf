package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// over waits until the failover of s has ended.
func over(t *testing.T, s *server) {
	t.Helper()
	eventually(t, func() bool { return s.n.FailoverState() == NoFailover }, says("the failover ends"))
}

func TestFailoverHandsOver(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 20, 50)
	b, c := newServer(t, "b").start(a), newServer(t, "c").start(a)
	a.caughtUp(b, c)
	was := fullSyncs(a, b, c)
	require.NoError(t, a.n.Failover(FailoverRequest{Host: "127.0.0.1", Port: b.door.port}))
	over(t, a)
	require.True(t, b.n.Status().Master)
	b.setKeys("new", 5, 50)
	b.caughtUp(a, c) // c follows a, which follows b
	require.Equal(t, was, fullSyncs(a, b, c))
	require.ErrorIs(t, a.n.Failover(FailoverRequest{}), ErrFailoverReplica)
	require.ErrorIs(t, c.n.AbortFailover(), ErrFailoverNone)
}

// The replica announces a port that is not its own. What is found there must not be followed, and this node stays what it was.
func TestFailoverToAWrongAddressComesToNothing(t *testing.T) {
	stranger := newServer(t, "stranger").start(nil)
	stranger.setKeys("other", 5, 10)
	strangersReplica := newServer(t, "strangers-replica").start(stranger)
	stranger.caughtUp(strangersReplica)
	closed := newServer(t, "closed").start(nil)
	nobody := closed.door.port
	closed.stop(true)
	for name, port := range map[string]int{"a stranger": stranger.door.port, "a stranger's replica": strangersReplica.door.port, "nobody": nobody} {
		t.Run(name, func(t *testing.T) {
			a, b := newServer(t, "a"), newServer(t, "b")
			a.tune.handover = 300 * time.Millisecond
			a.start(nil)
			a.setKeys("k", 20, 50)
			b.configure(func(s *Settings) { s.AnnouncePort = port })
			b.start(a)
			a.caughtUp(b)
			digest := a.digest()
			require.NoError(t, a.n.Failover(FailoverRequest{}))
			over(t, a)
			require.True(t, a.n.Status().Master)
			require.Equal(t, digest, a.digest())
			a.setKeys("more", 5, 10)
			a.caughtUp(b)
			require.EqualValues(t, 1, a.n.Status().SyncFull)
			require.EqualValues(t, 1, a.logged.count("failover aborted"))
		})
	}
	require.Equal(t, "-READONLY You can't write against a read only replica.\r\n", strangersReplica.do("SET", "x", "y"))
}
