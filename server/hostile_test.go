package server

import (
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heapInUse is the live heap.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // fits
}

// Frames that are wrong end in Redis' protocol error and a closed connection; what came before them is answered.
func TestHostileFrames(t *testing.T) {
	const before, after = "*1\r\n$4\r\nPING\r\n", "+PONG\r\n"
	protocol := func(text string) string { return after + "-ERR Protocol error: " + text + "\r\n" }
	cases := []struct{ name, in, out string }{
		{"more arguments than an int holds", "*2147483648\r\n", protocol("invalid multibulk length")},
		{"argument count overflows 64 bits", "*99999999999999999999\r\n", protocol("invalid multibulk length")},
		{"argument count is not a number", "*abc\r\n", protocol("invalid multibulk length")},
		{"argument count has a plus", "*+1\r\n", protocol("invalid multibulk length")},
		{"endless argument count", "*" + strings.Repeat("1", 70_000), protocol("too big mbulk count string")},
		{"no bulk string", "*1\r\nfoo\r\n", protocol("expected '$', got 'f'")},
		{"negative bulk length", "*1\r\n$-1\r\n", protocol("invalid bulk length")},
		{"bulk length wraps around", "*1\r\n$18446744073709551614\r\n", protocol("invalid bulk length")},
		{"largest int64", "*1\r\n$9223372036854775807\r\n", protocol("invalid bulk length")},
		{"beyond proto-max-bulk-len", "*1\r\n$536870913\r\n", protocol("invalid bulk length")},
		{"endless bulk length", "*1\r\n$" + strings.Repeat("1", 70_000), protocol("too big bulk count string")},
		{"endless inline line", strings.Repeat("a", 70_000), protocol("too big inline request")},
		{"unbalanced quotes", "\"abc\r\n", protocol("unbalanced quotes in request")},
		{"HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", after},
	}
	r := start(t)
	other := r.dial()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, r.addr())
			c.send(before + tc.in)
			require.Equal(t, tc.out, c.closed())
			require.Equal(t, "+PONG\r\n", other.do("PING"))
		})
	}
}

func TestHostileFramesBeforeAuth(t *testing.T) {
	r := start(t, "--requirepass", "x")
	for _, tc := range []struct{ name, in, out string }{
		{"a million arguments", "*1000000\r\n" + strings.Repeat("$1\r\na\r\n", 1000), "-ERR Protocol error: unauthenticated multibulk length\r\n"},
		{"eleven arguments", "*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"},
		{"a long argument", "*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, r.addr())
			c.send(tc.in)
			require.Equal(t, tc.out, c.closed())
		})
	}
	c := r.dial()
	require.Equal(t, "+OK\r\n", c.do("AUTH", "x"))
	require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 20_000)), "the limits end with AUTH")
}

// A number costs nothing: many clients that announce the largest bulk string and send a few bytes of it.
func TestHalfFramesCostNoMemory(t *testing.T) {
	const clients = 200
	r := start(t)
	before := heapInUse()
	for range clients {
		c := r.dial()
		c.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n" + strings.Repeat("x", 1000))
	}
	require.Eventually(t, func() bool {
		received := 0
		r.srv.clients.each(func(c *conn) {
			if c.queryLen.Load() > 1000 {
				received++
			}
		})
		return received == clients
	}, patience, time.Millisecond)
	require.Less(t, heapInUse()-before, int64(clients*64<<10))
	require.Equal(t, "+PONG\r\n", r.dial().do("PING"))
}

func TestManyArgumentsCostWhatTheyBring(t *testing.T) {
	r := start(t)
	before := heapInUse()
	c := r.dial()
	c.send("*1048576\r\n" + strings.Repeat("$1\r\na\r\n", 100_000))
	require.Eventually(t, func() bool { return r.srv.stats.netIn.Load() >= 700_000 }, patience, time.Millisecond)
	require.Less(t, heapInUse()-before, int64(8<<20))
}

// scanLater runs the housekeeper's scan as if d had passed.
func (r *rig) scanLater(d time.Duration) { r.srv.scanClients(time.Now().Add(d)) }

func TestHalfAFrameThenSilence(t *testing.T) {
	t.Run("before authentication", func(t *testing.T) {
		r := start(t, "--requirepass", "x")
		c := r.dial()
		c.send("*2\r\n$4\r\nAU")
		require.Eventually(t, func() bool {
			found := false
			r.srv.clients.each(func(c *conn) { found = found || c.partial.Load() != 0 })
			return found
		}, patience, time.Millisecond)
		r.scanLater(unauthFrameTimeout - time.Second)
		require.Equal(t, 1, r.srv.clients.len())
		r.scanLater(unauthFrameTimeout + time.Second)
		require.Empty(t, c.closed())
	})
	t.Run("an authenticated client is left alone without timeout", func(t *testing.T) {
		r := start(t)
		c := r.dial()
		c.send("*2\r\n$4\r\nECHO\r\n$2\r\n")
		r.scanLater(time.Hour)
		c.send("hi\r\n")
		require.Equal(t, "$2\r\nhi\r\n", c.read())
	})
	t.Run("timeout", func(t *testing.T) {
		r := start(t, "--timeout", "30")
		c := r.dial()
		require.Equal(t, "+PONG\r\n", c.do("PING"))
		c.send("*2\r\n$4\r\nECHO\r\n")
		r.scanLater(20 * time.Second)
		require.Equal(t, 1, r.srv.clients.len())
		require.Eventually(t, func() bool { // a client has its reply before the server has noted that none is owed
			r.scanLater(31 * time.Second)
			return r.srv.clients.len() == 0
		}, patience, time.Millisecond)
		require.Empty(t, c.closed())
	})
}

func TestQueryBufferLimit(t *testing.T) {
	r := start(t, "--client-query-buffer-limit", "1mb", "--proto-max-bulk-len", "512mb")
	c := r.dial()
	go func() { // the server closes in the middle of it
		_, _ = io.WriteString(c.nc, "*2\r\n$4\r\nECHO\r\n$5000000\r\n"+strings.Repeat("x", 5_000_000))
	}()
	require.Empty(t, c.closed())
	require.Equal(t, "+PONG\r\n", r.dial().do("PING"))
}

// A client that asks for much and reads nothing costs a bounded amount of memory and holds up nobody.
func TestSlowReader(t *testing.T) {
	r := start(t)
	value := strings.Repeat("v", 1<<20)
	require.Equal(t, "+OK\r\n", r.dial().do("SET", "big", value))
	before := heapInUse()
	slow := r.dial()
	slow.send(strings.Repeat(frame("GET", "big"), 1000))
	require.Eventually(t, func() bool {
		stuck := false
		r.srv.clients.each(func(c *conn) { stuck = stuck || c.owed.Load() > 0 })
		return stuck
	}, patience, time.Millisecond)
	require.Less(t, heapInUse()-before, int64(48<<20))
	other := r.dial()
	for range 100 {
		require.Equal(t, "+OK\r\n", other.do("SET", "k", "v"))
	}
	require.Eventually(t, func() bool { return strings.Contains(other.do("CLIENT", "LIST"), "events=rw") }, patience, time.Millisecond)
	require.Equal(t, ":1\r\n", other.do("CLIENT", "KILL", "ADDR", slow.nc.LocalAddr().String()))
	require.Eventually(t, func() bool { return !strings.Contains(other.do("CLIENT", "LIST"), "events=rw") }, patience, time.Millisecond)
}

func TestOutputBufferLimits(t *testing.T) {
	t.Run("hard", func(t *testing.T) {
		r := start(t, "--client-output-buffer-limit", "normal 100kb 0 0")
		c := r.dial()
		require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 200_000)))
		c.send(frame("GET", "k"))
		require.Empty(t, c.closed())
	})
	t.Run("soft", func(t *testing.T) {
		r := start(t, "--client-output-buffer-limit", "normal 0 100kb 5")
		c := r.dial()
		require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 20<<20)))
		c.send(frame("GET", "k"))
		require.Eventually(t, func() bool {
			stuck := false
			r.srv.clients.each(func(c *conn) { stuck = stuck || c.owed.Load() > 100<<10 })
			return stuck
		}, patience, time.Millisecond)
		r.scanLater(0)
		r.scanLater(time.Second)
		require.Equal(t, 1, r.srv.clients.len())
		r.scanLater(10 * time.Second)
		require.Eventually(t, func() bool { return r.srv.clients.len() == 0 }, patience, time.Millisecond)
	})
}

func TestMaxClients(t *testing.T) {
	r := start(t, "--maxclients", "2")
	a, b := r.dial(), r.dial()
	require.Equal(t, "+PONG\r\n", a.do("PING"))
	require.Equal(t, "+PONG\r\n", b.do("PING"))
	require.Equal(t, "-ERR max number of clients reached\r\n", r.dial().closed())
	require.Equal(t, "1", a.info("stats")["rejected_connections"])
	require.Equal(t, "+OK\r\n", a.do("QUIT"))
	require.Empty(t, a.closed())
	require.Eventually(t, func() bool { return r.srv.clients.len() == 1 }, patience, time.Millisecond)
	require.Equal(t, "+PONG\r\n", r.dial().do("PING"))
}

// outsideAddress is an address of this machine that is not loopback.
func outsideAddress(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this machine has only loopback addresses: protected mode cannot be tried from outside")
	return ""
}

func TestProtectedMode(t *testing.T) {
	ip := outsideAddress(t)
	port := portOf(t, oracle(t, "--bind", ip+" 127.0.0.1", "--protected-mode", "yes"))
	r := start(t, "--bind", ip+" 127.0.0.1")
	outside := net.JoinHostPort(ip, portOf(t, r.addr()))
	want := dialRaw(t, net.JoinHostPort(ip, port))
	require.Contains(t, want, "-DENIED")
	require.Equal(t, want, dialRaw(t, outside))

	inside := dial(t, net.JoinHostPort("127.0.0.1", portOf(t, r.addr())))
	require.Equal(t, "+OK\r\n", inside.do("CONFIG", "SET", "requirepass", "x"))
	c := dial(t, outside)
	require.Equal(t, "+OK\r\n", c.do("AUTH", "x"))
	require.Equal(t, "+OK\r\n", inside.do("CONFIG", "SET", "requirepass", "", "protected-mode", "no"))
	require.Equal(t, "+PONG\r\n", dial(t, outside).do("PING"))
}

func portOf(t testing.TB, addr string) string {
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return port
}

// dialRaw connects, sends nothing, and returns what the server says before it closes.
func dialRaw(t *testing.T, addr string) string {
	c := dial(t, addr)
	require.NoError(t, c.nc.SetReadDeadline(time.Now().Add(patience)))
	b, err := io.ReadAll(c.r)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	return string(b)
}
