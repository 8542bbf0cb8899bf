package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func benchLog(b *testing.B, fs vfs.FS, policy SyncPolicy) *Log {
	b.Helper()
	l, err := Open(Options{FS: fs, Dir: b.TempDir(), Policy: func() SyncPolicy { return policy }})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, l.Close()) })
	return l
}

// BenchmarkAppend is Append alone, writes included once per 256 records.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			l := benchLog(b, vfs.Default, SyncNo)
			payload := payloadAt(0, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				off, err := l.Append(KindData, 1, payload)
				if err == nil && i%256 == 0 {
					err = l.WaitWritten(context.Background(), off)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGroupCommit is concurrent appenders that each wait for their record, as clients without pipelining do.
func BenchmarkGroupCommit(b *testing.B) {
	for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond} {
		for _, workers := range []int{1, 50} {
			b.Run(fmt.Sprintf("%s/%d", policy, workers), func(b *testing.B) {
				l := benchLog(b, vfs.Default, policy)
				payload := payloadAt(0, 100)
				wait := l.WaitWritten
				if policy == SyncAlways {
					wait = l.WaitSynced
				}
				var mu sync.Mutex
				var wg sync.WaitGroup
				b.ResetTimer()
				for w := range workers {
					wg.Add(1)
					go func() {
						defer wg.Done()
						for i := w; i < b.N; i += workers {
							mu.Lock()
							off, err := l.Append(KindData, 1, payload)
							mu.Unlock()
							if err == nil {
								err = wait(context.Background(), off)
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					}()
				}
				wg.Wait()
				b.StopTimer()
				st := l.Stats()
				b.ReportMetric(float64(st.Records)/float64(max(st.Groups, 1)), "records/group")
				if st.Syncs > 0 {
					b.ReportMetric(float64(st.SyncNanos)/float64(st.Syncs)/1e3, "µs/fsync")
				}
			})
		}
	}
}

// BenchmarkRead reads written records of 1000 bytes from segments.
func BenchmarkRead(b *testing.B) {
	l := benchLog(b, vfs.Default, SyncNo)
	for range 20_000 {
		_, err := l.Append(KindData, 1, payloadAt(0, 1000))
		require.NoError(b, err)
	}
	require.NoError(b, l.WaitWritten(context.Background(), l.End()))
	b.SetBytes(1000)
	b.ReportAllocs()
	r, err := l.NewReader(0)
	require.NoError(b, err)
	for b.Loop() {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			require.NoError(b, r.Close())
			r, err = l.NewReader(0)
			require.NoError(b, err)
		} else if err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, r.Close())
}

// BenchmarkAppendFsync compares ways to make a file ready for small appends that are fsynced one by one; it decides what
// writer.extend does. Each operation is a write of just under 4 KiB and an fdatasync, on the file system of the temporary directory.
func BenchmarkAppendFsync(b *testing.B) {
	const file, record = 64 << 20, 4000
	fill := func(f vfs.File, c byte) error {
		chunk := make([]byte, 1<<20)
		for i := range chunk {
			chunk[i] = c
		}
		for at := int64(0); at < file; at += int64(len(chunk)) {
			if _, err := f.WriteAt(chunk, at); err != nil {
				return err
			}
		}
		return nil
	}
	ways := []struct {
		name    string
		prepare func(vfs.File) error
		step    int64 // zero-filled ahead while appending
	}{
		{name: "growing"},
		{name: "preallocated", prepare: func(f vfs.File) error { return f.Preallocate(0, file) }},
		{name: "zero-filled", prepare: func(f vfs.File) error { return fill(f, 0) }},
		{name: "recycled", prepare: func(f vfs.File) error { return fill(f, 0xA5) }},
		{name: "zeros-ahead-256K", step: 256 << 10},
		{name: "zeros-ahead-1M", step: 1 << 20},
		{name: "zeros-ahead-4M", step: 4 << 20},
	}
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			fs := vfs.Default
			path := fs.PathJoin(b.TempDir(), "f")
			f, err := fs.OpenReadWrite(path, diskCategory)
			require.NoError(b, err)
			if w.prepare != nil {
				require.NoError(b, w.prepare(f))
			}
			require.NoError(b, f.Sync())
			payload, ahead := payloadAt(0, record), make([]byte, w.step)
			var pos, size int64
			for b.Loop() {
				if pos+record > file {
					pos = 0
				}
				_, err := f.WriteAt(payload, pos)
				if pos += record; err == nil && w.step > 0 && pos > size {
					_, err = f.WriteAt(ahead, pos)
					size = pos + w.step
				}
				if err == nil {
					err = f.SyncData()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, f.Close())
		})
	}
}
