package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// However the stream is fed, its units come in order with their lengths, and what is wrong with it comes behind the last good one.
func TestUnitsAreReadInGroups(t *testing.T) {
	var stream []byte
	var units []string
	add := func(text string, commands ...[]string) {
		from := len(stream)
		for _, c := range commands {
			stream = resp.AppendCommandStrings(stream, c...)
		}
		units = append(units, fmt.Sprintf("%s %d", text, len(stream)-from))
	}
	for i := range 3 * groupCommands {
		key := fmt.Sprint("k", i)
		add("set "+key, []string{"SET", key, "v"})
		add("none SELECT, incr "+key, []string{"SELECT", "1"}, []string{"INCR", key})
		add("del a, del b", []string{"MULTI"}, []string{"DEL", "a"}, []string{"DEL", "b"}, []string{"EXEC"})
		add("none PING", []string{"PING"})
		add("xgroup|create s", []string{"XGROUP", "CREATE", "s", "g", "$"})
	}
	add("", []string{"MULTI"}) // of which the end never comes
	units = units[:len(units)-1]
	whole := len(stream) - len(resp.AppendCommandStrings(nil, "MULTI"))

	for _, portion := range []int{1, 1000, len(stream)} {
		scanner, g, read := resp.NewUnitScanner(maxUnitBytes), unitGroup{}, 0
		var got []string
		next := func() bool {
			reqs, size, ok := g.take()
			if !ok {
				g.fill(scanner)
				reqs, size, ok = g.take()
			}
			if !ok {
				return false
			}
			read += size
			var line bytes.Buffer
			for i, r := range reqs {
				if i > 0 {
					line.WriteString(", ")
				}
				switch {
				case r.Cmd == nil:
					fmt.Fprintf(&line, "none %s", r.Args[0])
				case r.Cmd.Name() == "xgroup|create":
					fmt.Fprintf(&line, "%s %s", r.Cmd.Name(), r.Args[2])
				default:
					fmt.Fprintf(&line, "%s %s", r.Cmd.Name(), r.Args[1])
				}
			}
			got = append(got, fmt.Sprintf("%s %d", line.String(), size))
			return true
		}
		for at := 0; at < len(stream); at += portion {
			scanner.Feed(stream[at:min(at+portion, len(stream))])
			for next() {
			}
			require.NoError(t, g.err)
		}
		require.Equal(t, units, got)
		require.Equal(t, whole, read)

		scanner.Feed(resp.AppendCommandStrings(nil, "EXEC"))
		scanner.Feed(resp.AppendCommandStrings(nil, "SET", "last", "v"))
		scanner.Feed([]byte("no command\r\n"))
		require.True(t, next())
		require.True(t, next())
		require.Contains(t, got[len(got)-1], "set last")
		require.False(t, next())
		require.Error(t, g.err)
		require.False(t, next())
	}
}
