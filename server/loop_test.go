package server

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"replogd/engine/command"
)

// only returns the server's only connection.
func (r *rig) only() *conn {
	r.t.Helper()
	all := r.srv.clients.all()
	require.Len(r.t, all, 1)
	return all[0]
}

// looped says whether a loop has the connection.
func (c *conn) looped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line != nil
}

func needsLoops(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("there are connection loops on Linux only")
	}
}

// What a loop runs is short and waits for nothing.
func TestLoopCommands(t *testing.T) {
	found := map[string]bool{}
	newCommandTable(nil).each(func(e *entry) {
		found[e.name] = e.loops
		if e.loops {
			require.False(t, e.has(command.Blocking), e.name)
			require.False(t, e.has(command.Admin), e.name)
		}
	})
	for name := range loopCommands {
		require.True(t, found[name], "%s is not a command", name)
	}
	for _, name := range []string{"get", "incr", "lpush", "rpop", "sadd", "hset", "zadd", "zpopmin", "expire", "exists", "xadd"} {
		require.True(t, found[name], name)
	}
	for _, name := range []string{
		"keys", "sort", "sinterstore", "zunionstore", "wait", "exec", "swapdb", "flushall", "psync", "subscribe", "shutdown", "lcs",
		"zrank", "zcount", "zrange", "getbit", "getrange", "strlen",
	} {
		require.False(t, found[name], name)
	}
	for name := range longCommands {
		loops, known := found[name]
		require.True(t, known && !loops, name)
	}
}

// A connection is a loop's until it asks for what a loop cannot do; after a while of ordinary commands it is a loop's again.
func TestConnectionMovesBetweenLoopAndGoroutine(t *testing.T) {
	needsLoops(t)
	for _, test := range []struct{ name, command, reply string }{
		{"a command that may wait", frame("WAIT", "0", "0"), ":0\r\n"},
		{"a long-running command", frame("KEYS", "nosuch*"), "*0\r\n"},
		{"an unknown command", frame("NOSUCH"), "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
		{"a refused command", frame("GET"), "-ERR wrong number of arguments for 'get' command\r\n"},
		{"many arguments", frame(append([]string{"DEL"}, make([]string, maxLoopArgs)...)...), ":0\r\n"},
		{"a large command", frame("SET", "big", strings.Repeat("v", 2*maxLoopInput)), "+OK\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t)
			c := r.dial()
			require.Equal(t, "+OK\r\n", c.do("SET", "k", "v"))
			conn := r.only()
			require.True(t, conn.looped())
			c.send(frame("INCR", "n") + test.command + frame("INCR", "n"))
			require.Equal(t, ":1\r\n", c.read())
			require.Equal(t, test.reply, c.read())
			require.Equal(t, ":2\r\n", c.read())
			require.False(t, conn.looped())
			for range calmRounds {
				require.Equal(t, "$1\r\nv\r\n", c.do("GET", "k"))
			}
			require.Eventually(t, conn.looped, patience, time.Millisecond)
			require.Equal(t, "$1\r\nv\r\n", c.do("GET", "k"))
			require.NoError(t, c.nc.Close())
			require.Eventually(t, func() bool { return r.srv.clients.len() == 0 }, patience, time.Millisecond)
		})
	}
}

// State that lives in the connection's goroutine keeps it there.
func TestConnectionsThatKeepTheirGoroutine(t *testing.T) {
	needsLoops(t)
	for name, lines := range map[string][]string{
		"a transaction": {"MULTI"},
		"a subscriber":  {"HELLO 3", "SUBSCRIBE channel"},
		"a replica":     {"REPLCONF listening-port 7000"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			c := r.dial()
			require.Equal(t, "+PONG\r\n", c.do("PING"))
			conn := r.only()
			for _, line := range lines {
				c.do(strings.Fields(line)...)
			}
			for range 2 * calmRounds {
				c.do("PING")
				require.False(t, conn.looped())
			}
		})
	}
}

// A reply that is too long for a loop is whole all the same, and comes in order.
func TestLongRepliesLeaveTheLoop(t *testing.T) {
	r := start(t)
	c := r.dial()
	var in, want strings.Builder
	element := strings.Repeat("e", 1000)
	for range 200 {
		in.WriteString(frame("RPUSH", "l", element))
		want.WriteString("$1000\r\n" + element + "\r\n")
	}
	c.send(in.String())
	for i := range 200 {
		require.Equal(t, fmt.Sprintf(":%d\r\n", i+1), c.read())
	}
	c.send(frame("INCR", "n") + frame("LRANGE", "l", "0", "-1") + frame("INCR", "n") + frame("LRANGE", "l", "0", "0"))
	require.Equal(t, ":1\r\n", c.read())
	require.Equal(t, "*200\r\n"+want.String(), c.read())
	require.Equal(t, ":2\r\n", c.read())
	require.Equal(t, "*1\r\n$1000\r\n"+element+"\r\n", c.read())
}

// slowSync is a file system whose log's fsyncs wait while on is set, until they are let through.
type slowSync struct {
	on      atomic.Bool
	arrived chan struct{}
	pass    chan struct{}
}

func (s *slowSync) String() string { return "slow fsync" }

func (s *slowSync) MaybeError(op errorfs.Op) error {
	if s.on.Load() && op.Kind == errorfs.OpFileSyncData && strings.Contains(op.Path, "/wal/") {
		s.arrived <- struct{}{}
		<-s.pass
	}
	return nil
}

// startSlowSync starts a node with appendfsync always whose next fsync hangs once on is set.
func startSlowSync(t *testing.T) (*rig, *slowSync) {
	t.Helper()
	s := &slowSync{arrived: make(chan struct{}, 100), pass: make(chan struct{})}
	r := startLoading(t, "--appendfsync", "always")
	r.logFS = errorfs.Wrap(vfs.Default, s)
	r.attach()
	return r, s
}

func (s *slowSync) release() {
	s.on.Store(false)
	s.pass <- struct{}{}
}

// While an fsync hangs, those who wait for it wait, with what they send meanwhile, and all others are served.
func TestOthersAreServedDuringAnFsync(t *testing.T) {
	r, sync := startSlowSync(t)
	writer, second, reader := r.dial(), r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", writer.do("SET", "other", "1"))
	require.Equal(t, ":1\r\n", second.do("INCR", "n"))
	sync.on.Store(true)
	writer.send(frame("SET", "k", "v"))
	<-sync.arrived
	writer.send(frame("GET", "k") + frame("PING"))
	second.send(frame("INCR", "n"))
	for range 100 {
		require.Equal(t, "$1\r\n1\r\n", reader.do("GET", "other"))
	}
	require.Less(t, r.bl.Synced(), r.bl.End())
	sync.release()
	require.Equal(t, "+OK\r\n", writer.read())
	require.Equal(t, "$1\r\nv\r\n", writer.read())
	require.Equal(t, "+PONG\r\n", writer.read())
	require.Equal(t, ":2\r\n", second.read())
	require.Equal(t, r.bl.End(), r.bl.Synced())
}

// A client that is killed, or closes, while its replies are held back is gone at once.
func TestClientsGoDuringAnFsync(t *testing.T) {
	r, sync := startSlowSync(t)
	admin, killed, closed := r.dial(), r.dial(), r.dial()
	require.Equal(t, "+PONG\r\n", admin.do("PING"))
	sync.on.Store(true)
	for _, c := range []*client{killed, closed} {
		c.send(frame("SET", "k", "v"))
	}
	<-sync.arrived
	require.Eventually(t, func() bool {
		waiting := 0
		r.srv.clients.each(func(c *conn) {
			if c.waiting.Load() != 0 {
				waiting++
			}
		})
		return waiting == 2
	}, patience, time.Millisecond)
	require.Equal(t, ":1\r\n", admin.do("CLIENT", "KILL", "ADDR", killed.nc.LocalAddr().String()))
	require.Empty(t, killed.closed())
	require.NoError(t, closed.nc.Close())
	require.Eventually(t, func() bool {
		r.scanLater(2 * goneCheckAfter)
		return r.srv.clients.len() == 1
	}, patience, time.Millisecond)
	sync.release()
	require.Equal(t, "$1\r\nv\r\n", admin.do("GET", "k"), "what was not acknowledged may have happened")
}

// When the log fails, whoever waits for it is closed without a word; the others read on.
func TestFailedFsyncClosesThoseWhoWait(t *testing.T) {
	var fail atomic.Bool
	r := startLoading(t, "--appendfsync", "always")
	r.logFS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail.Load() && op.Kind == errorfs.OpFileSyncData && strings.Contains(op.Path, "/wal/") {
			return errorfs.ErrInjected
		}
		return nil
	}))
	r.attach()
	r.broken = true
	writer, reader := r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", writer.do("SET", "k", "v"))
	require.Equal(t, "$1\r\nv\r\n", reader.do("GET", "k"))
	fail.Store(true)
	writer.send(frame("SET", "k2", "v"))
	require.Empty(t, writer.closed())
	require.True(t, strings.HasPrefix(reader.do("SET", "k3", "v"), "-MISCONF "))
	require.Equal(t, "$1\r\nv\r\n", reader.do("GET", "k"))
}

// A panic in a command closes its connection and nothing else.
func TestPanicInALoop(t *testing.T) {
	needsLoops(t)
	r := start(t)
	r.srv.table.byName["boom"] = &entry{
		spec: &command.Spec{Name: "boom", Arity: -1, Flags: command.Loading}, name: "boom", loops: true,
		handle: func(*conn, [][]byte) { panic("boom") },
	}
	bad, good := r.dial(), r.dial()
	require.Equal(t, "+PONG\r\n", good.do("PING"))
	bad.send(frame("SET", "k", "v") + frame("boom") + frame("SET", "k", "w"))
	bad.closed()
	require.Equal(t, "$1\r\nv\r\n", good.do("GET", "k"))
	require.Eventually(t, func() bool { return r.srv.clients.len() == 1 }, patience, time.Millisecond)
}
