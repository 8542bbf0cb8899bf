package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

// sentinel follows each input, so that an input which the server goes on waiting
// for can be told from one that it has done with.
const sentinel = "*2\r\n$4\r\nECHO\r\n$8\r\nsentinel\r\n"

// answer is what a server that knows only ECHO sends for input. locked is one
// that asks for a password.
func answer(t *testing.T, input string, locked bool) (out string, closed bool) {
	t.Helper()
	var (
		p   resp.Parser
		w   resp.Writer
		buf = []byte(input)
	)
	for {
		args, n, err := p.Next(buf, resp.Limits{Unauthenticated: locked})
		if err != nil {
			var perr *resp.ProtocolError
			require.True(t, errors.As(err, &perr))
			w.Error("ERR " + perr.Error())
			return string(w.Bytes()), true
		}
		if n == 0 {
			return string(w.Bytes()), false
		}
		buf = buf[n:]
		switch {
		case args == nil:
		case !bytes.EqualFold(args[0], []byte("echo")):
			text := fmt.Sprintf("ERR unknown command '%s', with args beginning with: ", args[0])
			for _, a := range args[1:] {
				text += fmt.Sprintf("'%s' ", a)
			}
			w.Error(text)
		case len(args) != 2:
			w.Error("ERR wrong number of arguments for 'echo' command")
		case locked:
			w.Error("NOAUTH Authentication required.")
		default:
			w.Bulk(args[1])
		}
	}
}

// endless is longer than what Redis reads before it looks at its limit: up to 16
// KiB past it.
var endless = strings.Repeat("a", 200<<10)

// frames are inputs on which parsers differ.
func frames() []struct{ name, in string } {
	echo := func(s string) string { return "*2\r\n$4\r\nECHO\r\n" + s }
	long := strings.Repeat("a", 64<<10)
	return []struct{ name, in string }{
		{"command", echo("$2\r\nhi\r\n")},
		{"empty argument", echo("$0\r\n\r\n")},
		{"zero arguments", "*0\r\n"},
		{"null array", "*-1\r\n"},
		{"negative count", "*-20\r\n"},
		{"lowest count", "*-9223372036854775808\r\n"},
		{"count below int64", "*-9223372036854775809\r\n"},
		{"no count", "*\r\n"},
		{"letter count", "*x\r\n"},
		{"count minus zero", "*-0\r\n"},
		{"count plus", "*+1\r\n"},
		{"count leading zero", "*01\r\n"},
		{"count space", "* 1\r\n"},
		{"count over int", "*2147483648\r\n"},
		{"count over 1024*1024", "*1048577\r\n$x\r\n"},
		{"highest count", "*2147483647\r\n$x\r\n"},
		{"count over int64", "*9223372036854775808\r\n"},
		{"count line LF only", "*1\n$4\r\nPING\r\n"},
		{"count CR x", "*2\rx$4\r\nECHO\r\n$1\r\na\r\n"},
		{"count line of 64k", "*" + long[:65535] + "\r\n"},
		{"count line endless", "*" + endless},
		{"count line with NUL", "*1\x002\r\n"},
		{"count line with NUL endless", "*1\x00" + endless},
		{"bulk not dollar", "*1\r\n:4\r\n"},
		{"bulk letter", "*1\r\nx\r\n"},
		{"bulk high byte", "*1\r\n\xff\r\n"},
		{"bulk empty line", "*1\r\n\r\n"},
		{"bulk LF", "*1\r\n\n\r\n"},
		{"bulk no length", "*1\r\n$\r\n"},
		{"bulk letter length", "*1\r\n$x\r\n"},
		{"bulk negative", "*1\r\n$-1\r\n"},
		{"bulk -20", "*1\r\n$-20\r\n"},
		{"bulk huge", "*1\r\n$536870913\r\n"},
		{"bulk int64", "*1\r\n$9223372036854775807\r\n"},
		{"bulk over uint64", "*1\r\n$18446744073709551614\r\n"},
		{"bulk leading zero", "*1\r\n$01\r\nx\r\n"},
		{"bulk line endless", "*1\r\n$" + endless},
		{"bulk line endless, not dollar", "*1\r\nx" + endless},
		{"bulk CR x", "*2\r\n$4\rxECHO\r\n$1\r\na\r\n"},
		{"bulk terminator", echo("$2\r\nhixx")},
		{"name terminator", "*2\r\n$4\r\nECHOab$1\r\nz\r\n"},
		{"bulk with CRLF inside", echo("$6\r\na\r\nb\r\n\r\n")},
		{"redcon tile38", "$4 PING\r\n"},
		{"inline", "ECHO hi\r\n"},
		{"inline LF", "ECHO hi\n"},
		{"inline two CR", "ECHO hi\r\r\n"},
		{"inline empty", "\r\n"},
		{"inline LF only", "\n"},
		{"inline spaces", " \t \r\n"},
		{"inline blanks around", "  \tECHO \v\f hi  \r\n"},
		{"inline vertical tab inside", "ECHO a\vb\fc\r\n"},
		{"inline double quotes", `ECHO "a b\x41\n\t\r\b\a\q\"\\"` + "\r\n"},
		{"inline bad hex", `ECHO "\xg1\x1"` + "\r\n"},
		{"inline single quotes", `ECHO 'a b\x41\n\'"'` + "\r\n"},
		{"inline quote in the middle", `ECHO a"b c"` + "\r\n"},
		{"inline quotes empty", `ECHO ""` + "\r\n"},
		{"inline quote then text", `ECHO "a"b` + "\r\n"},
		{"inline single quote then text", `ECHO 'a'b` + "\r\n"},
		{"inline quote then vertical tab", "ECHO \"a\"\v\r\n"},
		{"inline open quote", `ECHO "a` + "\r\n"},
		{"inline open single quote", `ECHO 'a` + "\r\n"},
		{"inline backslash at the end", `ECHO "a\` + "\r\n"},
		{"inline backslash outside", `ECHO \x41\n` + "\r\n"},
		{"inline high bytes", "ECHO \xff\xfe\r\n"},
		{"inline NUL", "ECHO a\x00b\r\n"},
		{"inline NUL endless", "ECHO a\x00b\r\n" + endless},
		{"inline endless", endless},
		{"inline of 64k", "ECHO " + long[:65530] + "\r\n"},
		{"many arguments", "*11\r\n" + strings.Repeat("$1\r\na\r\n", 11)},
		{"large argument", echo("$16385\r\n" + long[:16385] + "\r\n")},
	}
}

// TestParserAnswersAsRedis sends the same bytes to a redis-server over a raw
// socket. Commands are ECHO only, so the replies show the arguments.
func TestParserAnswersAsRedis(t *testing.T) {
	open := oracle.Start(t)
	closed := oracle.Start(t, "--requirepass", "secret")
	for _, tc := range frames() {
		for _, locked := range []bool{false, true} {
			name, server := tc.name+"/open", open
			if locked {
				name, server = tc.name+"/locked", closed
			}
			t.Run(name, func(t *testing.T) {
				in := tc.in + sentinel
				alone, _ := answer(t, in, locked)
				tail, _ := answer(t, sentinel, locked)
				if !strings.HasSuffix(alone, tail) {
					in += endless // the sentinel was swallowed: run into the limit
				}
				want, wantClosed := answer(t, in, locked)
				c := server.Dial(t)
				c.Send([]byte(in))
				require.Equal(t, want, string(c.Read(len(want))))
				if wantClosed {
					require.Empty(t, c.Read(1), "redis closes")
				}
			})
		}
	}
}
