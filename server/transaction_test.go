package server

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

func TestTransactionsAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	sameReplies(t, redis, ours.addr(), []string{
		"multi", "multi x", "multi\nexec", "exec", "exec x", "discard", "multi\ndiscard\nexec", "multi\nmulti\nexec", "multi\nwatch a\nexec",
		"watch", "unwatch", "unwatch x", "watch a\nunwatch", "multi\nunwatch\nexec", "multi\nset a\nexec\nget a", "multi\nfoo\nexec\nping",
		"multi\nclient foo\nexec", "multi\nsync\nexec", "multi\npsync a 1\nexec", "multi\nshutdown\nexec", "multi\nsave\nexec",
		"multi\nset a 1\nincr a\nlpush a x\nselect 1\nget a\nset b 1\nexec\nget a\nget b", "multi\nquit\nping", "multi\nset q 1\nreset\nexec\nget q",
		"multi\nping\nwait 1 0\nexec", "set a 1\nmulti\nget a\ndel a\nget a\ndbsize\nkeys a\nexec", "flushall\nmulti\nset k1 1\nkeys *\nscan 0\nrandomkey\nexec",
		"multi\nhset h a 1\nhgetall h\nsadd s x\nsmembers s\nrpush l 1 2 3\nlrange l 0 -1\nzadd z 1 a\nzrange z 0 -1 withscores\nexec",
		"multi\nclient info\nexec", "watch a b\nmulti\nclient info\nexec", "client reply skip\nmulti\nping\nexec", "multi\nclient reply skip\nping\nexec\nping\nping",
		"multi\necho x\nhello 3\nhgetall nosuch\nexec\nhello", "multi\nconfig get maxclients\ndebug sleep 0\ninfo nosuch\nexec",
		"multi\nset a 1\nconfig set timeout -1\nincr a\nexec", "multi\nclient kill id 999999\nclient kill type normal\nexec",
		"multi\nclient pause 10 write\nset a 1\nexec", "multi\nset a 1 ex 100\npersist a\nttl a\nset a 1 pxat 1\nget a\nexists a\nexec\nget a",
		"set a 1 px 1\ndebug sleep 0.01\nmulti\nget a\nexists a\nexec", "multi\npfadd h a b\npfcount h\nexec\npfcount h",
		"set x 1\nwatch x\nset x 2\nmulti\nget x\nexec\nmulti\nget x\nexec", "watch nosuch\nmulti\nset x 3\nexec", "multi\nset x 4\nexec\nmulti\nset x\nset x 5\nexec\nget x",
		"multi\nswapdb 0 1\nget x\nswapdb 0 1\nget x\nexec", "multi\nflushall\nset x 1\ndbsize\nexec", "multi\nrename nosuch b\nset b 1\nrename b c\nget c\nexec",
		"hello 3\nwatch x\nset x 9\nmulti\nexec", "multi\ncommand count\ntime x\nexec", "multi\nscript kill\nexec", "script", "script foo", "script kill",
		"script kill x", "config set min-replicas-to-write 1\nmulti\nset a 1\nexec", "multi\nget a\nexec", "config set min-replicas-to-write 0",
		"replicaof 127.0.0.1 1\nmulti\nget a\nexec\nmulti\nset a b\nexec\nmulti\nreplicaof no one\nexec\nmulti\nset a 2\nexec\nget a",
	})
}

func TestTransactionsAsRedisWithPassword(t *testing.T) {
	redis, ours := oracle(t, "--requirepass", "x"), start(t, "--requirepass", "x")
	sameReplies(t, redis, ours.addr(), []string{"multi", "exec", "watch a", "auth x\nmulti\nauth y\nget a\nexec", "auth x\nmulti\nreset\nexec"})
}

// dialogue runs lines "A command" on connections by letter, in order, against one server, and reads one reply to each. A line "A" sends
// nothing and reads what is pushed.
func dialogue(t *testing.T, addr, lines string) (out []string) {
	t.Helper()
	conns := map[string]*client{}
	for _, line := range strings.Split(lines, "\n") {
		who, command, _ := strings.Cut(line, " ")
		if conns[who] == nil {
			conns[who] = dial(t, addr)
		}
		if command != "" {
			conns[who].send(command + "\r\n")
		}
		out = append(out, line+" -> "+normalise(conns[who].read()))
	}
	for _, c := range conns {
		require.NoError(t, c.nc.Close())
	}
	return out
}

func TestWatchAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	for _, lines := range []string{
		"A watch k\nB set k 1\nA multi\nA get k\nA exec",
		"A set k 1\nA watch k\nB set other 1\nA multi\nA get k\nA exec",
		"A set k 1\nA watch k\nB set k 1\nA client info\nA multi\nA exec\nB set k 2\nA multi\nA exec",
		"A watch k\nB set k 1\nA unwatch\nA multi\nA get k\nA exec",
		"A watch k\nB set k 1\nA multi\nA discard\nA multi\nA get k\nA exec",
		"A del k\nA watch k\nB del k\nA multi\nA exec",
		"A set k 1\nA watch k\nB get k\nB expire k 100\nA multi\nA exec",
		"A select 1\nA watch k\nB set k 1\nA multi\nA exec\nA watch k\nB select 1\nB set k 1\nA multi\nA exec",
		"A flushall\nA watch k\nB flushall\nA multi\nA exec", "A flushall\nA set k 1\nA watch k\nB flushdb\nA multi\nA exec",
		"A flushall\nA watch k\nB select 1\nB set k 1\nB swapdb 0 1\nA multi\nA exec",
		"A flushall\nA watch k\nB swapdb 0 1\nB set k 1\nA multi\nA exec", "A flushall\nA watch k\nB swapdb 0 1\nB select 1\nB set k 1\nA multi\nA exec",
		"A flushall\nA set k 1\nA watch k\nB swapdb 0 1\nA multi\nA exec", "A flushall\nA set k 1\nA watch k\nB swapdb 2 1\nA multi\nA exec",
		"A set k 1 px 20\nA watch k\nB debug sleep 0.05\nA multi\nA exec",
		"A set k 1 px 20\nB debug sleep 0.05\nA watch k\nA multi\nA exec",
		"A set k 1 px 20\nB debug sleep 0.05\nA watch k\nB get k\nA multi\nA exec",
		"A set k 1 px 20\nB debug sleep 0.05\nA watch k\nB set k 1\nA multi\nA exec",
		"A rpush k 1\nA watch k\nB rpush k 2\nA multi\nA exec\nA del k", "A set k 1\nA watch k k\nB rename k k2\nA multi\nA exec",
		"A watch k\nB multi\nB set k 1\nB exec\nA multi\nA exec", "A watch k\nB multi\nB set k 1\nB discard\nA multi\nA exec",
		"A watch a b c\nB set c 1\nA multi\nA exec", "A watch a\nA reset\nB set a 1\nA multi\nA exec",
	} {
		t.Run(strings.ReplaceAll(lines, "\n", "; "), func(t *testing.T) {
			require.Equal(t, dialogue(t, redis, lines), dialogue(t, ours.addr(), lines))
		})
	}
}

// stream is a replica that looks at what it is sent.
type stream struct{ *client }

// attachStream asks for a full sync in its oldest form and throws the data away.
func attachStream(t *testing.T, addr string) stream {
	t.Helper()
	c := dial(t, addr)
	c.send(frame("PSYNC", "?", "-1"))
	line := func() string {
		for {
			text, err := c.r.ReadString('\n')
			require.NoError(t, err)
			if text = strings.TrimRight(text, "\r\n"); text != "" {
				return text
			}
		}
	}
	require.NoError(t, c.nc.SetReadDeadline(time.Now().Add(patience)))
	require.Contains(t, line(), "+FULLRESYNC")
	size, err := strconv.Atoi(strings.TrimPrefix(line(), "$"))
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, c.r, int64(size))
	require.NoError(t, err)
	return stream{c}
}

// until returns the stream's commands up to one that sets the key mark, without PINGs.
func (s stream) until(mark string) (out []string) {
	s.t.Helper()
	for {
		reply, err := resp.ReadReply(s.r, 1<<20)
		require.NoError(s.t, err)
		var words []string
		for _, e := range reply.Elems {
			words = append(words, string(e.Str))
		}
		text := strings.Join(words, " ")
		switch {
		case text == "SET "+mark+" 1":
			return out
		case strings.EqualFold(text, "ping"):
		default:
			out = append(out, text)
		}
	}
}

// What a transaction leaves in the stream is what Redis leaves there, frame for frame.
func TestTransactionEffectsAsRedis(t *testing.T) {
	addrs := []string{oracle(t), start(t).addr()}
	var streams []stream
	for _, addr := range addrs {
		streams = append(streams, attachStream(t, addr))
		dialogue(t, addr, "A select 1\nA set x 1\nA select 0\nA SET begin 1")
		streams[len(streams)-1].until("begin")
	}
	for i, lines := range []string{
		"A multi\nA set a 1\nA exec", "A multi\nA set a 1\nA set b 1\nA exec", "A multi\nA get a\nA exec", "A multi\nA set a 1\nA get a\nA del nosuch\nA exec",
		"A multi\nA set a 1\nA discard", "A multi\nA set a 1\nA select 2\nA set a 1\nA exec", "A multi\nA select 2\nA set a 1\nA set b 1\nA exec",
		"A multi\nA set a 1 pxat 1\nA exec\nA multi\nA set a 1\nA incrbyfloat a 1.5\nA spop nosuch\nA exec",
		"A multi\nA rpush l 1 2\nA lmove l m left right\nA rpoplpush l m\nA exec", "A watch a\nA set a 2\nA multi\nA set a 3\nA exec",
		"A multi\nA lpush a 1\nA set b 2\nA exec", "A multi\nA flushall\nA set a 1\nA exec", "A multi\nA publish ch x\nA set a 1\nA exec",
		"A multi\nA publish ch x\nA exec", "A multi\nA pfadd h a b c\nA pfcount h\nA exec", "A multi\nA set a 1 px 100000\nA persist a\nA exec",
	} {
		t.Run(strings.ReplaceAll(lines, "\n", "; "), func(t *testing.T) {
			mark := fmt.Sprintf("mark%d", i)
			var got [2][]string
			for j, addr := range addrs {
				dialogue(t, addr, lines+"\nA select 0\nA SET "+mark+" 1")
				got[j] = maskTimes(streams[j].until(mark))
			}
			require.Equal(t, got[0], got[1])
		})
	}
}

// maskTimes blanks the time-outs that the server has computed.
func maskTimes(commands []string) []string {
	for i, text := range commands {
		if at := strings.Index(text, "PXAT "); at >= 0 && !strings.HasSuffix(text, "PXAT 1") {
			commands[i] = text[:at] + "PXAT T"
		}
	}
	return commands
}

// Nobody sees a part of a transaction: not a plain read of two keys, not another transaction.
func TestTransactionsAreAtomic(t *testing.T) {
	r := start(t)
	const rounds = 200
	var wg sync.WaitGroup
	for range 3 {
		c := r.dial()
		wg.Go(func() {
			for range rounds {
				c.send(frame("MULTI") + frame("INCR", "a") + frame("PING") + frame("INCR", "b") + frame("EXEC"))
				for range 4 {
					c.read()
				}
				require.Contains(t, c.read(), "*3\r\n:")
			}
		})
	}
	for _, read := range []string{frame("MGET", "a", "b"), frame("MULTI") + frame("GET", "a") + frame("GET", "b") + frame("EXEC")} {
		c := r.dial()
		wg.Go(func() {
			for range rounds {
				c.send(read)
				reply := c.read()
				for !strings.HasPrefix(reply, "*2") {
					reply = c.read()
				}
				parts := strings.Split(reply, "$")
				require.Equal(t, strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2]))
			}
		})
	}
	wg.Wait()
	require.Equal(t, "$3\r\n600\r\n", r.dial().do("GET", "b"))
}

// A server command that needs the sequencer itself divides a transaction instead of hanging it.
func TestTransactionChangesTheRole(t *testing.T) {
	r := start(t)
	c := r.dial()
	c.send("multi\r\nset a 1\r\nreplicaof 127.0.0.1 1\r\nset a 2\r\nget a\r\nreplicaof no one\r\nset a 3\r\nexec\r\n")
	for range 7 {
		c.read()
	}
	refusal := "-READONLY You can't write against a read only replica.\r\n"
	require.Equal(t, "*6\r\n+OK\r\n+OK\r\n"+refusal+refusal+"+OK\r\n+OK\r\n", c.read())
}

func TestTransactionOverTheQueryLimitClosesTheClient(t *testing.T) {
	c := start(t, "--client-query-buffer-limit", "1mb").dial()
	c.send("multi\r\n")
	require.Equal(t, "+OK\r\n", c.read())
	value := string(bytes.Repeat([]byte{'v'}, 400_000))
	for range 2 {
		require.Equal(t, "+QUEUED\r\n", c.do("SET", "k", value))
	}
	c.send(frame("SET", "k", value))
	require.Empty(t, c.closed())
}
