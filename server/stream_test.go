package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bigList fills a list of n elements of 1 KB each.
func bigList(c *client, n int) {
	pad := strings.Repeat("x", 1000)
	for i := 0; i < n; i += 500 {
		args := []string{"RPUSH", "list"}
		for j := i; j < i+500; j++ {
			args = append(args, fmt.Sprintf("%06d%s", j, pad))
		}
		c.do(args...)
	}
}

// bigValues fills a list, a hash, a set and a sorted set of n elements of 1 KB each.
func bigValues(c *client, n int) {
	pad := strings.Repeat("x", 1000)
	for i := 0; i < n; i += 100 {
		list, hash := []string{"RPUSH", "list"}, []string{"HSET", "hash"}
		set, zset := []string{"SADD", "set"}, []string{"ZADD", "zset"}
		for j := i; j < i+100; j++ {
			e := fmt.Sprintf("%06d%s", j, pad)
			list, hash, set, zset = append(list, e), append(hash, e[:6], e), append(set, e), append(zset, fmt.Sprint(j), e)
		}
		for _, args := range [][]string{list, hash, set, zset} {
			c.do(args...)
		}
	}
}

var bigReplies = [][]string{
	{"LRANGE", "list", "0", "-1"},
	{"HGETALL", "hash"},
	{"HVALS", "hash"},
	{"SMEMBERS", "set"},
	{"ZRANGE", "zset", "0", "-1", "WITHSCORES"},
	{"ZRANGE", "zset", "-inf", "+inf", "BYSCORE"},
	{"ZRANGE", "zset", "0", "-1", "REV"},
}

// A long reply is sent while it is read: the client has its beginning while the connection holds no more than a portion.
func TestLongRepliesAreStreamed(t *testing.T) {
	r := start(t)
	c := r.dial()
	const n = 3000
	bigValues(c, n)
	for _, args := range bigReplies {
		whole := c.do(args...)
		require.Greater(t, len(whole), n*1000, args)
		require.Less(t, r.oneClient().replyPeak.Load(), int64(600<<10), "%v: it was not sent in portions", args)
		require.Equal(t, "+PONG\r\n", c.do("PING"), "the stream of replies goes on")
	}
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "b"))
	c.send(frame("GET", "a") + frame("LRANGE", "list", "0", "-1") + frame("GET", "a") + frame("SET", "a", "c") + frame("GET", "a"))
	require.Equal(t, "$1\r\nb\r\n", c.read())
	require.Greater(t, len(c.read()), n*1000)
	require.Equal(t, "$1\r\nb\r\n", c.read())
	require.Equal(t, "+OK\r\n", c.read())
	require.Equal(t, "$1\r\nc\r\n", c.read())
}

// A client that does not take a long reply holds no view for long: the rest is buffered, and is there when it reads at last.
func TestSlowReadersGetTheRestFromABuffer(t *testing.T) {
	r := start(t)
	c := r.dial()
	const n = 20000 // more than the socket's buffers hold
	bigList(c, n)
	before := c.do("LRANGE", "list", "0", "-1")
	c.send(frame("LRANGE", "list", "0", "-1"))
	conn := r.oneClient()
	require.Eventually(t, func() bool { return conn.owed.Load() > 1<<20 }, patience, time.Millisecond, "the rest is buffered")
	other := r.dial()
	require.Equal(t, "+OK\r\n", other.do("SET", "written", "meanwhile"))
	require.Equal(t, ":20001\r\n", other.do("RPUSH", "list", "meanwhile"))
	require.Equal(t, before, c.read(), "the list as it was")
	require.Equal(t, "+PONG\r\n", c.do("PING"))
}

// Nobody is left to read: the command ends, and the server goes on.
func TestStreamingEndsWithItsReader(t *testing.T) {
	r := start(t)
	c, other := r.dial(), r.dial()
	bigList(c, 20000)
	c.send(frame("LRANGE", "list", "0", "-1"))
	require.NoError(t, c.nc.Close())
	require.Eventually(t, func() bool { return other.info("clients")["connected_clients"] == "1" }, patience, time.Millisecond)
	require.Equal(t, ":20000\r\n", other.do("LLEN", "list"))
	require.NotContains(t, other.info("errorstats"), "errorstat_ERR")
}

// CLIENT REPLY takes long replies back as it does short ones.
func TestStreamingAndClientReply(t *testing.T) {
	c := start(t).dial()
	bigList(c, 1000)
	c.send(frame("CLIENT", "REPLY", "OFF") + frame("LRANGE", "list", "0", "-1") + frame("CLIENT", "REPLY", "ON"))
	require.Equal(t, "+OK\r\n", c.read())
	c.send(frame("CLIENT", "REPLY", "SKIP") + frame("LRANGE", "list", "0", "-1") + frame("PING"))
	require.Equal(t, "+PONG\r\n", c.read())
}

// oneClient is the server's side of the only connection.
func (r *rig) oneClient() (one *conn) {
	r.t.Helper()
	r.srv.clients.each(func(c *conn) {
		require.Nil(r.t, one, "there are several")
		one = c
	})
	require.NotNil(r.t, one)
	return one
}
