package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/resp"
)

// However a client's bytes are cut into packets, the replies are those of the commands sent one by one.
func TestRepliesDoNotDependOnPackets(t *testing.T) {
	r := start(t)
	scripts := []string{
		"SET k%d v", "GET k%d", "INCR n%d", "DEL k%d", "PING", "SELECT %d", "nosuch x", "GET", "ECHO hi", "MGET k1 k2", "CLIENT GETNAME",
		"CLIENT REPLY SKIP", "HELLO 3", "HELLO 2", "APPEND k%d abc", "STRLEN k%d", "RESET", "CLIENT REPLY OFF", "CLIENT REPLY ON",
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(rt, "commands")
		var frames []string
		for range n {
			s := rapid.SampledFrom(scripts).Draw(rt, "command")
			if strings.Contains(s, "%d") {
				s = fmt.Sprintf(s, rapid.IntRange(0, 3).Draw(rt, "arg"))
			}
			if rapid.Bool().Draw(rt, "inline") {
				frames = append(frames, s+"\r\n")
			} else {
				frames = append(frames, frame(strings.Fields(s)...))
			}
		}
		frames = append(frames, frame("QUIT"))
		run := func(packets []string) string {
			require.Equal(t, "+OK\r\n", r.dialTB(t).do("FLUSHALL"))
			c := r.dialTB(t)
			defer c.nc.Close()
			for _, p := range packets {
				c.send(p)
			}
			return helloID.ReplaceAllString(c.closed(), "$$2\r\nid\r\n:N")
		}
		one := run(frames)
		whole := strings.Join(frames, "")
		var packets []string
		for len(whole) > 0 {
			cut := rapid.IntRange(1, len(whole)).Draw(rt, "packet")
			packets = append(packets, whole[:cut])
			whole = whole[cut:]
		}
		if many := run(packets); many != one {
			rt.Fatalf("one by one: %q\nin packets %q: %q", one, packets, many)
		}
	})
}

func (r *rig) dialTB(t *testing.T) *client { return dial(t, r.addr()) }

// replyLen finds the end of every reply that our writer can write, so errors inside of others are not counted and none is missed.
func TestErrorsAmongRepliesAreCounted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := resp.Writer{Proto: rapid.SampledFrom([]int{2, 3}).Draw(rt, "proto")}
		errors := uint64(0)
		for range rapid.IntRange(0, 20).Draw(rt, "replies") {
			before := w.Len()
			writeReply(rt, &w, 0)
			if w.Bytes()[before] == '-' {
				errors++
			}
		}
		var s stats
		s.init(time.Now())
		s.countErrors(w.Bytes())
		if got := s.errorReplies.Load(); got != errors {
			rt.Fatalf("counted %d of %d errors in %q", got, errors, w.Bytes())
		}
	})
}

func writeReply(rt *rapid.T, w *resp.Writer, depth int) {
	kinds := 9
	if depth < 3 {
		kinds = 13
	}
	n := rapid.IntRange(0, 3).Draw(rt, "n")
	switch rapid.IntRange(0, kinds-1).Draw(rt, "kind") {
	case 0:
		w.OK()
	case 1:
		w.Error("ERR -x")
	case 2:
		w.Int(int64(-n))
	case 3:
		w.Bulk([]byte("-a\r\nb\n"[:2*n]))
	case 4:
		w.Null()
	case 5:
		w.NullArray()
	case 6:
		w.Double(1.5)
	case 7:
		w.Verbatim("txt", strings.Repeat("-", n))
	case 8:
		w.Bool(n > 1)
	case 9:
		w.Array(n)
		for range n {
			writeReply(rt, w, depth+1)
		}
	case 10:
		w.Map(n)
		for range 2 * n {
			writeReply(rt, w, depth+1)
		}
	case 11:
		w.Set(n)
		for range n {
			writeReply(rt, w, depth+1)
		}
	default:
		w.Push(n)
		for range n {
			writeReply(rt, w, depth+1)
		}
	}
}

func BenchmarkPipelinedGet(b *testing.B) {
	r := start(b)
	c := r.dial()
	require.Equal(b, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 100)))
	const pipeline = 100
	in := strings.Repeat(frame("GET", "k"), pipeline)
	out := make([]byte, pipeline*(len("$100\r\n")+100+2))
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += pipeline {
		c.send(in)
		for read := 0; read < len(out); {
			n, err := c.r.Read(out[read:])
			require.NoError(b, err)
			read += n
		}
	}
}
