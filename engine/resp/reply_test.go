package resp_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

func TestReadReply(t *testing.T) {
	str := func(kind byte, s string) resp.Reply { return resp.Reply{Kind: kind, Str: []byte(s)} }
	for _, tc := range []struct {
		in   string
		want resp.Reply
	}{
		{"+OK\r\n", str('+', "OK")},
		{"+\r\n", str('+', "")},
		{"+CONTINUE 0123456789012345678901234567890123456789\r\n", str('+', "CONTINUE 0123456789012345678901234567890123456789")},
		{"-NOMASTERLINK Can't SYNC\r\n", str('-', "NOMASTERLINK Can't SYNC")},
		{":-12\r\n", resp.Reply{Kind: ':', Int: -12}},
		{"$0\r\n\r\n", str('$', "")},
		{"$4\r\na\r\nb\r\n", str('$', "a\r\nb")},
		{"$-1\r\n", resp.Reply{Kind: '$', Null: true}},
		{"*-1\r\n", resp.Reply{Kind: '*', Null: true}},
		{"*0\r\n", resp.Reply{Kind: '*', Elems: []resp.Reply{}}},
		{"*2\r\n:1\r\n*1\r\n+a\r\n", resp.Reply{Kind: '*', Elems: []resp.Reply{
			{Kind: ':', Int: 1}, {Kind: '*', Elems: []resp.Reply{str('+', "a")}},
		}}},
		{"\n\n\n+OK\r\n", str('+', "OK")},
	} {
		t.Run(tc.in, func(t *testing.T) {
			// A byte at a time, with a buffer smaller than the lines, and something behind.
			r := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(tc.in+"rest")), 16)
			got, err := resp.ReadReply(r, 100)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "rest", string(rest))
		})
	}
}

func TestReadReplyErrors(t *testing.T) {
	nested := strings.Repeat("*1\r\n", 9)
	for _, tc := range []struct {
		in, want string
		is       error
	}{
		{in: "", is: io.EOF},
		{in: "\n\n", is: io.EOF},
		{in: "+OK", is: io.ErrUnexpectedEOF},
		{in: "$3\r\nab", is: io.ErrUnexpectedEOF},
		{in: "*2\r\n:1\r\n", is: io.ErrUnexpectedEOF},
		{in: "+OK\n", want: "reply: line not ended by CRLF"},
		{in: "\r\n", want: "reply: empty line"},
		{in: "%1\r\n", want: "reply: unknown type byte '%'"},
		{in: "PING\r\n", want: "reply: unknown type byte 'P'"},
		{in: ":1x\r\n", want: "reply: invalid number"},
		{in: "$-2\r\n", want: "reply: invalid number"},
		{in: "$+1\r\n", want: "reply: invalid number"},
		{in: "*18446744073709551617\r\n", want: "reply: invalid number"},
		{in: "$3\r\nabcxx", want: "reply: bulk string not ended by CRLF"},
		{in: "$536870912\r\n", is: resp.ErrReplyTooBig},
		{in: "$9223372036854775807\r\n", is: resp.ErrReplyTooBig},
		{in: "*1000000000\r\n", is: resp.ErrReplyTooBig},
		{in: "+" + strings.Repeat("a", 200) + "\r\n", is: resp.ErrReplyTooBig},
		{in: "*3\r\n$40\r\n" + strings.Repeat("a", 40) + "\r\n$40\r\n" + strings.Repeat("a", 40) + "\r\n$40\r\n", is: resp.ErrReplyTooBig},
		{in: nested + ":1\r\n", is: resp.ErrReplyTooBig},
	} {
		t.Run(tc.in, func(t *testing.T) {
			_, err := resp.ReadReply(bufio.NewReader(strings.NewReader(tc.in)), 100)
			require.Error(t, err)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
				return
			}
			var perr *resp.ProtocolError
			require.ErrorAs(t, err, &perr)
			require.Contains(t, perr.Text, tc.want)
		})
	}
}

// TestReadReplyPassesErrorsOn, a deadline for example.
func TestReadReplyPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	for _, in := range []string{"", "\n", "+O", "$3\r\na", "*2\r\n"} {
		r := bufio.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		_, err := resp.ReadReply(r, 100)
		require.ErrorIs(t, err, broken, "%q", in)
	}
}

// TestReadReplyDepth: eight arrays in each other are read.
func TestReadReplyDepth(t *testing.T) {
	in := strings.Repeat("*1\r\n", 7) + "*0\r\n"
	_, err := resp.ReadReply(bufio.NewReader(strings.NewReader(in)), 100)
	require.NoError(t, err)
}

func TestSkipKeepAlives(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("\n\n+OK\r\n"))
	for range 2 {
		alive, err := resp.SkipKeepAlives(r)
		require.NoError(t, err)
		require.True(t, alive)
	}
	alive, err := resp.SkipKeepAlives(r)
	require.NoError(t, err)
	require.False(t, alive)
	reply, err := resp.ReadReply(r, 100)
	require.NoError(t, err)
	require.Equal(t, "OK", string(reply.Str))
	_, err = resp.SkipKeepAlives(r)
	require.ErrorIs(t, err, io.EOF)
}

// TestReadReplyMemory: a promise of half a gigabyte costs little until it is kept.
func TestReadReplyMemory(t *testing.T) {
	in := []byte("$536870912\r\nabc")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := resp.ReadReply(bufio.NewReader(bytes.NewReader(in)), 1<<30)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// encode is the inverse of ReadReply.
func encode(w *bytes.Buffer, r resp.Reply) {
	var wr resp.Writer
	switch {
	case r.Null && r.Kind == '$':
		wr.Null()
	case r.Null:
		wr.NullArray()
	case r.Kind == '+':
		wr.Raw(append(append([]byte{'+'}, r.Str...), "\r\n"...))
	case r.Kind == '-':
		wr.Raw(append(append([]byte{'-'}, r.Str...), "\r\n"...))
	case r.Kind == ':':
		wr.Int(r.Int)
	case r.Kind == '$':
		wr.Bulk(r.Str)
	default:
		wr.Array(len(r.Elems))
	}
	w.Write(wr.Bytes())
	for _, e := range r.Elems {
		encode(w, e)
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{
		"+OK\r\n", "-ERR x\r\n", ":1\r\n", "$3\r\nabc\r\n", "*2\r\n$-1\r\n*-1\r\n", "\n\n*1\r\n*0\r\n", "$999999999999999999\r\n", "*99999\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(in), 16)
		reply, err := resp.ReadReply(r, 1000)
		oneByte, errOne := resp.ReadReply(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(in)), 16), 1000)
		require.Equal(t, reply, oneByte)
		require.Equal(t, err == nil, errOne == nil)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		var again bytes.Buffer
		encode(&again, reply)
		used := bytes.TrimLeft(in[:len(in)-len(rest)], "\n")
		require.Equal(t, string(used), again.String())
	})
}
