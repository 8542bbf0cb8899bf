package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

func benchRequests(name string, keys, pipeline int, args ...string) [][]Request {
	cmd := Lookup([]byte(name))
	var runs [][]Request
	for i := 0; i < keys; i += pipeline {
		var run []Request
		for j := range pipeline {
			r := Request{Cmd: cmd, Args: [][]byte{[]byte(name), fmt.Appendf(nil, "key:%012d", i+j)}}
			for _, a := range args {
				r.Args = append(r.Args, []byte(a))
			}
			run = append(run, r)
		}
		runs = append(runs, run)
	}
	return runs
}

func BenchmarkExec(b *testing.B) {
	for _, keys := range []int{16, 100000} {
		for _, pipeline := range []int{1, 16} {
			for _, c := range []struct {
				name string
				args []string
			}{{"SET", []string{bulk(100)}}, {"GET", nil}, {"INCR", nil}} {
				b.Run(fmt.Sprintf("%s/keys=%d/P=%d", c.name, keys, pipeline), func(b *testing.B) {
					n := newNode(b).lead()
					defer n.close()
					runs := benchRequests(c.name, keys, pipeline, c.args...)
					w := &resp.Writer{Proto: 2}
					b.ReportAllocs()
					b.ResetTimer()
					for i := 0; i < b.N; i += pipeline {
						w.Reset()
						n.e.Exec(context.Background(), &n.client, runs[(i/pipeline)%len(runs)], w)
						if n.b.End()-n.b.Written() > 1<<20 {
							require.NoError(b, n.b.WaitSafe(context.Background(), n.client.Need))
						}
					}
				})
			}
		}
	}
}
