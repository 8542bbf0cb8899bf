package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// never is a flush interval that does not come in a test that counts I/O operations.
const never = 24 * time.Hour

// quiet are the options of a log whose background goroutines do nothing by themselves.
func quiet(fs vfs.FS, policy SyncPolicy) Options {
	return Options{
		FS: fs, Dir: "wal", SegmentSize: 4096, Generation: 1,
		Policy:                  func() SyncPolicy { return policy },
		Logger:                  slog.New(slog.DiscardHandler),
		flushIntervalForTesting: never,
		retryDelayForTesting:    time.Millisecond,
	}
}

// payloadAt returns n bytes that depend on the offset of each, so that a stream's content can be checked anywhere.
func payloadAt(off uint64, n int) []byte {
	first := off / 8
	words := make([]byte, 0, n+16)
	for w := first; len(words) < n+8; w++ {
		words = binary.LittleEndian.AppendUint64(words, w*0x9E3779B97F4A7C15)
	}
	b := words[off-first*8:][:n:n]
	return b
}

// appendN appends a record of n bytes of the model stream.
func appendN(t testing.TB, l *Log, n int) uint64 {
	t.Helper()
	start := l.End()
	end, err := l.Append(KindData, int64(start), payloadAt(start, n))
	require.NoError(t, err)
	require.Equal(t, start+uint64(n), end)
	return end
}

// deadline is a context for waits that must end.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// readAll reads from off to the written end, checks the content against the model stream, and returns where it ended.
func readAll(t testing.TB, l *Log, off uint64) (end uint64, err error) {
	t.Helper()
	r, err := l.NewReader(off)
	if err != nil {
		return off, err
	}
	defer func() { require.NoError(t, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return off, nil
		}
		if err != nil {
			return off, err
		}
		require.Equal(t, off, rec.Start)
		require.True(t, bytes.Equal(payloadAt(rec.Start, len(rec.Payload)), rec.Payload), "wrong bytes at offset %d", rec.Start)
		off += uint64(len(rec.Payload))
		require.Equal(t, off, r.Offset())
	}
}

func newRNG(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

const (
	waitLimit = 20 * time.Second
	pollEvery = time.Millisecond
)

// awaitSleepers waits until n goroutines sleep in WaitWritten, WaitSynced or WaitRoom.
func awaitSleepers(t testing.TB, l *Log, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.mu.writeWaiters)+len(l.mu.syncWaiters)+len(l.mu.roomWaiters) == n
	}, waitLimit, pollEvery)
}
