package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// TestFramesEffectsAsRedis compares the bytes of the stream when one command has several effects: what stands between MULTI and
// EXEC, and where SELECT stands.
func TestFramesEffectsAsRedis(t *testing.T) {
	p := newPair(t)
	for _, tc := range []struct {
		name  string
		lines []string
	}{
		{"one effect", []string{"0 SET a 1 PXAT 4102444800000"}},
		{"no effect", []string{"0 DEL nosuch"}},
		{"another database", []string{"0 SET a 1", "3 SET a 1", "3 SET b 1", "0 SET b 1"}},
		{"expired, then written", []string{"0 SET a 1 PXAT 1", "0 INCR a"}},
		{"expired, then refused", []string{"0 SET a 1 PXAT 1", "0 SET a 2 XX"}},
		{"expired, then an error", []string{"0 SET a 1 PXAT 1", "0 RENAME a b"}},
		{"several expired", []string{"0 SET a 1 PXAT 1", "0 SET b 1 PXAT 1", "0 MSET a 2 b 2 c 2"}},
		{"several expired, nothing else", []string{"0 SET a 1 PXAT 1", "0 SET b 1 PXAT 1", "0 DEL a b"}},
		{"expired target", []string{"0 SET b 1 PXAT 1", "0 SET a 1", "0 RENAME a b"}},
		{"expired target in another database", []string{"2 SET a 1 PXAT 1", "0 SET a 1", "0 MOVE a 2"}},
		{"expired in a database that is not the stream's", []string{"2 SET a 1 PXAT 1", "2 SET b 1", "1 SET c 1", "2 INCR a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, line := range []string{"SELECT 1", "SET x 1", "SELECT 0", "FLUSHALL"} { // the same database in both streams
				p.compare(t, line, parseLine(t, line))
			}
			p.compareStreams(t, "FLUSHALL")
			for _, line := range tc.lines {
				p.stock.run(parseLine(t, "SELECT "+line[:1]))
				p.stock.run(parseLine(t, line[2:]))
			}
			want := p.stock.stream(t)
			p.leader.runTogether(t, tc.lines)
			got := p.leader.stream(p.read)
			p.read += uint64(len(got))
			require.Equal(t, string(want), string(got))
			if len(got) > 0 {
				p.follower.receive(got)
			}
			p.stock.run(parseLine(t, "SELECT 0"))
		})
	}
}

// runTogether executes lines ("database command") in one hold of the sequencer, so that the expirer does not come between.
func (n *testNode) runTogether(t *testing.T, lines []string) {
	t.Helper()
	n.e.seq.Lock()
	defer n.e.seq.Unlock()
	tx := &n.e.seq.tx
	tx.reset(n.e.ds.Load(), &n.e.seq.state)
	for _, line := range lines {
		args := parseLine(t, line[2:])
		n.client.DB = int(line[0] - '0')
		require.NoError(t, n.e.runCall(&n.client, tx.ds, tx, Request{Cmd: Lookup(args[0]), Args: args}, &resp.Writer{}, time.Now().UnixMilli(), false))
		tx.endUnit()
	}
	n.client.DB = 0
	require.NoError(t, n.e.commitLocked(&n.client))
}
