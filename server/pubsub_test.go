package server

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPubSubAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	sameReplies(t, redis, ours.addr(), []string{
		"subscribe", "psubscribe", "ssubscribe", "publish", "publish a", "publish a b c", "spublish a", "pubsub", "pubsub foo", "pubsub channels a b",
		"pubsub numpat x", "publish a b", "spublish a b", "unsubscribe", "punsubscribe", "sunsubscribe", "unsubscribe a b", "punsubscribe a",
		"subscribe a\nping\nping x\nping x y\nget a\nset a\nfoo\nsubscribe a b\nunsubscribe a\npsubscribe p*\nunsubscribe\npunsubscribe\nping\nget a",
		"ssubscribe s\nsubscribe c\nsunsubscribe s\nsunsubscribe\nunsubscribe x\nunsubscribe c", "subscribe a a\nunsubscribe a a", "psubscribe a\nreset\nping\nget a",
		"hello 3\nsubscribe a\nping\nget nosuch\nunsubscribe a", "hello 3\nsubscribe a\npublish a x\nping\npublish a y\nunsubscribe\npublish a z",
		"hello 3\nunsubscribe\npunsubscribe", "hello 3\npsubscribe a*\nsubscribe ab\npublish ab x\nssubscribe ab\nspublish ab y",
		"subscribe a\nhello 3\nget nosuch", "client reply off\nsubscribe a\nping", "client reply skip\nsubscribe a\nping", "subscribe a\nclient info", "hello 3\nsubscribe a b\npsubscribe c\nssubscribe d\nclient info",
		"pubsub channels\npubsub numsub\npubsub numsub a b\npubsub numpat\npubsub shardchannels\npubsub shardnumsub s",
		"hello 3\nsubscribe b a\npsubscribe x*\nssubscribe s\npubsub channels b*\npubsub channels c*\npubsub numsub a c\npubsub numpat\npubsub shardchannels\npubsub shardnumsub s t",
		"multi\nsubscribe a b\nping\nexec\nping\nget a\nunsubscribe b", "multi\nset a 1\nsubscribe a\nunsubscribe a\nset a 2\nexec\nget a",
		"subscribe a\nmulti", "subscribe a\nquit\nping", "multi\npublish a b\nexec",
		"hello 3\nsubscribe a\nhello 2\nget a\nping\nhello 3", "pubsub help", "subscribe \"\"\npublish \"\" x",
	})
}

// A client of protocol 3 that publishes to itself in a transaction gets the message before the array of replies. Redis puts it into the
// array.
func TestMessageToOneselfInATransaction(t *testing.T) {
	c := start(t).dial()
	c.do("HELLO", "3")
	c.do("SUBSCRIBE", "c")
	c.send(frame("MULTI") + frame("PUBLISH", "c", "x") + frame("GET", "nosuch") + frame("EXEC"))
	for _, want := range []string{"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n", "*2\r\n:1\r\n_\r\n"} {
		require.Equal(t, want, c.read())
	}
}

// Who hears of a transaction sees what it has written.
func TestMessageOfATransactionComesWhenItShows(t *testing.T) {
	r := start(t)
	sub, reader, pub := r.dial(), r.dial(), r.dial()
	require.Contains(t, sub.do("SUBSCRIBE", "c"), "subscribe")
	filler := strings.Repeat("x", 200_000) // what a commit has to copy
	for i := range 100 {
		n := strconv.Itoa(i)
		pub.send(frame("MULTI") + frame("PUBLISH", "c", n) + frame("SET", "filler", filler) + frame("SET", "k", n) + frame("EXEC"))
		require.Contains(t, sub.read(), n)
		require.Equal(t, n, bulk(reader.do("GET", "k")))
		require.Equal(t, "*3\r\n:1\r\n+OK\r\n+OK\r\n", lastOf(pub, 5))
	}
}

// lastOf reads n replies and returns the last one.
func lastOf(c *client, n int) (reply string) {
	for range n {
		reply = c.read()
	}
	return reply
}

func TestMessagesAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	for _, lines := range []string{
		"A subscribe c\nB publish c x\nA\nB publish d x\nB publish c y\nA\nA unsubscribe c\nB publish c z\nA ping",
		"A subscribe c\nB psubscribe c*\nC publish c x\nA\nB\nC publish cd x\nB\nC pubsub numsub c cd\nC pubsub channels\nC pubsub numpat",
		"A psubscribe *\nA subscribe c\nC publish c x\nA\nA", "A ssubscribe c\nB subscribe c\nC spublish c x\nA\nC publish c y\nB",
		"A hello 3\nA psubscribe h?llo\nB publish hello w\nA\nB publish hllo w\nA get nosuch", "A subscribe c\nB multi\nB publish c 1\nB publish c 2\nB exec\nA\nA",
		"A subscribe c\nA quit\nB publish c x", "A subscribe c\nB client kill type pubsub\nB publish c x", "A subscribe c\nB client list type pubsub",
		"A subscribe c\nB client kill type normal\nB publish c x\nA", "A select 3\nA subscribe c\nB publish c x\nA", "A subscribe c\nA subscribe c\nB publish c x\nA\nA ping",
	} {
		t.Run(strings.ReplaceAll(lines, "\n", "; "), func(t *testing.T) {
			require.Equal(t, dialogue(t, redis, lines), dialogue(t, ours.addr(), lines))
		})
	}
}

// Messages travel down the stream as Redis sends them, except for what Sentinels say to each other.
func TestPublishedInTheStreamAsRedis(t *testing.T) {
	addrs := []string{oracle(t), start(t).addr()}
	var got [2][]string
	for i, addr := range addrs {
		s := attachStream(t, addr)
		dialogue(t, addr, "A select 1\nA set x 1\nA select 0\nA SET begin 1")
		s.until("begin")
		dialogue(t, addr, "A publish c x\nA SPUBLISH c y\nA set a 1\nA publish c \"\"\nA SET end 1")
		got[i] = s.until("end")
	}
	require.Equal(t, got[0], got[1])

	s := attachStream(t, addrs[1])
	dialogue(t, addrs[1], "A publish __sentinel__:hello x\nA SET hello 1")
	require.Empty(t, s.until("hello"))
}

// A replica's subscribers hear what is published on the master; what is published on the replica stays there.
func TestReplicaDeliversMessages(t *testing.T) {
	master := start(t)
	_, port, _ := strings.Cut(master.addr(), ":")
	node := startLoading(t, "--replicaof", "127.0.0.1 "+port)
	node.attach()
	sub := node.dial()
	require.Contains(t, sub.do("SUBSCRIBE", "c"), "subscribe")
	eventually(t, func() bool { return node.nd.LinkUp() })
	m := master.dial()
	require.Equal(t, ":0\r\n", m.do("PUBLISH", "c", "one"))
	require.Contains(t, sub.read(), "one")
	require.Equal(t, ":1\r\n", node.dial().do("PUBLISH", "c", "two"))
	require.Contains(t, sub.read(), "two")
	m.send(frame("MULTI") + frame("SET", "a", "1") + frame("PUBLISH", "c", "three") + frame("EXEC"))
	require.Contains(t, sub.read(), "three")
	require.Equal(t, "$1\r\n1\r\n", node.dial().do("GET", "a"), "the message comes when what was written before it shows")
	require.Equal(t, master.bl.End(), node.bl.End())
}

// What comes from the master changes a key that a replica's client watches.
func TestWatchOnAReplica(t *testing.T) {
	master := start(t)
	_, port, _ := strings.Cut(master.addr(), ":")
	node := start(t, "--replicaof", "127.0.0.1 "+port)
	c, m := node.dial(), master.dial()
	eventually(t, func() bool { return node.nd.LinkUp() })
	require.Equal(t, "+OK\r\n", c.do("WATCH", "a"))
	require.Equal(t, "+OK\r\n", m.do("SET", "a", "1"))
	eventually(t, func() bool { return c.do("GET", "a") == "$1\r\n1\r\n" })
	c.send(frame("MULTI") + frame("GET", "a") + frame("EXEC"))
	require.Equal(t, "+OK\r\n+QUEUED\r\n*-1\r\n", c.read()+c.read()+c.read())
	c.send(frame("MULTI") + frame("GET", "a") + frame("EXEC"))
	require.Equal(t, "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n", c.read()+c.read()+c.read())
}

// eventually waits for something that happens in the background.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 5*time.Millisecond)
}

func TestSubscriberThatReadsNothingIsClosed(t *testing.T) {
	r := start(t, "--client-output-buffer-limit", "pubsub 1mb 0 0")
	sub, pub := r.dial(), r.dial()
	require.Contains(t, sub.do("SUBSCRIBE", "c"), "subscribe")
	message := strings.Repeat("m", 100_000)
	eventually(t, func() bool { return pub.do("PUBLISH", "c", message) == ":0\r\n" })
	require.Zero(t, r.srv.hub.count(channels))
}

func TestSoftLimitOfSubscribers(t *testing.T) {
	// The time is long so that the server's own scans, which go by the clock, do not close the client while a slow machine
	// still publishes.
	r := start(t, "--client-output-buffer-limit", "pubsub 0 100kb 1000")
	sub, pub := r.dial(), r.dial()
	require.Contains(t, sub.do("SUBSCRIBE", "c"), "subscribe")
	message := strings.Repeat("m", 100_000)
	for range 200 { // more than the kernel's buffers take
		pub.do("PUBLISH", "c", message)
	}
	now := time.Now()
	r.srv.scanClients(now)
	require.Equal(t, 1, r.srv.hub.count(channels))
	r.srv.scanClients(now.Add(900 * time.Second))
	require.Equal(t, 1, r.srv.hub.count(channels))
	r.srv.scanClients(now.Add(1001 * time.Second))
	eventually(t, func() bool { return r.srv.hub.count(channels) == 0 })
}

// Many publishers, many subscribers: each gets every message, those of one publisher in order.
func TestMessagesComeInOrder(t *testing.T) {
	r := start(t)
	const subs, pubs, each = 4, 3, 300
	var listeners []*client
	for range subs {
		c := r.dial()
		require.Contains(t, c.do("SUBSCRIBE", "c"), "subscribe")
		listeners = append(listeners, c)
	}
	for p := range pubs {
		c := r.dial()
		go func() {
			for i := range each {
				c.send(frame("PUBLISH", "c", string(rune('a'+p))+":"+string(rune('0'+i%10))))
			}
		}()
	}
	for _, c := range listeners {
		next := map[byte]int{}
		for range pubs * each {
			reply := c.read()
			text := strings.TrimSpace(reply[strings.LastIndex(strings.TrimSpace(reply), "\n")+1:])
			require.Equal(t, byte('0'+next[text[0]]%10), text[2])
			next[text[0]]++
		}
	}
}
