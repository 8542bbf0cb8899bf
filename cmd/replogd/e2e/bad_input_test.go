package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const hostileGrowthLimit = 48 << 20

// TestHostileFrames: each gets Redis' protocol error (checked against redis-server 7.0.15) and a closed connection. Nobody else notices.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node").start()
	locked := newNode(t, "locked", "requirepass", "secret")
	locked.pass = "secret"
	locked.start()

	for name, c := range map[string]struct {
		node  *node
		bytes string
		says  string
	}{
		"more arguments than an int holds": {n, "*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length"},
		"two thousand million arguments":   {n, "*2147483648\r\n", "-ERR Protocol error: invalid multibulk length"},
		"argument count is no number":      {n, "*1x\r\n", "-ERR Protocol error: invalid multibulk length"},
		"bulk longer than an int holds":    {n, "*1\r\n$99999999999999999999\r\n", "-ERR Protocol error: invalid bulk length"},
		"bulk longer than 512 MB":          {n, "*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length"},
		"negative bulk":                    {n, "*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length"},
		"near the end of 64 bits":          {n, "*1\r\n$9223372036854775807\r\n", "-ERR Protocol error: invalid bulk length"},
		"bulk length is no number":         {n, "*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length"},
		"no bulk where one must be":        {n, "*1\r\n%3\r\n", "-ERR Protocol error: expected '$', got '%'"},
		"inline line that never ends":      {n, strings.Repeat("x", 1<<16+1), "-ERR Protocol error: too big inline request"},
		"count line that never ends":       {n, "*" + strings.Repeat("1", 1<<16+1), "-ERR Protocol error: too big mbulk count string"},
		"bulk line that never ends":        {n, "*1\r\n$" + strings.Repeat("1", 1<<16+1), "-ERR Protocol error: too big bulk count string"},
		"unbalanced quotes":                {n, "SET k \"open\r\n", "-ERR Protocol error: unbalanced quotes in request"},
		"a million arguments before AUTH":  {locked, "*1000000\r\n", "-ERR Protocol error: unauthenticated multibulk length"},
		"a long bulk before AUTH":          {locked, "*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := c.node.dial().send("%s", c.bytes)
			require.Equal(t, c.says, conn.line())
			conn.ends(reactsWithin)
			require.NoError(t, c.node.client().Ping(context.Background()).Err(), "others are served")
		})
	}
}

// TestPromisesAreNotAllocated: many connections announce huge frames and send little of them. Memory follows what was sent.
func TestPromisesAreNotAllocated(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node").start()
	n.do("SET k v")
	before := residentBytes(t, n)
	for range 50 {
		n.dial().send("*1048576\r\n$3\r\nSET\r\n")
		n.dial().send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nonly this much")
	}
	require.Equal(t, "v", n.do("GET k"))
	require.Less(t, residentBytes(t, n)-before, int64(hostileGrowthLimit))
}

// TestHalfAFrameThenSilence: `timeout` also ends a client that stopped in the middle of a command.
func TestHalfAFrameThenSilence(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node", "timeout", "1").start()
	conn := n.dial().send("*3\r\n$3\r\nSET\r\n$1\r\n")
	conn.ends(reactsWithin)
	require.Equal(t, "0", n.do("EXISTS k"))
}

// TestMaxClients: the one too many is told so and sent away.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node", "maxclients", "5").start()
	n.closeClient()
	for range 5 {
		conn := n.dial().send("PING\r\n")
		if got := conn.line(); got != "+PONG" {
			// The readiness probe's connection may still count for a moment: then this is already the one too many.
			require.Equal(t, "-ERR max number of clients reached", got)
			return
		}
	}
	conn := n.dial()
	require.Equal(t, "-ERR max number of clients reached", conn.line())
	conn.ends(reactsWithin)
}

// TestSlowReaderIsBounded: a client that asks for much and reads nothing is cut off by its output limit or held back; it does not
// make the server keep all its replies.
func TestSlowReaderIsBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node", "client-output-buffer-limit", "normal 8mb 0 0").start()
	n.do("SET big", strings.Repeat("x", 1<<20))
	before := residentBytes(t, n)
	conn := n.dial()
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
	for range 500 {
		conn.send("GET big\r\n")
	}
	eventually(t, reactsWithin, "others are served", func() error { return n.client().Ping(context.Background()).Err() })
	require.Less(t, residentBytes(t, n)-before, int64(2*hostileGrowthLimit))
}
