package resp_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

// TestUnitsOfARedisMaster attaches to a redis-server as a replica and cuts what it
// really sends.
func TestUnitsOfARedisMaster(t *testing.T) {
	server := oracle.Start(t, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
	link, client := server.Dial(t), server.Dial(t)
	full := link.Do("PSYNC", "?", "-1")
	require.Contains(t, string(full.Str), "FULLRESYNC")
	header := ""
	for !strings.HasSuffix(header, "\r\n") {
		header = strings.TrimLeft(header+string(link.Read(1)), "\n")
	}
	size, err := strconv.Atoi(strings.TrimSpace(header[1:]))
	require.NoError(t, err)
	link.Read(size)

	for _, line := range []string{
		"SET a 1", "multi", "INCR a", "LPUSH l x y", "exec", "SELECT 2", "SETEX b 100 v", "MULTI", "SET c 1", "SET d 1", "EXEC", "GETDEL b",
		"MULTI", "SET only 1", "EXEC", "SET end 1",
	} {
		require.NotEqual(t, byte('-'), client.Do(strings.Fields(line)...).Kind, line)
	}
	u := resp.NewUnitScanner(1 << 20)
	var got [][]string
	for last := ""; last != "SET end 1"; {
		unit, ok, err := u.Next()
		require.NoError(t, err)
		if !ok {
			u.Feed(link.Read(1))
			continue
		}
		require.Zero(t, u.Buffered())
		if unit.Noop {
			continue
		}
		var names []string
		for _, c := range unit.Commands {
			words := make([]string, len(c))
			for i, w := range c {
				words[i] = string(w)
			}
			last = strings.Join(words, " ")
			if words[0] == "SET" && len(words) == 5 {
				words[4] = "ms" // the time of expiry
			}
			names = append(names, strings.Join(words, " "))
		}
		got = append(got, names)
	}
	require.Equal(t, [][]string{
		{"SELECT 0", "SET a 1"},
		{"INCR a", "LPUSH l x y"},
		{"SELECT 2", "SET b v PXAT ms"},
		{"SET c 1", "SET d 1"},
		{"DEL b"},
		{"SET only 1"},
		{"SET end 1"},
	}, got)
}
