package resp_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

func TestWriter(t *testing.T) {
	for _, tc := range []struct {
		name         string
		write        func(w *resp.Writer)
		resp2, resp3 string
	}{
		{"ok", (*resp.Writer).OK, "+OK\r\n", "+OK\r\n"},
		{"simple", func(w *resp.Writer) { w.Simple("a\r\nb") }, "+a  b\r\n", "+a  b\r\n"},
		{"error", func(w *resp.Writer) { w.Error("\rERR a\nb\r\n") }, "-ERR a b\r\n", "-ERR a b\r\n"},
		{"int", func(w *resp.Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
		{"bulk", func(w *resp.Writer) { w.Bulk([]byte("a\r\nb")) }, "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
		{"nil bulk", func(w *resp.Writer) { w.Bulk(nil) }, "$0\r\n\r\n", "$0\r\n\r\n"},
		{"bulk string", func(w *resp.Writer) { w.BulkString("abc") }, "$3\r\nabc\r\n", "$3\r\nabc\r\n"},
		{"bulk int", func(w *resp.Writer) { w.BulkInt(-12) }, "$3\r\n-12\r\n", "$3\r\n-12\r\n"},
		{"null", (*resp.Writer).Null, "$-1\r\n", "_\r\n"},
		{"null array", (*resp.Writer).NullArray, "*-1\r\n", "_\r\n"},
		{"array", func(w *resp.Writer) { w.Array(12) }, "*12\r\n", "*12\r\n"},
		{"map", func(w *resp.Writer) { w.Map(6) }, "*12\r\n", "%6\r\n"},
		{"set", func(w *resp.Writer) { w.Set(3) }, "*3\r\n", "~3\r\n"},
		{"push", func(w *resp.Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"double", func(w *resp.Writer) { w.Double(3.25) }, "$4\r\n3.25\r\n", ",3.25\r\n"},
		{"inf", func(w *resp.Writer) { w.Double(math.Inf(1)) }, "$3\r\ninf\r\n", ",inf\r\n"},
		{"-inf", func(w *resp.Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"big number", func(w *resp.Writer) { w.BigNumber("-12345678901234567890") }, "$21\r\n-12345678901234567890\r\n", "(-12345678901234567890\r\n"},
		{"true", func(w *resp.Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *resp.Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"verbatim", func(w *resp.Writer) { w.Verbatim("txt", "a\nb") }, "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n"},
		{"raw", func(w *resp.Writer) { w.Raw([]byte("+x\r\n")) }, "+x\r\n", "+x\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for proto, want := range map[int]string{0: tc.resp2, 2: tc.resp2, 3: tc.resp3} {
				w := resp.Writer{Proto: proto}
				tc.write(&w)
				require.Equal(t, want, string(w.Bytes()), "protocol %d", proto)
				require.Equal(t, len(want), w.Len())
			}
		})
	}
}

// TestWriterIsRedis compares with DEBUG PROTOCOL, which answers with one reply of
// each type.
func TestWriterIsRedis(t *testing.T) {
	server := oracle.Start(t, "--enable-debug-command", "yes")
	for _, proto := range []string{"2", "3"} {
		c := server.Dial(t)
		c.Value("HELLO", proto)
		for name, write := range map[string]func(w *resp.Writer){
			"string":   func(w *resp.Writer) { w.BulkString("Hello World") },
			"integer":  func(w *resp.Writer) { w.Int(12345) },
			"double":   func(w *resp.Writer) { w.Double(3.141) },
			"null":     func(w *resp.Writer) { w.Null() },
			"bignum":   func(w *resp.Writer) { w.BigNumber("1234567999999999999999999999999999999") },
			"true":     func(w *resp.Writer) { w.Bool(true) },
			"false":    func(w *resp.Writer) { w.Bool(false) },
			"verbatim": func(w *resp.Writer) { w.Verbatim("txt", "This is a verbatim\nstring") },
			"array": func(w *resp.Writer) {
				w.Array(3)
				w.Int(0)
				w.Int(1)
				w.Int(2)
			},
			"set": func(w *resp.Writer) {
				w.Set(3)
				w.Int(0)
				w.Int(1)
				w.Int(2)
			},
			"map": func(w *resp.Writer) {
				w.Map(3)
				for i := range 3 {
					w.Int(int64(i))
					w.Bool(i == 1)
				}
			},
		} {
			t.Run(name+"/"+proto, func(t *testing.T) {
				w := resp.Writer{Proto: int(proto[0] - '0')}
				write(&w)
				c.Send(resp.AppendCommandStrings(nil, "DEBUG", "PROTOCOL", name))
				require.Equal(t, string(w.Bytes()), string(c.Read(w.Len())))
				// Had Redis sent more, the next reply would not be this.
				require.Equal(t, oracle.Value{Kind: '+', Text: "PONG"}, c.Value("PING"))
			})
		}
	}
}

// doubles are numbers on which printing might differ.
func doubles() []float64 {
	fs := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.2, 0.3, 1.0 / 3, 100000, 1e15, 1e16, 1e17, 1e18, 123456789012345678, 1e20, 1e21, 1e22, 1e100, -1e100,
		1e-4, 1e-5, 0.00012345, 1e-7, 1e-10, 1e300, 1e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, 5e-324, math.Pi, math.E,
		1 << 53, 1<<53 + 2, 3.0e10, 12345.678, 99999999999999990, 99999999999999999, 9.9999999999999995e16, math.Inf(1), math.Inf(-1),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for len(fs) < 1000 {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) {
			fs = append(fs, f)
		}
		fs = append(fs, float64(r.Int64N(1e12))/1000)
	}
	return fs
}

func TestDoubleIsRedis(t *testing.T) {
	c := oracle.Start(t, "--zset-max-listpack-entries", "0").Dial(t) // a listpack loses the sign of zero
	c.Value("HELLO", "3")
	for _, f := range doubles() {
		text := strconv.FormatFloat(f, 'g', -1, 64)
		c.Value("ZADD", "z", text, "m")
		c.Send(resp.AppendCommandStrings(nil, "ZSCORE", "z", "m"))
		w := resp.Writer{Proto: 3}
		w.Double(f)
		require.Equal(t, string(w.Bytes()), string(c.Read(w.Len())), "%v", f)
		c.Value("ZREM", "z", "m")
	}
}

func TestWriterKeepsOnlySoMuchMemory(t *testing.T) {
	var w resp.Writer
	w.BulkString("abc")
	first := &w.Bytes()[0]
	w.Reset()
	require.Zero(t, w.Len())
	w.BulkString("abc")
	require.Same(t, first, &w.Bytes()[0], "small buffers are used again")
	w.BulkString(strings.Repeat("x", 1<<20))
	w.Reset()
	require.Zero(t, cap(w.Bytes()))
	w.Simple("a")
	n := w.Len()
	w.Simple("b")
	w.Truncate(n)
	require.Equal(t, "+a\r\n", string(w.Bytes()))
}

func TestVerbatimFormatHasThreeLetters(t *testing.T) {
	var w resp.Writer
	require.Panics(t, func() { w.Verbatim("text", "") })
}

func TestAppendCommand(t *testing.T) {
	want := "x*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n"
	require.Equal(t, want, string(resp.AppendCommand([]byte("x"), []byte("SET"), []byte("a"), nil)))
	require.Equal(t, want, string(resp.AppendCommandStrings([]byte("x"), "SET", "a", "")))
}

func BenchmarkWriter(b *testing.B) {
	var w resp.Writer
	value := []byte("xxx")
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		for range 16 {
			w.Bulk(value)
		}
	}
}
