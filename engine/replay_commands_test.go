package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// A follower executes what the stream says and looks at no clock: a key whose time is up is there until the stream takes it away.
func TestReplaySeesExpiredKeysAsLive(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  []string // "db key value time"
	}{
		{"set with a time that is up", []string{"SET k v PXAT 1000"}, []string{"0 k v 1000"}},
		{"PEXPIREAT with a time that is up", []string{"SET k v", "PEXPIREAT k 1000"}, []string{"0 k v 1000"}},
		{"PEXPIREAT before 1970", []string{"SET k v", "PEXPIREAT k -7"}, []string{"0 k v 1"}},
		{"PEXPIREAT at 1970", []string{"SET k v", "PEXPIREAT k 0"}, []string{"0 k v 1"}},
		{"PEXPIREAT with a condition", []string{"SET k v PXAT 1000", "PEXPIREAT k 2000 GT", "PEXPIREAT k 1500 GT"}, []string{"0 k v 2000"}},
		{"counter", []string{"SET k 1 PXAT 1000", "INCR k", "INCRBY k 5", "DECR k"}, []string{"0 k 6 1000"}},
		{"KEEPTTL", []string{"SET k 1 PXAT 1000", "SET k 2 KEEPTTL"}, []string{"0 k 2 1000"}},
		{"SET takes the time away", []string{"SET k 1 PXAT 1000", "SET k 2"}, []string{"0 k 2 0"}},
		{"NX", []string{"SET k 1 PXAT 1000", "SET k 2 NX", "SETNX k 3", "MSETNX k 4 l 4"}, []string{"0 k 1 1000"}},
		{"XX", []string{"SET k 1 PXAT 1000", "SET k 2 XX KEEPTTL"}, []string{"0 k 2 1000"}},
		{"APPEND", []string{"SET k a PXAT 1000", "APPEND k b", "SETRANGE k 3 c"}, []string{"0 k ab\x00c 1000"}},
		{"PERSIST", []string{"SET k v PXAT 1000", "PERSIST k"}, []string{"0 k v 0"}},
		{"RENAME", []string{"SET k v PXAT 1000", "RENAME k l"}, []string{"0 l v 1000"}},
		{"RENAMENX", []string{"SET k v PXAT 1000", "SET l w PXAT 1000", "RENAMENX k l", "RENAMENX k m"}, []string{"0 l w 1000", "0 m v 1000"}},
		{"COPY", []string{"SET k v PXAT 1000", "COPY k l", "COPY k k DB 1"}, []string{"0 k v 1000", "0 l v 1000", "1 k v 1000"}},
		{"COPY onto", []string{"SET k v", "SET l w PXAT 1000", "COPY k l"}, []string{"0 k v 0", "0 l w 1000"}},
		{"MOVE", []string{"SET k v PXAT 1000", "MOVE k 1"}, []string{"1 k v 1000"}},
		{"MOVE onto", []string{"SET k v", "SELECT 1", "SET k w PXAT 1000", "SELECT 0", "MOVE k 1"}, []string{"0 k v 0", "1 k w 1000"}},
		{"DEL", []string{"SET k v PXAT 1000", "DEL k"}, nil},
		{"DEL of nothing", []string{"DEL k", "UNLINK k"}, nil},
		{"MULTI", []string{"SET k 1 PXAT 1000", "MULTI", "DEL k", "INCR k", "EXEC"}, []string{"0 k 1 0"}},
		{"MULTI over databases", []string{"SELECT 1", "SET k 1 PXAT 1000", "SELECT 0", "SET k 2", "MULTI", "SELECT 1", "DEL k", "SELECT 0", "MOVE k 1", "EXEC"}, []string{"1 k 2 0"}},
		{"SWAPDB", []string{"SET k v PXAT 1000", "SWAPDB 0 1"}, []string{"1 k v 1000"}},
		{"FLUSHDB", []string{"SET k v PXAT 1000", "FLUSHDB", "SET l v"}, []string{"0 l v 0"}},
		{"FLUSHALL", []string{"SET k v", "SELECT 1", "SET l v", "FLUSHALL", "SET m v"}, []string{"1 m v 0"}},
		{"GETEX, GETDEL and GETSET of an older master", []string{"SET k v PXAT 1000", "GETEX k PXAT 2000", "SET l v", "GETDEL l", "GETSET m v"}, []string{"0 k v 2000", "0 m v 0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t).follow()
			defer n.close()
			var stream []byte
			for _, line := range tc.lines {
				stream = resp.AppendCommand(stream, parseLine(t, line)...)
			}
			n.receive(stream)
			require.Equal(t, tc.want, n.data(t))
		})
	}
}

// data shows the keys of the first databases, expired ones included.
func (n *testNode) data(t *testing.T) (all []string) {
	t.Helper()
	ds := n.e.acquire()
	defer ds.release()
	for db := range 2 {
		for _, key := range []string{"k", "l", "m"} {
			c := call{e: n.e, ds: ds, s: &Session{}, db: db, replay: true}
			k, err := c.open(db, []byte(key))
			require.NoError(t, err)
			if k.ok {
				all = append(all, fmt.Sprintf("%d %s %s %d", db, key, k.Value, k.ExpireMs))
			}
		}
	}
	return all
}

// Counters that have run over leave effects that a client could not send. Redis' replicas pass over those; here the stream must go on, and the
// follower end up with what the leader has.
func TestReplayOfCountersThatRanOver(t *testing.T) {
	leader, follower := newNode(t).lead(), newNode(t).follow()
	defer leader.close()
	defer follower.close()
	for _, line := range []string{
		"XADD s 1-1 f v", "XADD s 1-2 f v", "XADD s 1-3 f v",
		"XGROUP CREATE s g 0 ENTRIESREAD 9223372036854775807",
		"XREADGROUP GROUP g c COUNT 1 NOACK STREAMS s >",
		"XREADGROUP GROUP g c COUNT 1 NOACK STREAMS s >",
		"XADD t 1-1 f v", "XSETID t 1-1 ENTRIESADDED 9223372036854775807", "XADD t 1-2 f v", "XGROUP CREATE t g $", "XGROUP SETID t g $",
		"XADD t 1-3 f v", "XREADGROUP GROUP g c NOACK STREAMS t >",
		"SET after x",
	} {
		require.NotContains(t, leader.do(line), "ERR", line)
	}
	follower.receive(leader.stream(0))
	require.Equal(t, leader.digest(), follower.digest())
	for _, key := range []string{"s", "t"} {
		require.Equal(t, leader.do("XINFO GROUPS "+key), follower.do("XINFO GROUPS "+key))
	}
	require.Contains(t, leader.do("XINFO GROUPS s"), "-9223372036854775807", "it did run over")
}
