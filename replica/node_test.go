package replica

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/wal/crashfs"
)

// chain starts A, B below it and C below B.
func chain(t *testing.T) (a, b, c *server) {
	a, b, c = newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
	a.start(nil)
	b.start(a)
	c.start(b)
	return a, b, c
}

func fullSyncs(ss ...*server) (total uint64) {
	for _, s := range ss {
		total += s.n.Status().SyncFull
	}
	return total
}

func TestFirstSyncThenStreamThroughAChain(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("early", 100, 100)
	b := newServer(t, "b").start(a)
	c := newServer(t, "c").start(b)
	a.caughtUp(b, c)
	a.setKeys("late", 100, 100)
	a.caughtUp(b, c)

	require.Equal(t, a.b.NodeID(), b.n.link().pathAbove()[0])
	require.Equal(t, []string{b.b.NodeID(), a.b.NodeID()}, c.n.link().pathAbove())
	st := a.n.Status()
	require.EqualValues(t, 1, st.SyncFull)
	require.EqualValues(t, map[string]uint64{"first sync": 1}, st.FullSyncReasons)
	require.Len(t, st.Feeds, 1)
	require.Equal(t, "online", st.Feeds[0].State)
	require.Equal(t, b.b.NodeID(), st.Feeds[0].NodeID)
	require.Equal(t, b.door.port, st.Feeds[0].Port)
	require.Equal(t, "127.0.0.1", st.Feeds[0].IP)
	require.EqualValues(t, 1, b.n.Status().SyncFull, "c got its copy from b")
	require.Equal(t, "connected", b.n.Status().LinkState)
	require.Equal(t, "-READONLY You can't write against a read only replica.\r\n", b.do("SET", "x", "y"))
}

func TestRestartsInAnyOrderNeverCostAFullSync(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 50, 50)
	a.caughtUp(b, c)
	for _, clean := range []bool{true, false} {
		for i, s := range []*server{c, b} {
			s.stop(clean)
			a.setKeys("while-away", 20+i, 50)
			s.start([]*server{b, a}[i])
			a.caughtUp(b, c)
		}
	}
	a.stop(true)
	require.Eventually(t, func() bool { return b.n.Status().LinkState != "connected" }, patience, poll)
	require.False(t, b.n.Status().Master, "a replica waits for its master")
	a.start(nil)
	a.setKeys("after", 20, 50)
	a.caughtUp(b, c)
	for _, s := range []*server{a, b, c} {
		require.Zero(t, s.n.Status().SyncFull, "%s since its last start", s.name)
	}
}

func TestALeaderKilledWithUnsyncedShippingStartsANewHistoryAndItsReplicasContinue(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 50, 50)
	a.caughtUp(b, c)
	was := a.b.Current()
	a.stop(false)
	a.start(nil)
	require.NotEqual(t, was.ID, a.b.Current().ID)
	a.setKeys("after", 20, 50)
	a.caughtUp(b, c)
	require.Zero(t, fullSyncs(a))
	require.EqualValues(t, 1, fullSyncs(b), "c's first one")
}

func TestALeaderThatLostItsTailGivesAReplicaThatIsAheadAFullSync(t *testing.T) {
	fs := crashfs.New()
	a := newServer(t, "a")
	a.fs = fs
	a.start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 50, 50)
	require.NoError(t, a.b.WaitSynced(context.Background(), a.b.End()))
	safe := a.b.End()
	a.caughtUp(b)
	a.n.o.Backlog.RequestSync(0)
	tail := 0
	for a.b.Synced() == a.b.End() { // until something is shipped and not yet synced
		a.setKeys("tail", 5, 50)
		tail++
	}
	eventually(t, func() bool { return b.b.End() == a.b.End() }, says("b has the tail"))
	clone, meta := a.crash(fs, 0)
	a.stop(true)
	a.fs, a.meta = clone, meta
	a.start(nil)
	require.GreaterOrEqual(t, a.b.End(), safe)
	if a.b.End() == b.b.End() {
		t.Skip("the log was synced in between: nothing was lost this time")
	}
	a.caughtUp(b)
	st := a.n.Status()
	require.EqualValues(t, 1, st.SyncFull)
	require.EqualValues(t, map[string]uint64{"histories fork": 1}, st.FullSyncReasons)
	require.Contains(t, st.LastFullSyncReason, "left history")
}

func TestPromotionKeepsEveryReplicaPartial(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("one", 50, 50)
	a.caughtUp(b, c)

	b.promote()
	require.True(t, b.n.Status().Master)
	b.setKeys("two", 20, 50)
	b.caughtUp(c)

	a.follow(b) // the old master wrote nothing since: its position lies on b's lineage
	b.caughtUp(a, c)

	c.promote()
	c.setKeys("three", 20, 50)
	b.follow(c)
	c.caughtUp(b)
	eventually(t, func() bool { return a.b.Current() == c.b.Current() }, says("a learns the third history through b"))
	c.caughtUp(a)
	require.Len(t, a.b.Histories(), 3)
	require.Equal(t, c.b.Histories(), a.b.Histories())
	require.EqualValues(t, 2, fullSyncs(a, b, c), "the two first ones")

	// A node two histories behind comes back.
	a.stop(true)
	b.promote()
	b.setKeys("four", 10, 10)
	c.follow(b)
	a.start(c)
	b.caughtUp(c, a)
	require.Zero(t, fullSyncs(a, c))
	require.EqualValues(t, 1, fullSyncs(b), "c's first one")
}

func TestPromotionWithoutAWriteCanBeTakenBack(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 10, 10)
	a.caughtUp(b)
	b.promote()
	b.promoteIsNoOp()
	b.follow(a)
	a.setKeys("more", 10, 10)
	a.caughtUp(b)
	require.EqualValues(t, 1, fullSyncs(a))
}

func (s *server) promoteIsNoOp() {
	s.t.Helper()
	already, err := s.n.Promote(context.Background())
	require.NoError(s.t, err)
	require.True(s.t, already)
}

func TestAFormerMasterThatWroteOnIsGivenTheNewMastersData(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 10, 10)
	a.caughtUp(b)
	b.promote()
	a.setKeys("diverged", 10, 10)
	b.setKeys("other", 3, 10)
	a.follow(b)
	b.caughtUp(a)
	require.Equal(t, "$-1\r\n", a.do("GET", "diverged1"))
	require.EqualValues(t, map[string]uint64{"histories fork": 1}, b.n.Status().FullSyncReasons)
}

func TestANodeFollowsAnotherMaster(t *testing.T) {
	a, x, b := newServer(t, "a").start(nil), newServer(t, "x").start(nil), newServer(t, "b")
	a.setKeys("a", 10, 10)
	x.setKeys("x", 30, 10)
	b.start(a)
	c := newServer(t, "c").start(b)
	a.caughtUp(b, c)
	b.follow(x)
	host, port, ok := b.n.Master()
	require.True(t, ok)
	require.Equal(t, x.addr, addr(host, port), "the role changes at once")
	x.caughtUp(b, c)
	already, err := b.n.ReplicaOf(context.Background(), host, port)
	require.NoError(t, err)
	require.True(t, already)
	require.Equal(t, "id unknown", onlyKey(t, x.n.Status().FullSyncReasons))
}

func onlyKey(t *testing.T, m map[string]uint64) string {
	t.Helper()
	require.Len(t, m, 1)
	for k := range m {
		return k
	}
	return ""
}

func TestAFollowerStartedAsMasterDoesNotWriteUnderItsOldMastersName(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 10, 10)
	a.caughtUp(b)
	b.stop(true)
	b.start(nil)
	require.NotEqual(t, a.b.Current().ID, b.b.Current().ID)
	require.Equal(t, "+OK\r\n", b.do("SET", "mine", "1"))
	kept := b.b.Current()
	b.stop(true)
	b.start(nil)
	require.Equal(t, kept, b.b.Current(), "its own name it keeps")
}

func TestATrimmedPositionIsRefusedWithItsReason(t *testing.T) {
	a := newServer(t, "a")
	a.minBytes, a.segmentSize = 1, 64<<10
	a.tune.snapshotLinger = 0 // b's checkpoint would hold the log for a minute
	a.start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 10, 10)
	a.caughtUp(b)
	b.stop(true)
	require.NoError(t, a.b.ForgetReplica(b.b.NodeID()))
	for i := 0; a.b.Start() <= b.b.End() && i < 200; i++ {
		a.setKeys("fill", 50, 1000)
		require.NoError(t, a.e.Flush(context.Background()))
	}
	eventually(t, func() bool { return a.b.Start() > 0 }, says("the log is trimmed"))
	b.start(a)
	a.caughtUp(b)
	require.EqualValues(t, 1, a.n.Status().FullSyncReasons["offset trimmed"])
	require.EqualValues(t, 1, a.n.Status().SyncPartialErr)
}

func TestLinksThatBreakAllTheTimeLoseNothing(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 10, 10)
	a.caughtUp(b, c)
	for i := range 15 {
		a.setKeys("round", 20, 2000)
		if i%2 == 0 {
			a.door.hangUp()
		} else {
			b.door.hangUp()
		}
	}
	a.caughtUp(b, c)
	require.EqualValues(t, 2, fullSyncs(a, b))
}

func TestANodeThatFollowsItselfSaysSo(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 10, 10)
	a.follow(a)
	eventually(t, func() bool { return a.n.Status().LinkError != "" }, says("an error"))
	require.Contains(t, a.n.Status().LinkError, ErrSelf.Error())
	require.False(t, a.n.LinkUp())
	a.promote()
	require.Equal(t, "+OK\r\n", a.do("SET", "x", "y"))
}

func TestALoopOfNodesEndsWithoutHanging(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 10, 10)
	a.caughtUp(b, c)
	a.follow(c)
	eventually(t, func() bool { return a.n.Status().LinkError != "" }, says("a sees the loop"))
	require.Contains(t, a.n.Status().LinkError, ErrSelf.Error())
	a.promote()
	a.setKeys("k", 10, 10)
	a.caughtUp(b, c)
}

func TestPasswords(t *testing.T) {
	a := newServer(t, "a")
	a.password = "secret"
	a.start(nil)
	a.setKeys("k", 10, 10)
	b := newServer(t, "b").start(a)
	eventually(t, func() bool { return b.n.Status().LinkError != "" }, says("the missing password shows"))
	require.Contains(t, b.n.Status().LinkError, "NOAUTH")
	require.Contains(t, b.n.Status().LinkError, "set masterauth")
	b.configure(func(s *Settings) { s.MasterAuth = "wrong" })
	eventually(t, func() bool { return b.logged.count("WRONGPASS") > 0 }, says("the wrong one too"))
	require.Contains(t, b.n.Status().LinkError, "check masterauth")
	tries := func() int { return b.logged.count("no link to master") }
	seen := tries()
	eventually(t, func() bool { return b.n.Status().NetInput > 2000 }, says("several tries"))
	require.Equal(t, seen, tries(), "a reason is logged once, not at each try")
	b.configure(func(s *Settings) { s.MasterUser, s.MasterAuth = "default", "secret" })
	a.caughtUp(b)
	require.Empty(t, b.n.Status().LinkError)
}

func TestPingsKeepIdleLinksAliveAndAreForwarded(t *testing.T) {
	a, b, c := newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
	a.configure(func(s *Settings) { s.PingPeriod = 20 * time.Millisecond })
	for _, s := range []*server{a, b, c} {
		s.configure(func(s *Settings) { s.Timeout = 2 * time.Second })
	}
	a.start(nil)
	a.setKeys("k", 1, 1)
	end := a.b.End()
	b.start(a)
	c.start(b)
	eventually(t, func() bool { return c.b.End() >= end+10*14 }, says("ten PINGs arrive below"))
	require.Zero(t, (c.b.End()-end)%14, "a PING is 14 bytes, and b adds none of its own")
}

func TestAReplicaOfASilentFollowerStaysOnline(t *testing.T) {
	a, b, c := chain(t)
	for _, s := range []*server{b, c} {
		s.configure(func(s *Settings) { s.PingPeriod, s.Timeout = 50*time.Millisecond, 3*time.Second })
	}
	a.setKeys("k", 10, 10)
	a.caughtUp(b, c)
	a.stop(true)
	eventually(t, func() bool { return !b.n.LinkUp() }, says("b has lost its master"))
	since := c.n.link().upAt.Load()
	end := c.b.End()
	before := c.n.Status().NetInput
	eventually(t, func() bool { return c.n.Status().NetInput >= before+3*uint64(len(keepAlive)) }, says("keep-alives arrive"))
	require.True(t, c.n.LinkUp())
	require.Equal(t, since, c.n.link().upAt.Load(), "on the same connection")
	require.Equal(t, end, c.b.End(), "and count as nothing")
	a.start(nil)
	a.setKeys("more", 10, 10)
	a.caughtUp(b, c)
}

func TestANodeWithoutALinkStillServesPartialSyncs(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 10, 10)
	a.caughtUp(b, c)
	c.stop(true)
	a.setKeys("more", 10, 10)
	a.caughtUp(b)
	a.stop(true)
	eventually(t, func() bool { return !b.n.LinkUp() }, says("b is alone"))
	c.start(b)
	b.caughtUpAlone(c)
	d := newServer(t, "d").start(b)
	eventually(t, func() bool { return d.n.Status().LinkError != "" }, says("d is told to wait"))
	require.Contains(t, d.n.Status().LinkError, "NOMASTERLINK")
	a.start(nil)
	a.caughtUp(b, c, d)
}

// caughtUpAlone is caughtUp below a node whose own link is down.
func (s *server) caughtUpAlone(r *server) {
	s.t.Helper()
	eventually(s.t, func() bool { return r.n.LinkUp() && r.e.Applied() == s.b.End() }, says(r.name+" reaches "+s.name))
	require.Equal(s.t, s.digest(), r.digest())
}

func TestWaitAndMinReplicas(t *testing.T) {
	a := newServer(t, "a")
	a.configure(func(s *Settings) { s.MinReplicasToWrite, s.MinReplicasMaxLag = 1, 10*time.Second })
	a.start(nil)
	require.Equal(t, "-NOREPLICAS Not enough good replicas to write.\r\n", a.do("SET", "k", "v"))
	b, c := newServer(t, "b").start(a), newServer(t, "c").start(a)
	eventually(t, func() bool { return a.n.WriteRefusal() == "" && a.n.Status().GoodReplicas == 2 }, says("two good replicas"))
	require.Equal(t, "+OK\r\n", a.do("SET", "k", "v"))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	end := a.client.LastWrite
	require.Equal(t, 2, a.n.Wait(ctx, end, 2))
	asked := a.b.End()
	require.EqualValues(t, end+37, asked, "one GETACK was needed")
	require.Equal(t, 2, a.n.Wait(ctx, end, 2), "what is acknowledged asks nothing")
	require.Equal(t, 2, a.n.Wait(ctx, end, 0))
	require.Equal(t, asked, a.b.End())
	short, cancelShort := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancelShort()
	require.Equal(t, 2, a.n.Wait(short, end, 3), "there are but two")
	c.stop(true)
	b.stop(true)
	eventually(t, func() bool { return a.n.WriteRefusal() != "" }, says("no good replica is left"))
	a.configure(func(s *Settings) { s.MinReplicasToWrite = 0 })
	require.Equal(t, "+OK\r\n", a.do("SET", "k", "v"))
}

func TestManyWaitersShareOneGetAck(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 1, 1)
	a.caughtUp(b)
	a.setKeys("k", 1, 1)
	end := a.b.End()
	done := make(chan int)
	for range 20 {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- a.n.Wait(ctx, end, 1)
		}()
	}
	for range 20 {
		require.Equal(t, 1, <-done)
	}
	require.LessOrEqual(t, a.b.End(), end+37)
}

func TestWaitEndsWithTheRole(t *testing.T) {
	a, x := newServer(t, "a").start(nil), newServer(t, "x").start(nil)
	a.setKeys("k", 1, 1)
	done := make(chan int, 1)
	go func() { done <- a.n.Wait(context.Background(), a.b.End(), 1) }()
	eventually(t, func() bool { return a.n.acks.waiters.Load() == 1 }, says("somebody waits"))
	a.follow(x)
	require.Zero(t, <-done)
}

func TestBeforeStartAndAfterClose(t *testing.T) {
	a := newServer(t, "a").start(nil)
	n := New(a.n.o)
	_, err := n.ReplicaOf(context.Background(), "127.0.0.1", 1)
	require.ErrorIs(t, err, ErrNotStarted)
	_, err = n.Promote(context.Background())
	require.ErrorIs(t, err, ErrNotStarted)
	require.NoError(t, n.Close())
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.Start(context.Background(), "", 0), ErrClosed)
	_, err = n.ReplicaOf(context.Background(), "127.0.0.1", 1)
	require.ErrorIs(t, err, ErrClosed)
}

func TestTheSameNodeTwiceIsTheNewerOne(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 10, 10)
	pos := a.b.Current()
	first := dialPeer(t, a)
	first.introduce(hex40('9'))
	first.psync(pos.ID, int64(a.b.End())+1)
	require.Contains(t, first.line(), "+CONTINUE")
	second := dialPeer(t, a)
	second.introduce(hex40('9'))
	second.psync(pos.ID, int64(a.b.End())+1)
	require.Contains(t, second.line(), "+CONTINUE")
	first.expectEnd()
	eventually(t, func() bool { return len(a.n.Status().Feeds) == 1 }, says("one replica"))
}
