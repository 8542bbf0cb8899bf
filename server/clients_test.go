package server

import (
	"bufio"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func dialUnix(t testing.TB, path string) *client {
	nc, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return &client{t: t, nc: nc, r: bufio.NewReader(nc)}
}

// fakeReplica is a connection that has become a replica and acknowledges nothing by itself.
func (r *rig) fakeReplica() *client {
	r.t.Helper()
	c := r.dial()
	for _, cmd := range []string{"REPLCONF listening-port 7777", "REPLCONF capa eof capa psync2"} {
		require.Equal(r.t, "+OK\r\n", c.do(strings.Fields(cmd)...))
	}
	current := r.bl.Current()
	c.send(frame("PSYNC", current.ID, strconv.FormatUint(r.bl.End()+1, 10)))
	require.True(r.t, strings.HasPrefix(c.read(), "+CONTINUE"))
	require.Eventually(r.t, func() bool { return onlineReplicas(r.srv.parts.Load()) == 1 }, patience, time.Millisecond)
	return c
}

func TestReplicaConnection(t *testing.T) {
	r := start(t)
	replica, c := r.fakeReplica(), r.dial()
	list := bulk(c.do("CLIENT", "LIST", "TYPE", "replica"))
	require.Contains(t, list, "flags=S ")
	require.Contains(t, list, "cmd=psync")
	require.Equal(t, 1, strings.Count(list, "\n"))
	require.NotContains(t, c.do("CLIENT", "LIST", "TYPE", "normal"), "flags=S")
	require.Equal(t, "1", c.info("replication")["connected_slaves"])
	require.Contains(t, c.info("replication")["slave0"], "ip=127.0.0.1,port=7777,state=online,offset=")
	require.True(t, strings.HasPrefix(c.do("ROLE"), "*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7777\r\n"))

	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v"))
	require.Equal(t, frame("SET", "k", "v"), replica.read())

	r.scanLater(time.Hour) // the housekeeper leaves replicas to the node
	require.Equal(t, ":0\r\n", c.do("CLIENT", "KILL", "TYPE", "normal"))
	require.Equal(t, ":1\r\n", c.do("CLIENT", "KILL", "TYPE", "replica"))
	_ = replica.closed()
	require.Eventually(t, func() bool { return c.info("replication")["connected_slaves"] == "0" }, patience, time.Millisecond)
}

func TestPsyncKeepsWhatWasSentBehindIt(t *testing.T) {
	r := start(t)
	require.Equal(t, "+OK\r\n", r.dial().do("SET", "k", "v"))
	end := r.bl.End()
	c := r.dial()
	c.send(frame("PING") + frame("REPLCONF", "capa", "psync2") + frame("PSYNC", r.bl.Current().ID, strconv.FormatUint(end+1, 10)) +
		frame("REPLCONF", "ACK", strconv.FormatUint(end, 10)))
	require.Equal(t, "+PONG\r\n", c.read())
	require.Equal(t, "+OK\r\n", c.read())
	require.True(t, strings.HasPrefix(c.read(), "+CONTINUE"))
	require.Eventually(t, func() bool {
		feeds := r.nd.Status().Feeds
		return len(feeds) == 1 && feeds[0].Ack == end
	}, patience, time.Millisecond, "the ACK that came in one packet with PSYNC")
}

func TestWait(t *testing.T) {
	r := start(t)
	replica, c := r.fakeReplica(), r.dial()
	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v"))
	require.Equal(t, ":0\r\n", c.do("WAIT", "1", "20"), "time out")
	getAck := frame("REPLCONF", "GETACK", "*")
	c.send(frame("SET", "k", "w") + frame("WAIT", "1", "0") + frame("PING"))
	require.Equal(t, "+OK\r\n", c.read(), "what came before WAIT is answered before it blocks")
	r.blockedClients(1)
	require.Contains(t, r.dial().do("CLIENT", "LIST"), "flags=b ")
	stream := ""
	for range 4 {
		stream += replica.read()
	}
	require.Equal(t, frame("SET", "k", "v")+getAck+frame("SET", "k", "w")+getAck, stream)
	replica.send(frame("REPLCONF", "ACK", strconv.Itoa(len(stream))))
	require.Equal(t, ":1\r\n", c.read())
	require.Equal(t, "+PONG\r\n", c.read())
}

func (r *rig) blockedClients(n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		blocked := 0
		r.srv.clients.each(func(c *conn) {
			if c.flags.Load()&flagBlocked != 0 {
				blocked++
			}
		})
		return blocked == n
	}, patience, time.Millisecond)
}

func TestWaitEndsWithTheRole(t *testing.T) {
	r := start(t)
	c := r.dial()
	c.send(frame("SET", "k", "v") + frame("WAIT", "1", "0") + frame("PING"))
	require.Equal(t, "+OK\r\n", c.read())
	r.blockedClients(1)
	require.Equal(t, "+OK\r\n", r.dial().do("REPLICAOF", "127.0.0.1", "1"))
	require.Equal(t, "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n", c.closed())
}

// The peer of a blocked connection is looked at from outside: nobody reads from it.
func TestBlockedClientThatGoesAwayIsNoticed(t *testing.T) {
	r := start(t)
	c := r.dial()
	c.send(frame("WAIT", "1", "0"))
	r.blockedClients(1)
	r.scanLater(goneCheckAfter + time.Second)
	r.blockedClients(1)
	require.NoError(t, c.nc.Close())
	require.Eventually(t, func() bool {
		r.scanLater(goneCheckAfter + time.Second)
		return r.srv.clients.len() == 0
	}, patience, time.Millisecond)
}

func TestClientKill(t *testing.T) {
	r := start(t)
	id := func(c *client) string { return strings.TrimSpace(c.do("CLIENT", "ID")[1:]) }
	for _, tc := range []struct {
		name string
		args func(victim *client) []string
		want string
	}{
		{"old form", func(v *client) []string { return []string{v.nc.LocalAddr().String()} }, "+OK\r\n"},
		{"id", func(v *client) []string { return []string{"ID", id(v)} }, ":1\r\n"},
		{"addr", func(v *client) []string { return []string{"ADDR", v.nc.LocalAddr().String()} }, ":1\r\n"},
		{"all but me", func(v *client) []string { return []string{"LADDR", v.nc.RemoteAddr().String(), "SKIPME", "yes"} }, ":1\r\n"},
		{"type and user", func(*client) []string { return []string{"TYPE", "NORMAL", "USER", "default"} }, ":1\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			killer, victim := dial(t, r.addr()), dial(t, r.addr())
			require.Equal(t, "+PONG\r\n", victim.do("PING"))
			require.Equal(t, "+PONG\r\n", killer.do("PING"))
			require.Eventually(t, func() bool { return r.srv.clients.len() == 2 }, patience, time.Millisecond)
			require.Equal(t, tc.want, killer.do(append([]string{"CLIENT", "KILL"}, tc.args(victim)...)...))
			require.Empty(t, victim.closed())
			require.Equal(t, "+PONG\r\n", killer.do("PING"))
			require.NoError(t, killer.nc.Close())
			require.Eventually(t, func() bool { return r.srv.clients.len() == 0 }, patience, time.Millisecond)
		})
	}
	t.Run("me", func(t *testing.T) {
		c := dial(t, r.addr())
		c.send(frame("CLIENT", "KILL", "ID", id(c), "SKIPME", "no") + frame("PING"))
		require.Equal(t, ":1\r\n", c.closed(), "the reply comes, what follows does not")
	})
}

func TestClientListAndInfo(t *testing.T) {
	r := start(t)
	a, b := r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", a.do("CLIENT", "SETNAME", "alice"))
	require.Equal(t, "+OK\r\n", a.do("SELECT", "5"))
	require.Equal(t, "+OK\r\n", a.do("CLIENT", "SETINFO", "LIB-NAME", "go-redis"))
	require.Equal(t, "+OK\r\n", a.do("CLIENT", "SETINFO", "lib-ver", "9"))
	require.Contains(t, a.do("CLIENT", "SETINFO", "lib-name", "a b"), "-ERR lib-name cannot contain spaces")
	require.Equal(t, "-ERR Unrecognized option 'x'\r\n", a.do("CLIENT", "SETINFO", "x", "y"))
	line := bulk(b.do("CLIENT", "LIST", "ID", strings.TrimSpace(a.do("CLIENT", "ID")[1:])))
	for _, want := range []string{
		"addr=" + a.nc.LocalAddr().String() + " laddr=" + a.nc.RemoteAddr().String(), " name=alice ", " db=5 ", " flags=N ", "cmd=client|id",
		" user=default redir=-1 resp=2 lib-name=go-redis lib-ver=9\n",
	} {
		require.Contains(t, line, want)
	}
	require.Equal(t, 1, strings.Count(line, "\n"))
	require.Equal(t, 2, strings.Count(bulk(b.do("CLIENT", "LIST")), "\n"))
}

func TestRESP3(t *testing.T) {
	r := start(t)
	c := r.dial()
	require.True(t, strings.HasPrefix(c.do("HELLO", "3"), "%7\r\n"))
	for _, tc := range []struct{ cmd, prefix string }{
		{"GET nosuch", "_\r\n"},
		{"CLIENT GETNAME", "_\r\n"},
		{"CONFIG GET port", "%1\r\n"},
		{"INFO server", "="},
		{"CLIENT LIST", "="},
		{"COMMAND DOCS get", "%1\r\n"},
		{"COMMAND INFO get", "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~"},
		{"ROLE", "*3\r\n"},
		{"PING", "+PONG"},
	} {
		require.True(t, strings.HasPrefix(c.do(strings.Fields(tc.cmd)...), tc.prefix), tc.cmd)
	}
	require.Contains(t, c.do("CLIENT", "INFO"), " resp=3")
	require.True(t, strings.HasPrefix(c.do("HELLO", "2"), "*14\r\n"))
	require.Equal(t, "$-1\r\n", c.do("GET", "nosuch"))
}

func TestPasswordChangesAtRunTime(t *testing.T) {
	r := start(t)
	old := r.dial()
	require.Equal(t, "+OK\r\n", old.do("CONFIG", "SET", "requirepass", "a"))
	require.Equal(t, "+PONG\r\n", old.do("PING"), "who was in stays in")
	c := r.dial()
	require.Contains(t, c.do("PING"), "-NOAUTH")
	require.Equal(t, "+OK\r\n", c.do("AUTH", "a"))
	require.Equal(t, "+RESET\r\n", old.do("RESET"))
	require.Contains(t, old.do("PING"), "-NOAUTH")
}

func TestReplicaOfIsKeptForConfigRewrite(t *testing.T) {
	r := start(t)
	c := r.dial()
	require.Equal(t, "+OK\r\n", c.do("REPLICAOF", "127.0.0.1", "1"))
	require.Contains(t, c.do("CONFIG", "GET", "replicaof"), "127.0.0.1 1")
	require.Equal(t, "+OK Already connected to specified master\r\n", c.do("SLAVEOF", "127.0.0.1", "1"))
	require.Equal(t, "+OK\r\n", c.do("SLAVEOF", "no", "ONE"))
	require.Equal(t, "*2\r\n$9\r\nreplicaof\r\n$0\r\n\r\n", c.do("CONFIG", "GET", "replicaof"))
}

func TestSavesWriteAFileAndFlush(t *testing.T) {
	r := start(t)
	c := r.dial()
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "b"))
	require.Equal(t, "+Background saving started\r\n", c.do("BGSAVE"))
	require.Eventually(t, func() bool { return c.info("persistence")["rdb_saves"] == "1" }, patience, time.Millisecond)
	st := c.info("storage")
	require.Equal(t, st["applied_offset"], st["durable_applied_offset"])
	require.FileExists(t, r.srv.rdbPath())
	require.Equal(t, "+Background append only file rewriting started\r\n", c.do("BGREWRITEAOF"))
}
