package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// fuzzLimits are small, so that inputs run into them.
var fuzzLimits = resp.Limits{MaxArgs: 20, MaxBulk: 40, MaxInline: 24}

// outcome is what a parser made of an input: the commands, the error, and how many
// bytes it did not use.
type outcome struct {
	Commands [][]string
	Err      string
	Rest     int
}

// parseAll feeds input in portions whose sizes cuts gives, round and round.
func parseAll(t testing.TB, input []byte, cuts []byte, lim resp.Limits) (o outcome) {
	var (
		p   resp.Parser
		buf []byte
	)
	for i := 0; len(input) > 0; i++ {
		n := len(input)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		// Fresh memory each time: the parser must not keep pointers into the old.
		buf = append(bytes.Clone(buf), input[:n]...)
		input = input[n:]
		for {
			args, n, err := p.Next(buf, lim)
			if err != nil {
				var perr *resp.ProtocolError
				require.ErrorAs(t, err, &perr)
				o.Err = perr.Text
				return o
			}
			if n == 0 {
				break
			}
			if args != nil {
				command := []string{}
				for _, a := range args {
					command = append(command, string(a))
				}
				o.Commands = append(o.Commands, command)
			}
			buf = buf[n:]
		}
	}
	o.Rest = len(buf)
	return o
}

// reference parses a whole input without state and without care for cost.
func reference(in []byte, lim resp.Limits) (o outcome) {
	for len(in) > 0 {
		args, n, err := referenceOne(in, lim)
		if err != "" {
			o.Err = err
			return o
		}
		if n == 0 {
			break
		}
		in = in[n:]
		if len(args) > 0 {
			o.Commands = append(o.Commands, args)
		}
	}
	o.Rest = len(in)
	return o
}

// line finds the end of a line as strchr does.
func line(in []byte, end byte, limit int, tooLong string) (text string, at int, err string) {
	for i, c := range in {
		if i > limit {
			break
		}
		if c == end {
			return string(in[:i]), i, ""
		}
		if c == 0 {
			break
		}
	}
	if len(in) > limit {
		return "", -1, "Protocol error: " + tooLong
	}
	return "", -1, ""
}

func referenceOne(in []byte, lim resp.Limits) (args []string, n int, err string) {
	if in[0] != '*' {
		text, at, err := line(in, '\n', lim.MaxInline, "too big inline request")
		if at < 0 {
			return nil, 0, err
		}
		args, ok := splitArgs(strings.TrimSuffix(text, "\r"))
		if !ok {
			return nil, 0, "Protocol error: unbalanced quotes in request"
		}
		return args, at + 1, ""
	}
	text, at, err := line(in, '\r', lim.MaxInline, "too big mbulk count string")
	if at < 0 || at+1 >= len(in) {
		return nil, 0, err
	}
	count, ok := strictInt(text[1:])
	switch {
	case !ok || count > int64(lim.MaxArgs):
		return nil, 0, "Protocol error: invalid multibulk length"
	case lim.Unauthenticated && count > 10:
		return nil, 0, "Protocol error: unauthenticated multibulk length"
	}
	pos := at + 2
	for range max(count, 0) {
		text, at, err := line(in[pos:], '\r', lim.MaxInline, "too big bulk count string")
		if at < 0 || pos+at+1 >= len(in) {
			return nil, 0, err
		}
		if in[pos] != '$' {
			return nil, 0, "Protocol error: expected '$', got '" + string(in[pos:pos+1]) + "'"
		}
		size, ok := strictInt(text[1:])
		switch {
		case !ok || size < 0 || size > lim.MaxBulk:
			return nil, 0, "Protocol error: invalid bulk length"
		case lim.Unauthenticated && size > 16384:
			return nil, 0, "Protocol error: unauthenticated bulk length"
		}
		pos += at + 2
		if len(in)-pos < int(size)+2 {
			return nil, 0, ""
		}
		args = append(args, string(in[pos:pos+int(size)]))
		pos += int(size) + 2
	}
	return args, pos, ""
}

// strictInt accepts what printing an int64 gives.
func strictInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

// splitArgs is the quoting of inline commands as a table of states.
func splitArgs(s string) (args []string, ok bool) {
	const blanks = " \t\n\v\f\r"
	for {
		s = strings.TrimLeft(s, blanks)
		if s == "" {
			return args, true
		}
		var arg strings.Builder
		for s != "" && !strings.Contains(" \t\n\r", s[:1]) {
			quote := s[0]
			if quote != '"' && quote != '\'' {
				arg.WriteByte(quote)
				s = s[1:]
				continue
			}
			s = s[1:]
			for s == "" || s[0] != quote {
				if s == "" {
					return nil, false
				}
				if quote == '"' && len(s) >= 4 && strings.HasPrefix(s, `\x`) {
					if hex, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
						arg.WriteByte(byte(hex))
						s = s[4:]
						continue
					}
				}
				switch {
				case quote == '"' && s[0] == '\\' && len(s) >= 2:
					c := s[1]
					if i := strings.IndexByte("nrtba", c); i >= 0 {
						c = "\n\r\t\b\a"[i]
					}
					arg.WriteByte(c)
					s = s[2:]
				case quote == '\'' && strings.HasPrefix(s, `\'`):
					arg.WriteByte('\'')
					s = s[2:]
				default:
					arg.WriteByte(s[0])
					s = s[1:]
				}
			}
			s = s[1:]
			if s != "" && !strings.Contains(blanks, s[:1]) {
				return nil, false
			}
			break
		}
		args = append(args, arg.String())
	}
}

func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n",
		"*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n",
		"*1\rx$4\rxPINGxx*1\r\n$-1\r\n",
		"SET \"a\\x41\\n\" 'b\\''\r\nPING\n",
		"*1\r\n$41\r\n", "*21\r\n", "*1\r\n:", "GET \"a\"b\r\n", "*9223372036854775808\r\n", "*1\r\n$18446744073709551614\r\n",
		strings.Repeat("a", 30), "*1\x00\r\n", "*1\r\n$000000000000000000000000000000\r\n",
		"*1\r0\x000\r\n", "*1\r\n\r0\r\n", "\"\\x0\"\n", // a NUL or CR in place of the '$'; half a hexadecimal escape
	} {
		f.Add([]byte(s), []byte{0}, false)
		f.Add([]byte(s), []byte{3, 1}, true)
	}
	f.Fuzz(func(t *testing.T, input, cuts []byte, locked bool) {
		lim := fuzzLimits
		lim.Unauthenticated = locked
		want := reference(input, lim)
		require.Equal(t, want, parseAll(t, input, nil, lim), "in one piece")
		require.Equal(t, want, parseAll(t, input, cuts, lim), "in pieces")
	})
}

// TestParserIsLinear feeds one command of a million arguments in reads of 1 KiB.
// With a rescan of the partial command for each read it would take minutes.
func TestParserIsLinear(t *testing.T) {
	const n = 1 << 20
	in := append([]byte("*"+strconv.Itoa(n)+"\r\n"), bytes.Repeat([]byte("$1\r\na\r\n"), n)...)
	var p resp.Parser
	var args [][]byte
	for end := 1024; ; end += 1024 {
		var used int
		var err error
		args, used, err = p.Next(in[:min(end, len(in))], resp.Limits{})
		require.NoError(t, err)
		if used > 0 {
			require.Equal(t, len(in), used)
			break
		}
		require.Less(t, end, len(in))
	}
	require.Len(t, args, n)
}

// TestParserAllocatesNothingForPromises announces much and sends little.
func TestParserAllocatesNothingForPromises(t *testing.T) {
	in := []byte("*2147483647\r\n$536870912\r\nabc")
	var p resp.Parser
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		p.Reset()
		_, n, err := p.Next(in, resp.Limits{})
		if n != 0 || err != nil {
			t.Fatal("complete")
		}
	}), 0.0)
	require.Equal(t, len("*2147483647\r\n$536870912\r\n")+536870912+2, p.Need())
}

// TestParserWithTheHighestLimit: proto-max-bulk-len may be anything up to int64.
func TestParserWithTheHighestLimit(t *testing.T) {
	for length, want := range map[string]string{
		"9223372036854775807": "Protocol error: invalid bulk length",
		"4611686018427387904": "",
	} {
		var p resp.Parser
		_, n, err := p.Next([]byte("*1\r\n$"+length+"\r\nabc"), resp.Limits{MaxBulk: math.MaxInt64})
		require.Zero(t, n)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
}

func TestParserNeed(t *testing.T) {
	var p resp.Parser
	require.Zero(t, p.Need())
	in := []byte("*2\r\n$3\r\nGET\r\n$100\r\nab")
	for _, tc := range []struct{ have, need int }{{3, 0}, {4, 0}, {8, 13}, {13, 0}, {19, 121}, {len(in), 121}} {
		_, n, err := p.Next(in[:tc.have], resp.Limits{})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, tc.need, p.Need(), "after %d bytes", tc.have)
	}
	p.Reset()
	require.Zero(t, p.Need())
	args, n, err := p.Next([]byte("PING\r\n"), resp.Limits{})
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Equal(t, [][]byte{[]byte("PING")}, args)
}

// TestParserAppliesLimitsAsLengthsAreRead is AUTH in a pipeline.
func TestParserAppliesLimitsAsLengthsAreRead(t *testing.T) {
	in := []byte("*1\r\n$4\r\nAUTH\r\n*11\r\n")
	var p resp.Parser
	_, n, err := p.Next(in, resp.Limits{Unauthenticated: true})
	require.NoError(t, err)
	_, n2, err := p.Next(in[n:], resp.Limits{})
	require.NoError(t, err)
	require.Zero(t, n2)
	p.Reset()
	_, _, err = p.Next(in[n:], resp.Limits{Unauthenticated: true})
	require.EqualError(t, err, "Protocol error: unauthenticated multibulk length")
}

func TestParserRefusesFewerBytesThanBefore(t *testing.T) {
	var p resp.Parser
	_, _, err := p.Next([]byte("*1\r\n$4\r\n"), resp.Limits{})
	require.NoError(t, err)
	require.Panics(t, func() { _, _, _ = p.Next([]byte("*1\r\n"), resp.Limits{}) })
}

// TestParserAfterAnError can be given another connection's bytes.
func TestParserAfterAnError(t *testing.T) {
	var p resp.Parser
	for _, bad := range []string{"*x\r\n", "\"\r\n", strings.Repeat("a", 70000)} {
		_, _, err := p.Next([]byte(bad), resp.Limits{})
		require.Error(t, err)
		args, n, err := p.Next([]byte("*1\r\n$4\r\nPING\r\n"), resp.Limits{})
		require.NoError(t, err)
		require.Equal(t, 14, n)
		require.Len(t, args, 1)
	}
}

func TestProtocolErrorIsFound(t *testing.T) {
	err := fmt.Errorf("read command: %w", &resp.ProtocolError{Text: "x"})
	var perr *resp.ProtocolError
	require.True(t, errors.As(err, &perr))
	require.Equal(t, "x", perr.Text)
}

func TestParserSteadyStateDoesNotAllocate(t *testing.T) {
	batch := pipeline(16)
	var p resp.Parser
	drain(t, &p, batch)
	require.Zero(t, testing.AllocsPerRun(100, func() { drain(t, &p, batch) }))
	inline := []byte("SET \"key\\x41\" value\r\nPING\r\n")
	drain(t, &p, inline)
	require.Zero(t, testing.AllocsPerRun(100, func() { drain(t, &p, inline) }))
}

// pipeline is n SET commands of the size that redis-benchmark sends.
func pipeline(n int) []byte {
	var b []byte
	for i := range n {
		b = resp.AppendCommandStrings(b, "SET", fmt.Sprintf("key:%012d", i), "xxx")
	}
	return b
}

func drain(t testing.TB, p *resp.Parser, buf []byte) (commands int) {
	for len(buf) > 0 {
		_, n, err := p.Next(buf, resp.Limits{})
		if err != nil || n == 0 {
			t.Fatalf("n=%d err=%v", n, err)
		}
		buf = buf[n:]
		commands++
	}
	return commands
}

func BenchmarkParser(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("pipeline=%d", n), func(b *testing.B) {
			batch := pipeline(n)
			var p resp.Parser
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				drain(b, &p, batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/cmd")
		})
	}
}
