package replica

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cappedLeader is a leader whose repl-backlog-max-size is a few hundred kilobytes.
func cappedLeader(t *testing.T) *server {
	t.Helper()
	a := newServer(t, "a")
	a.minBytes, a.maxBytes, a.segmentSize, a.memTable = 1, 256<<10, 64<<10, 256<<10
	a.tune.chunkBytes = 16 << 10
	a.start(nil)
	a.setKeys("k", 500, 1000)
	require.NoError(t, a.e.Flush(context.Background()))
	return a
}

// takeLog writes until retention has dropped the log past offset off.
func takeLog(t *testing.T, a *server, off uint64) {
	t.Helper()
	i := 0
	eventually(t, func() bool {
		a.setKeys("more"+strconv.Itoa(i), 200, 1000)
		i++
		require.NoError(t, a.e.Flush(context.Background()))
		return a.b.Start() > off
	}, says("repl-backlog-max-size takes the log"))
}

// offered asks a for a full sync and returns what +CHECKPOINT says.
func offered(t *testing.T, p *rawPeer, node byte) (id, replid string, off uint64) {
	t.Helper()
	p.introduce(hex40(node))
	p.psync("?", -1)
	w := strings.Fields(p.line())
	require.Equal(t, "+CHECKPOINT", w[0])
	off, err := strconv.ParseUint(w[3], 10, 64)
	require.NoError(t, err)
	return w[1], w[2], off
}

// A checkpoint behind which the log is gone is a dead end: it is offered to nobody, not even to who has a part of it.
func TestACheckpointWithoutItsLogIsNotOffered(t *testing.T) {
	a := cappedLeader(t)
	p := dialPeer(t, a)
	id, _, off := offered(t, p, '1')
	require.NoError(t, p.c.Close())
	takeLog(t, a, off)
	eventually(t, func() bool { return a.logged.count("checkpoint released") == 1 }, says("nobody waits for the end of its linger time"))

	again := dialPeer(t, a)
	require.Equal(t, "+OK", again.ask("REPLCONF", "snapshot", id))
	other, _, _ := offered(t, again, '1')
	require.NotEqual(t, id, other)
	full := fullSyncs(a)
	b := newServer(t, "b").start(a)
	a.caughtUp(b)
	require.Equal(t, full+1, fullSyncs(a), "no loop")
}

// One in use is kept for its user, but given to nobody else.
func TestACheckpointThatLosesItsLogWhileItIsInUse(t *testing.T) {
	a := cappedLeader(t)
	a.configure(func(s *Settings) { s.SnapshotMaxTransfers = 3 })
	p := dialPeer(t, a)
	id, _, off := offered(t, p, '1')
	takeLog(t, a, off)
	other, _, _ := offered(t, dialPeer(t, a), '2')
	require.NotEqual(t, id, other)
	b := newServer(t, "b").start(a)
	a.caughtUp(b)
}

// The transfer ends as soon as it is in vain, both sides say why, and the replica keeps what it has.
func TestATransferThatLosesItsLogStops(t *testing.T) {
	a := cappedLeader(t)
	b := newServer(t, "b").start(nil)
	b.setKeys("old", 10, 10)
	was, generation := b.digest(), b.b.Generation()
	a.configure(func(s *Settings) { s.SnapshotRateLimit = checkpointBytes(t, a) / 6 })
	b.follow(a)
	eventually(t, func() bool { return b.n.Status().SyncRead > 0 }, says("a part has arrived"))
	takeLog(t, a, a.n.feeds.list()[0].progress().Next)
	eventually(t, func() bool { return b.logged.count(raiseBacklogMax) > 0 }, says("the replica is told"))
	require.Contains(t, b.n.Status().LinkError, raiseBacklogMax)
	require.NotZero(t, a.logged.count(raiseBacklogMax))
	require.Equal(t, was, b.digest(), "the old data is still there")
	require.Equal(t, generation, b.b.Generation())
	a.configure(func(s *Settings) { s.SnapshotRateLimit = 0 })
	a.caughtUp(b)
	require.Equal(t, generation+1, b.b.Generation(), "one data set was adopted: the one that can be continued")
}

// All files have come, but before they are adopted the log goes: the leader says so when it is asked, and also to who does not ask.
func TestTheLogGoesBetweenTransferAndAdoption(t *testing.T) {
	for name, ask := range map[string]func(p *rawPeer, replid string, off uint64){
		"asked as the protocol has it": func(p *rawPeer, _ string, _ uint64) { p.send("READY") },
		"asked for the stream":         func(p *rawPeer, replid string, off uint64) { p.psync(replid, int64(off)+1) },
	} {
		t.Run(name, func(t *testing.T) {
			a := cappedLeader(t)
			p := dialPeer(t, a)
			_, replid, off := offered(t, p, '1')
			p.send("FETCH", "0", "0")
			require.Equal(t, byte(frameEnd), lastFrame(t, p).kind)
			takeLog(t, a, off)
			ask(p, replid, off)
			answer := p.line()
			require.Contains(t, answer, "-NOMASTERLINK ")
			require.Contains(t, answer, raiseBacklogMax)
			p.expectEnd()
			eventually(t, func() bool { return a.logged.count(raiseBacklogMax) > 0 }, says("the leader logs it"))
		})
	}
}

// The log goes while the last files are under way: the end is not said.
func TestTheEndOfATransferIsNotSaidWithoutTheLog(t *testing.T) {
	a := cappedLeader(t)
	p := dialPeer(t, a)
	_, _, off := offered(t, p, '1')
	takeLog(t, a, off)
	p.send("FETCH", "0", "0")
	stop := lastFrame(t, p)
	require.Equal(t, byte(frameStop), stop.kind)
	require.Contains(t, string(stop.payload), raiseBacklogMax)
	p.expectEnd()
}

// lastFrame reads frames up to one that ends a transfer.
func lastFrame(t *testing.T, p *rawPeer) frame {
	t.Helper()
	d := frameReader{r: p.r}
	for {
		f, err := d.next()
		require.NoError(t, err)
		if f.kind == frameEnd || f.kind == frameStop {
			return f
		}
	}
}

// The follower adopts only what the leader has confirmed.
func TestAFollowerAdoptsNothingTheLeaderDoesNotConfirm(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 10, 10)
	snap, err := a.n.snapshots.acquire(context.Background(), "", time.Time{})
	require.NoError(t, err)
	defer a.n.snapshots.release(snap)
	files := recordTransfer(t, a)
	for name, refuse := range map[string]func(c *masterConn) error{
		"the transfer is stopped": func(c *masterConn) error { return c.write(string(appendStopFrame(nil, "because"))) },
		"at the end": func(c *masterConn) error {
			if err := c.write(files); err != nil {
				return err
			}
			if words, err := c.read(); err != nil || words[0] != "READY" {
				return err
			}
			return c.write("-NOMASTERLINK because\r\n")
		},
		"with anything but a yes": func(c *masterConn) error {
			if err := c.write(files); err != nil {
				return err
			}
			return c.write("+CONTINUE because\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newFakeMaster(t, func(c *masterConn) error {
				if _, err := c.upToPsync(bulk(string(appendLineage(nil, lineage{path: []string{hex40('9')}, histories: a.b.Histories()})))); err != nil {
					return err
				}
				if err := c.write("+CHECKPOINT " + snap.manifest.id + " " + snap.manifest.replid + " " + strconv.FormatUint(snap.manifest.offset, 10) + "\r\n"); err != nil {
					return err
				}
				if _, err := c.read(); err != nil { // MANIFEST
					return err
				}
				if err := c.write(bulk(string(appendManifest(nil, snap.manifest)))); err != nil {
					return err
				}
				if _, err := c.read(); err != nil { // FETCH
					return err
				}
				return refuse(c)
			})
			defer m.close()
			b := newServer(t, "b").start(nil)
			b.setKeys("old", 10, 10)
			was, generation := b.digest(), b.b.Generation()
			b.followAddr(m.addr)
			defer b.stop(true)
			eventually(t, func() bool { return strings.Contains(b.n.Status().LinkError, "because") }, says("it is refused"))
			require.Equal(t, was, b.digest())
			require.Equal(t, generation, b.b.Generation())
		})
	}
}

// recordTransfer returns the frames of a's checkpoint.
func recordTransfer(t *testing.T, a *server) string {
	t.Helper()
	p := dialPeer(t, a)
	offered(t, p, '1')
	p.send("FETCH", "0", "0")
	var wire strings.Builder
	d := frameReader{r: p.r}
	for {
		f, err := d.next()
		require.NoError(t, err)
		switch f.kind {
		case frameChunk:
			chunk := append(make([]byte, chunkHeaderBytes), f.payload...)
			putChunk(chunk)
			wire.Write(chunk)
		case frameFile:
			wire.Write(appendFileFrame(nil, f.index, f.sum))
		case frameEnd:
			wire.Write(appendEndFrame(nil, f.total))
			return wire.String()
		}
	}
}
