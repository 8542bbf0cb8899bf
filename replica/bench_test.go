package replica

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine"
	"replogd/engine/resp"
)

// diskServer keeps its data on the real file system.
func diskServer(b *testing.B, name string) *server {
	b.Helper()
	s := newServer(b, name)
	s.fs, s.dir, s.segmentSize, s.memTable = vfs.Default, b.TempDir(), 64<<20, 32<<20
	return s
}

// load writes keys of incompressible values in batches of 100.
func load(b *testing.B, s *server, keys, size int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	set := engine.Lookup([]byte("SET"))
	value := make([]byte, size)
	w := &resp.Writer{Proto: 2}
	var reqs []engine.Request
	for i := range keys {
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		reqs = append(reqs, engine.Request{Cmd: set, Args: [][]byte{[]byte("SET"), []byte("key:" + strconv.Itoa(i)), append([]byte(nil), value...)}})
		if len(reqs) == 100 || i == keys-1 {
			w.Reset()
			s.e.Exec(context.Background(), &s.client, reqs, w)
			reqs = reqs[:0]
			if err := s.b.WaitSafe(context.Background(), s.client.Need); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkFullSync: time from the start of an empty replica until it holds everything.
func BenchmarkFullSync(b *testing.B) {
	const keys, size = 200_000, 1000
	a := diskServer(b, "a").start(nil)
	load(b, a, keys, size)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		r := diskServer(b, "r")
		b.StartTimer()
		r.start(a)
		eventually(b, func() bool { return r.n.LinkUp() && r.e.Applied() == a.b.End() }, says("in sync"))
		b.StopTimer()
		r.stop(true)
		if err := vfs.Default.RemoveAll(r.dir); err != nil { // its pages are used again: fresh ones cost more than the transfer
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.SetBytes(keys * size)
	b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

// BenchmarkResume: a replica that has missed some of the log receives and applies it.
func BenchmarkResume(b *testing.B) {
	const keys, size = 100_000, 1000
	a := diskServer(b, "a").start(nil)
	r := diskServer(b, "r").start(a)
	eventually(b, func() bool { return r.n.LinkUp() }, says("first sync"))
	var missed uint64
	var received time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		r.stop(true)
		from := a.b.End()
		load(b, a, keys, size)
		missed = a.b.End() - from
		b.StartTimer()
		r.start(a)
		began := time.Now()
		eventually(b, func() bool { return r.b.End() == a.b.End() }, says("received"))
		received += time.Since(began)
		eventually(b, func() bool { return r.e.Applied() == a.b.End() }, says("applied"))
	}
	b.SetBytes(int64(missed)) // #nosec G115 -- some 100 MB
	b.ReportMetric(float64(missed)*float64(b.N)/received.Seconds()/1e6, "received-MB/s")
}
