package backlog

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/wal"
)

func benchNode(b *testing.B) *Backlog {
	l, err := Open(Options{Dir: b.TempDir(), Policy: func() wal.SyncPolicy { return wal.SyncNo }})
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close(false) })
	return l
}

// BenchmarkAppend is the hot path of a write, with and without the shared tail in use.
func BenchmarkAppend(b *testing.B) {
	for name, withTail := range map[string]bool{"alone": false, "tail": true} {
		b.Run(name, func(b *testing.B) {
			l := benchNode(b)
			if withTail {
				c, err := l.OpenCursor("x", 0)
				require.NoError(b, err)
				defer c.Close()
			}
			p := make([]byte, 128)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				end, err := l.Append(wal.KindData, p)
				if err == nil && i%64 == 0 {
					err = l.WaitSafe(context.Background(), end)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCursor reads 64 MiB of log, from segments and from memory.
func BenchmarkCursor(b *testing.B) {
	const size = 64 << 20
	for name, tail := range map[string]int{"segments": 1 << 10, "tail": 2 * size} {
		b.Run(name, func(b *testing.B) {
			l, err := Open(Options{Dir: b.TempDir(), TailBytes: tail, Policy: func() wal.SyncPolicy { return wal.SyncNo }})
			require.NoError(b, err)
			defer func() { _ = l.Close(false) }()
			c, err := l.OpenCursor("start the tail", 0)
			require.NoError(b, err)
			defer c.Close()
			p := make([]byte, 16<<10)
			for l.End() < size {
				end, err := l.Append(wal.KindData, p)
				require.NoError(b, err)
				require.NoError(b, l.WaitSafe(context.Background(), end))
			}
			buf := make([]byte, 64<<10)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				c, err := l.OpenCursor("bench", 0)
				require.NoError(b, err)
				for c.Offset() < l.End() {
					if _, err := c.Read(context.Background(), buf); err != nil {
						b.Fatal(err)
					}
				}
				c.Close()
			}
		})
	}
}
