package replica

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/wal/crashfs"
)

// bigLeader has a checkpoint of a few files.
func bigLeader(t *testing.T) *server {
	t.Helper()
	a := newServer(t, "a")
	a.tune.chunkBytes = 16 << 10
	a.start(nil)
	r := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 4000) // of random bytes, which do not compress
	for i := range 180 {
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		require.Equal(t, "+OK\r\n", a.do("SET", "big"+strconv.Itoa(i), string(value)))
		if i%60 != 59 {
			continue
		}
		require.NoError(t, a.e.Flush(context.Background()))
	}
	return a
}

func checkpointManifest(t *testing.T, a *server) *manifest {
	t.Helper()
	snap, err := a.n.snapshots.acquire(context.Background(), "", time.Time{})
	require.NoError(t, err)
	defer a.n.snapshots.release(snap)
	return snap.manifest
}

func checkpointBytes(t *testing.T, a *server) int64 {
	t.Helper()
	return checkpointManifest(t, a).totalBytes()
}

// A transfer is cut after every so many bytes, many times over. It goes on where it stopped: what passes in all is
// little more than one checkpoint, and it is one full sync.
func TestABrokenTransferGoesOnWhereItStopped(t *testing.T) {
	a := bigLeader(t)
	total := checkpointBytes(t, a)
	p := newProxy(t, a)
	const step = 50_000 // neither a multiple of a chunk nor of a file
	p.allow(step)
	b := newServer(t, "b").startAt(p.addr)
	cuts := 0
	for !b.n.LinkUp() {
		eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.refused || b.n.LinkUp() }, says("the budget is used up"))
		if b.n.LinkUp() {
			break
		}
		cuts++
		if cuts == 3 { // across a restart of the receiving process too
			b.stop(false)
			b.startAt(p.addr)
		}
		p.cut(false)
		p.allow(step)
	}
	p.allow(-1)
	a.setKeys("late", 5, 10)
	a.caughtUp(b)
	require.Greater(t, cuts, 8, "it was cut often")
	require.Less(t, p.bytesPassed(), total+int64(cuts+2)*25_000, "a cut costs a handshake, a manifest and at most the chunk it hit")
	require.EqualValues(t, 1, a.n.Status().SyncFull)
	require.Empty(t, b.n.resumable())
	names, err := b.fs.List("/node/incoming")
	require.NoError(t, err)
	require.Empty(t, names)
}

// Whatever byte is damaged on the way, the replica ends up with the right data, and keeps the old until then.
func TestADamagedTransferIsNoticedAndRepaired(t *testing.T) {
	a := bigLeader(t)
	total := checkpointBytes(t, a)
	p := newProxy(t, a)
	for at := int64(900); at < total; at += total / 6 {
		p.mu.Lock()
		p.mu.damage = at
		p.mu.Unlock()
		b := newServer(t, "b").startAt(p.addr)
		a.caughtUp(b)
		require.NotZero(t, b.logged.count("no link to master"), "damage at %d was noticed", at)
		b.stop(true)
	}
}

func TestOldDataIsServedUntilTheNewIsThere(t *testing.T) {
	a := bigLeader(t)
	p := newProxy(t, a)
	b := newServer(t, "b").start(nil)
	b.setKeys("old", 10, 10)
	c := newServer(t, "c").start(b)
	b.caughtUp(c)
	was := b.digest()
	p.allow(100_000)
	b.followAddr(p.addr)
	eventually(t, func() bool { return b.n.Status().SyncRead > 50_000 }, says("a part has arrived"))
	st := b.n.Status()
	require.Equal(t, checkpointBytes(t, a), st.SyncTotal)
	require.Equal(t, was, b.digest(), "the old data is still there")
	require.True(t, c.n.LinkUp(), "and the replica below is still fed")
	b.stop(false)
	b.startAt(p.addr)
	require.Equal(t, was, b.digest(), "also after a crash in the middle")
	p.allow(-1)
	p.cut(false)
	a.caughtUp(b, c)
}

func (s *server) followAddr(a string) {
	s.t.Helper()
	host, port := splitAddr(s.t, a)
	_, err := s.n.ReplicaOf(context.Background(), host, port)
	require.NoError(s.t, err)
}

func TestReplicasShareACheckpoint(t *testing.T) {
	a := bigLeader(t)
	a.configure(func(s *Settings) { s.SnapshotMaxTransfers = 10 })
	replicas := make([]*server, 5)
	for i := range replicas {
		replicas[i] = newServer(t, "r"+strconv.Itoa(i))
	}
	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Add(1)
		go func() { defer wg.Done(); r.start(a) }()
	}
	wg.Wait()
	a.setKeys("meanwhile", 10, 10)
	a.caughtUp(replicas...)
	require.EqualValues(t, 5, a.n.Status().SyncFull)
	require.Equal(t, 1, a.logged.count("checkpoint made for replicas"))
}

// Who comes later takes the same one as long as little has been written since; else it would have to apply all that.
func TestACheckpointIsNotSharedForLong(t *testing.T) {
	a := newServer(t, "a")
	a.tune.snapshotShareStream = 10_000
	a.start(nil)
	a.setKeys("k", 100, 100)
	b, c, d := newServer(t, "b"), newServer(t, "c"), newServer(t, "d")
	a.caughtUp(b.start(a))
	a.setKeys("l", 10, 100)
	a.caughtUp(c.start(a))
	require.Equal(t, 1, a.logged.count("checkpoint made for replicas"))
	a.setKeys("k", 200, 100)
	a.caughtUp(d.start(a))
	require.Equal(t, 2, a.logged.count("checkpoint made for replicas"))
	require.EqualValues(t, 3, a.n.Status().SyncFull)
}

func TestOnlySoManyTransfersAtOnce(t *testing.T) {
	a := bigLeader(t)
	a.configure(func(s *Settings) { s.SnapshotMaxTransfers = 1 })
	p := dialPeer(t, a)
	p.introduce(hex40('1'))
	p.psync("?", -1)
	require.Contains(t, p.line(), "+CHECKPOINT ") // it holds the only slot, and asks for nothing
	b := newServer(t, "b").start(a)
	eventually(t, func() bool { return strings.Contains(b.n.Status().LinkError, "busy: all 1 checkpoint transfers") }, says("b is told to wait"))
	require.NotZero(t, a.logged.count("busy: all 1"))
	require.NoError(t, p.c.Close())
	a.caughtUp(b)
}

func TestACheckpointLingersAndIsReleased(t *testing.T) {
	a := newServer(t, "a")
	a.tune.snapshotLinger = 100 * time.Millisecond
	a.start(nil)
	a.setKeys("k", 10, 10)
	p := dialPeer(t, a)
	p.introduce(hex40('1'))
	p.psync("?", -1)
	id := strings.Fields(p.line())[1]
	held := func() bool {
		a.n.snapshots.mu.Lock()
		defer a.n.snapshots.mu.Unlock()
		return a.n.snapshots.mu.held[id] != nil
	}
	require.Equal(t, "send_bulk", a.n.Status().Feeds[0].State)
	a.n.snapshots.reap(time.Now().Add(time.Hour))
	require.True(t, held(), "in use")
	require.NoError(t, p.c.Close())
	eventually(t, func() bool { return !held() }, says("it is released"))
	eventually(t, func() bool { return a.logged.count("checkpoint released") == 1 }, says("and its files go"))

	again := dialPeer(t, a)
	again.introduce(hex40('1'))
	require.Equal(t, "+OK", again.ask("REPLCONF", "snapshot", id))
	again.psync("?", -1)
	require.NotEqual(t, id, strings.Fields(again.line())[1], "what is gone cannot be resumed: another one is offered")
}

// A checkpoint that nobody has fetched yet holds the log from its offset on: the replica always finds the stream behind it.
func TestTheLogBehindACheckpointIsHeld(t *testing.T) {
	a := newServer(t, "a")
	a.minBytes, a.segmentSize = 1, 64<<10
	a.start(nil)
	a.setKeys("k", 10, 10)
	p := dialPeer(t, a)
	p.introduce(hex40('1'))
	p.psync("?", -1)
	w := strings.Fields(p.line())
	off, err := strconv.ParseInt(w[3], 10, 64)
	require.NoError(t, err)
	for range 10 {
		a.setKeys("fill", 100, 1000)
		require.NoError(t, a.e.Flush(context.Background()))
	}
	p.psync(w[2], off+1)
	require.Equal(t, "+CONTINUE "+w[2], p.line())
}

func TestTransfersAreRateLimitedTogether(t *testing.T) {
	a := bigLeader(t)
	total := checkpointBytes(t, a)
	a.configure(func(s *Settings) { s.SnapshotRateLimit = total })
	began := time.Now()
	b := newServer(t, "b").start(a)
	a.caughtUp(b)
	require.Greater(t, time.Since(began), 300*time.Millisecond)
}

func TestWhatAReplicaMayNotAskOfACheckpoint(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 10, 10)
	for name, words := range map[string][]string{
		"a file that does not exist": {"FETCH", "1000", "0"},
		"a negative file":            {"FETCH", "-1", "0"},
		"a byte past the end":        {"FETCH", "0", "99999999999"},
		"a negative byte":            {"FETCH", "0", "-1"},
		"half a request":             {"FETCH", "0"},
		"a file by name":             {"FETCH", "../../meta.db", "0"},
		"to be confirmed unfetched":  {"READY"},
		"a command":                  {"SET", "a", "b"},
		"an ACK":                     {"REPLCONF", "ACK", "1"},
		"a position that is none":    {"PSYNC", "?", "x"},
	} {
		p := dialPeer(t, a)
		p.introduce(hex40('1'))
		p.psync("?", -1)
		require.Contains(t, p.line(), "+CHECKPOINT ", name)
		p.send(words...)
		p.expectEnd()
	}
}

// The transfer as the package comment specifies it, by a client that knows nothing else.
func TestTransferByTheBook(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 10, 10)
	p := dialPeer(t, a)
	p.introduce(hex40('1'))
	p.psync("?", -1)
	w := strings.Fields(p.line())
	require.Equal(t, "+CHECKPOINT", w[0])
	p.send("MANIFEST")
	r, err := resp.ReadReply(p.r, maxManifestBytes)
	require.NoError(t, err)
	m, err := parseManifest(r.Str)
	require.NoError(t, err)
	require.Equal(t, []string{w[1], w[2], w[3]}, []string{m.id, m.replid, strconv.FormatUint(m.offset, 10)})
	_, err = p.c.Write([]byte("\n\n"))
	require.NoError(t, err)
	p.send("FETCH", "0", "0")
	d := frameReader{r: p.r}
	var got int64
	files := 0
	for {
		f, err := d.next()
		require.NoError(t, err)
		got += int64(len(f.payload))
		if f.kind == frameFile {
			require.Equal(t, files, f.index)
			files++
		}
		if f.kind == frameEnd {
			require.EqualValues(t, got, f.total)
			break
		}
	}
	require.Equal(t, m.totalBytes(), got)
	require.Len(t, m.files, files)
	require.Equal(t, "+OK", p.ask("READY"))
	p.psync(m.replid, int64(m.offset)+1)
	require.Equal(t, "+CONTINUE "+m.replid, p.line())
	require.EqualValues(t, 0, a.n.Status().SyncPartialOK, "it belongs to the full sync")
}

func TestFullSyncReplacesADataSetUnderRunningReplicas(t *testing.T) {
	a, b, c := chain(t)
	a.setKeys("k", 20, 100)
	a.caughtUp(b, c)
	b.promote()
	b.setKeys("b-only", 20, 100)
	b.caughtUp(c)
	a.setKeys("a-only", 200, 100)
	b.follow(a) // diverged: b and, through it, c are given a's data
	a.caughtUp(b, c)
	require.Equal(t, "$-1\r\n", c.do("GET", "b-only1"))
	require.EqualValues(t, 2, fullSyncs(b), "c's first and this one")
}

// The receiver loses power in the middle of a transfer, at many points, with none or some of what it had not fsynced. It comes back with its
// old data, and ends up with the leader's, whatever the part on its disk is worth.
func TestPowerCutsOfTheReceiver(t *testing.T) {
	a := bigLeader(t)
	total := checkpointBytes(t, a)
	for i := range 8 {
		p := newProxy(t, a)
		fs := crashfs.New()
		b := newServer(t, "b")
		b.fs = fs
		b.start(nil)
		b.setKeys("old", 10, 10)
		require.NoError(t, b.b.WaitSynced(context.Background(), b.b.End()))
		was := b.digest()
		p.allow(total * int64(i+1) / 9)
		b.followAddr(p.addr)
		eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.refused }, says("it is cut"))
		clone, meta := b.crash(fs, i%2*50)
		b.stop(true)
		b.fs, b.meta = clone, meta
		b.startAt(p.addr)
		require.Equal(t, was, b.digest(), "the old data, whole")
		p.allow(-1)
		p.cut(false)
		a.caughtUp(b)

		// Once it is in, it stays in.
		require.NoError(t, b.b.WaitSynced(context.Background(), b.b.End()))
		before := a.n.Status().SyncFull
		clone, meta = b.crash(clone, 0)
		b.stop(true)
		b.fs, b.meta = clone, meta
		b.startAt(p.addr)
		require.Equal(t, a.digest(), b.digest())
		a.caughtUp(b)
		require.Equal(t, before, a.n.Status().SyncFull)
		b.stop(true)
	}
}
