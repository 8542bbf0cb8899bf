package engine

import (
	"strings"
	"testing"

	"replogd/engine/resp"
)

// BenchmarkCommands measures one command through Exec, 64 to a run, without the wait for the log.
func BenchmarkCommands(b *testing.B) {
	for _, line := range []string{
		"SET key:000042 " + bulk(100), "GET key:000042", "SET key:000042 v EX 100", "INCR counter", "APPEND a v",
		"EXPIRE key:000042 100", "MGET key:000042 nosuch counter", "INCRBYFLOAT float 0.1", "GETRANGE key:000042 1 3",
	} {
		b.Run(strings.Fields(line)[0], func(b *testing.B) {
			n := newNode(b).lead()
			defer n.close()
			n.do("SET key:000042 " + bulk(100))
			args := splitLine(line)
			reqs := make([]Request, 64)
			for i := range reqs {
				reqs[i] = Request{Cmd: Lookup(args[0]), Args: args}
			}
			var w resp.Writer
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += len(reqs) {
				w.Reset()
				n.e.Exec(b.Context(), &n.client, reqs, &w)
				if args[0][0] == 'A' && done%(64<<8) == 0 {
					n.do("DEL a") // keep APPEND short
				}
			}
		})
	}
}
