package replica

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// wholeStream reads the log from its beginning to its end.
func wholeStream(t *testing.T, s *server) []byte {
	t.Helper()
	require.NoError(t, s.b.WaitSafe(context.Background(), s.b.End()))
	c, err := s.b.OpenCursor("test", s.b.Start())
	require.NoError(t, err)
	defer c.Close()
	var all []byte
	buf := make([]byte, 1<<20)
	for c.Offset() < s.b.End() {
		k, err := c.Read(context.Background(), buf)
		require.NoError(t, err)
		all = append(all, buf[:k]...)
	}
	return all
}

// Whatever records and segments the units lie in, every unit's end is a boundary and nothing else is: on the leader, whose records
// are single writes, and on a follower, whose records are what came together.
func TestUnitBoundaries(t *testing.T) {
	a, b := newServer(t, "a"), newServer(t, "b")
	a.segmentSize, b.segmentSize = 256<<10, 256<<10
	a.start(nil)
	b.start(a)
	a.caughtUp(b) // its log begins where a's does
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		size := rng.IntN(2000)
		if i%100 == 50 {
			size = 700_000 // larger than any step back, and than a segment
		}
		a.client.DB = rng.IntN(2)
		require.Equal(t, "+OK\r\n", a.do("SET", fmt.Sprint("k", i), strings.Repeat("*1\r\n$4\r\nPING\r\n", size/14)))
	}
	a.caughtUp(b)
	stream := wholeStream(t, a)
	require.True(t, bytes.Equal(stream, wholeStream(t, b)), "the same bytes at the same offsets")

	ends := map[uint64]bool{0: true}
	afterSelect := map[uint64]bool{}
	u := resp.NewUnitScanner(maxUnitBytes)
	u.Feed(stream)
	var at uint64
	for {
		unit, ok, err := u.Next()
		require.NoError(t, err)
		if !ok {
			break
		}
		if isCommand(unit.Commands[0], "select") {
			afterSelect[at+uint64(len(resp.AppendCommand(nil, unit.Commands[0]...)))] = true
		}
		at += uint64(len(unit.Raw))
		ends[at] = true
	}
	require.EqualValues(t, len(stream), at)
	require.NotEmpty(t, afterSelect)

	check := func(off uint64) {
		for _, s := range []*server{a, b} {
			got, err := s.n.unitBoundary(off, false)
			require.NoError(t, err)
			require.Equal(t, ends[off], got, "%s: offset %d", s.name, off)
			got, err = s.n.unitBoundary(off, true)
			require.NoError(t, err)
			require.Equal(t, ends[off] || afterSelect[off], got, "%s: offset %d, for a stock replica", s.name, off)
		}
	}
	n := 0
	for off := range ends {
		if n++; n%4 == 0 || off == 0 {
			check(off)
		}
	}
	for off := range afterSelect {
		if n++; n%8 == 0 {
			check(off)
		}
	}
	for range 60 {
		check(rng.Uint64N(at))
	}
}

// A stream that this version cannot apply stops the link with the reason, and is not fetched over and over; naming the master again
// fetches its data.
func TestAStreamThatCannotBeAppliedIsLeftByAForcedFullSync(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	a.setKeys("k", 10, 10)
	a.caughtUp(b)
	_, err := a.e.AppendNoop(resp.AppendCommandStrings(nil, "FROMTHEFUTURE", "x"))
	require.NoError(t, err)
	a.setKeys("after", 10, 10)
	eventually(t, func() bool { return strings.Contains(b.n.Status().LinkError, "cannot be applied") }, says("the reason shows"))
	require.Contains(t, b.n.Status().LinkError, "FROMTHEFUTURE")
	require.False(t, b.n.LinkUp())
	host, port := splitAddr(t, a.addr)
	already, err := b.n.ReplicaOf(context.Background(), host, port)
	require.NoError(t, err)
	require.False(t, already)
	a.caughtUp(b)
	require.EqualValues(t, 1, a.n.Status().FullSyncReasons[reasonForced])
	already, err = b.n.ReplicaOf(context.Background(), host, port)
	require.NoError(t, err)
	require.True(t, already)
}

// More than the bound of unwritten bytes passes through, in units from tiny to larger than a record.
func TestALongStream(t *testing.T) {
	a := newServer(t, "a").start(nil)
	b := newServer(t, "b").start(a)
	c := newServer(t, "c").start(b)
	a.caughtUp(b, c)
	for i := range 40 {
		require.Equal(t, "+OK\r\n", a.do("SET", fmt.Sprint("big", i), strings.Repeat("x", 400_000)))
		a.setKeys("small", 5, 5)
	}
	a.caughtUp(b, c)
	require.EqualValues(t, 2, fullSyncs(a, b))
}
