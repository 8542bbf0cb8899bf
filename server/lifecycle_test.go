package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLoading(t *testing.T) {
	const loading = "-LOADING Redis is loading the dataset in memory\r\n"
	r := startLoading(t)
	c := r.dial()
	for _, cmd := range []string{"GET a", "SET a b", "PING", "DBSIZE", "WAIT 0 0", "PSYNC ? -1", "SYNC", "REPLICAOF NO ONE", "BGSAVE", "REPLCONF capa eof", "DEBUG DIGEST"} {
		require.Equal(t, loading, c.do(strings.Fields(cmd)...), cmd)
	}
	require.Equal(t, "-ERR wrong number of arguments for 'get' command\r\n", c.do("GET"))
	require.Equal(t, "+OK\r\n", c.do("SELECT", "1"))
	require.Equal(t, "$1\r\nx\r\n", c.do("ECHO", "x"))
	require.Equal(t, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", c.do("ROLE"))
	require.Contains(t, c.do("CLIENT", "LIST"), "cmd=client|list")
	fields := c.info()
	require.Equal(t, "1", fields["loading"])
	r.srv.Recovering(50, 200)
	progress := c.info("persistence")
	require.Equal(t, []string{"200", "50", "25.00"}, []string{progress["loading_total_bytes"], progress["loading_loaded_bytes"], progress["loading_loaded_perc"]})
	require.Contains(t, progress, "loading_eta_seconds")
	require.Equal(t, "master", fields["role"])
	r.attach()
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "b"))
	require.Equal(t, "0", c.info()["loading"])
}

// Order of refusals while loading a replica: role before loading, as in Redis' processCommand.
func TestLoadingAsReplica(t *testing.T) {
	c := startLoading(t, "--replicaof", "127.0.0.1 1", "--requirepass", "x").dial()
	require.Contains(t, c.do("GET", "a"), "-NOAUTH")
	require.Equal(t, "+OK\r\n", c.do("AUTH", "x"))
	require.Contains(t, c.do("SET", "a", "b"), "-READONLY")
	require.Contains(t, c.do("GET", "a"), "-LOADING")
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "replica-serve-stale-data", "no"))
	require.Contains(t, c.do("GET", "a"), "-MASTERDOWN")
	require.Equal(t, "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n", c.do("ROLE"))
	require.Equal(t, "slave", c.info("replication")["role"])
}

func TestShutdownCommandAsksTheOwner(t *testing.T) {
	r := start(t)
	c := r.dial()
	c.send(frame("SET", "a", "b") + frame("SHUTDOWN", "NOSAVE", "NOW", "FORCE"))
	require.Equal(t, "+OK\r\n", c.read(), "what came before is answered")
	req := <-r.srv.ShutdownRequested()
	require.Equal(t, ShutdownRequest{NoSave: true, Now: true, Force: true, Client: c.nc.LocalAddr().String()}, req)
	r.srv.ShutdownFailed(context.Canceled)
	require.Equal(t, "-ERR Errors trying to SHUTDOWN. Check logs.\r\n", c.read())

	c.send(frame("SHUTDOWN"))
	require.Equal(t, ShutdownRequest{Client: c.nc.LocalAddr().String()}, <-r.srv.ShutdownRequested())
	require.NoError(t, r.srv.PrepareShutdown(context.Background(), false), "no replicas: nothing to wait for")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, r.srv.Shutdown(ctx))
	require.Empty(t, c.closed(), "a shutdown has no reply")
}

// A replica that does not acknowledge holds a shutdown up, with writes held back, until SHUTDOWN ABORT.
func TestShutdownWaitsForReplicasAndCanBeAborted(t *testing.T) {
	r := start(t, "--shutdown-timeout", "600")
	replica := r.fakeReplica()
	c, asker, writer := r.dial(), r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "b"))
	asker.send(frame("SHUTDOWN"))
	<-r.srv.ShutdownRequested()
	result := make(chan error, 1)
	go func() { result <- r.srv.PrepareShutdown(context.Background(), false) }()
	require.Eventually(t, func() bool { return pauseMode(r.srv.pause.mode.Load()) == pauseWrites }, patience, time.Millisecond)
	writer.send(frame("SET", "a", "c"))
	require.Equal(t, "$1\r\nb\r\n", c.do("GET", "a"), "reads go on")
	require.Eventually(t, func() bool { return c.do("SHUTDOWN", "ABORT") == "+OK\r\n" }, patience, time.Millisecond)
	require.ErrorIs(t, <-result, ErrShutdownAborted)
	require.Equal(t, "-ERR Errors trying to SHUTDOWN. Check logs.\r\n", asker.read())
	require.Equal(t, "+OK\r\n", writer.read(), "the write that was held back")
	require.Equal(t, "-ERR No shutdown in progress.\r\n", c.do("SHUTDOWN", "ABORT"))
	_ = replica
}

func TestDebugSleepHoldsEverybodyBack(t *testing.T) {
	r := start(t)
	sleeper, other := r.dial(), r.dial()
	began := time.Now()
	sleeper.send(frame("DEBUG", "SLEEP", "0.3"))
	require.Eventually(t, func() bool { return pauseMode(r.srv.pause.mode.Load()) == pauseAll }, patience, time.Millisecond)
	require.Equal(t, "+PONG\r\n", other.do("PING"))
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	require.Equal(t, "+OK\r\n", sleeper.read())
}

func TestConfigSetPort(t *testing.T) {
	r := start(t)
	c := r.dial()
	taken := start(t)
	reply := c.do("CONFIG", "SET", "port", portOf(t, taken.addr()))
	require.Equal(t, "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.\r\n", reply)
	require.Equal(t, "+PONG\r\n", r.dial().do("PING"), "the old port is still there")

	free := portOf(t, taken.addr())
	taken.srv.listener.close()
	old := r.addr()
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "port", free))
	require.Equal(t, free, portOf(t, r.addr()))
	require.Equal(t, "+PONG\r\n", r.dial().do("PING"))
	require.NotEqual(t, old, r.addr())
	require.Equal(t, "+PONG\r\n", c.do("PING"), "connections outlive their listener")
}

func TestUnixSocket(t *testing.T) {
	r := start(t, "--unixsocket", "s.sock", "--unixsocketperm", "700")
	addrs := r.srv.Addrs()
	require.Len(t, addrs, 2)
	c := dialUnix(t, addrs[1].String())
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "b"))
	require.Contains(t, c.do("CLIENT", "LIST"), "addr="+addrs[1].String()+":0 ")
	require.Contains(t, c.do("CLIENT", "LIST"), "flags=U ")
}

func TestOptionalBindAddress(t *testing.T) {
	r := start(t, "--bind", "127.0.0.1 -192.0.2.77")
	require.Len(t, r.srv.Addrs(), 1)
}

// CLIENT KILL TYPE master cuts the link to the master, which is made anew.
func TestClientKillTypeMaster(t *testing.T) {
	master := start(t)
	_, port, _ := strings.Cut(master.addr(), ":")
	node := start(t, "--replicaof", "127.0.0.1 "+port)
	c := node.dial()
	eventually(t, func() bool { return node.nd.LinkUp() && node.eng.Applied() == master.bl.End() })
	partial := func() string { return master.dial().info("stats")["sync_partial_ok"] }
	before := partial()
	require.Equal(t, ":1\r\n", c.do("CLIENT", "KILL", "TYPE", "master"))
	eventually(t, func() bool { return partial() != before })
	require.Equal(t, ":0\r\n", master.dial().do("CLIENT", "KILL", "TYPE", "master"))
}
