package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const smallDiskBytes = 96 << 20

const (
	filledValueBytes = 32 << 10
	filledKeysLimit  = 4096 // 128 MB of values: more than the disk holds
)

// filler writes until it is refused or no longer answered. The write that meets the full disk is neither: it is held back, and
// answered when it is safe after all.
type filler struct {
	value string
	acked atomic.Int64
	stop  atomic.Bool
	done  chan error // the first error
}

func startFiller(n *node) *filler {
	f := &filler{value: strings.Repeat("x", filledValueBytes), done: make(chan error, 1)}
	client := n.newClient(1)
	n.t.Cleanup(func() { _ = client.Close() }) // ends a write that is still held
	go func() {
		for i := range filledKeysLimit {
			if err := client.Set(context.Background(), fmt.Sprintf("key:%d", i), f.value, 0).Err(); err != nil {
				f.done <- err
				return
			}
			f.acked.Add(1)
			if f.stop.Load() {
				break
			}
		}
		f.done <- nil
	}()
	return f
}

// waitRefused waits until the node refuses another client's write, and returns the error.
func waitRefused(n *node) (refusal string) {
	n.t.Helper()
	eventually(n.t, reactsWithin, "a write is refused", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), reactsWithin/10)
		defer cancel()
		client := n.newClient(1) // one may be held, too
		defer client.Close()
		err := client.Set(ctx, "probe", "v", 0).Err()
		if err == nil {
			return errors.New("SET is answered with OK")
		}
		if !isErrorReply(err) {
			return fmt.Errorf("SET is not answered: %w", err)
		}
		refusal = err.Error()
		return nil
	})
	return refusal
}

// holds checks that every write the filler was told about is there.
func (f *filler) holds(n *node) {
	n.t.Helper()
	for i := range f.acked.Load() {
		require.Equal(n.t, f.value, n.do(fmt.Sprintf("GET key:%d", i)), "key:%d was acknowledged", i)
	}
}

func fullNode(t *testing.T) (n *node, f *filler, ballast string) {
	t.Helper()
	n = newNode(t, "node", "appendfsync", "always", "wal-segment-size", "4mb", "repl-backlog-size", "8mb")
	mountSmallDisk(t, n.dir)
	n.start()
	n.do("SET first v")
	ballast = filepath.Join(n.dir, "ballast")
	fill(t, ballast)
	return n, startFiller(n), ballast
}

// TestDiskFull: a full disk refuses writes with the reason and loses nothing; reads go on; with space, all goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n, f, ballast := fullNode(t)
	refusal := waitRefused(n)
	require.Contains(t, refusal, "MISCONF")
	require.Regexp(t, `(?i)space|full`, refusal, "the refusal gives the reason")
	require.Contains(t, n.refuses("PING"), "MISCONF", "so that a supervisor fails over")
	require.Equal(t, "v", n.do("GET first"), "reads go on")

	require.NoError(t, os.Remove(ballast))
	eventually(t, reactsWithin, "writes go on once there is space", func() error {
		_, err := n.try("SET again v")
		return err
	})
	require.NoError(t, n.client().Ping(context.Background()).Err())
	f.stop.Store(true)
	if err := <-f.done; err != nil { // nil: the write that was held has been answered
		require.ErrorContains(t, err, "MISCONF")
	}
	f.holds(n)
	n.kill9()
	n.restart()
	require.Equal(t, "v", n.do("GET first"))
	require.Equal(t, "v", n.do("GET again"))
	f.holds(n)
}

// TestKilledOnAFullDisk: a process killed while the disk is full comes back with all it acknowledged.
func TestKilledOnAFullDisk(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n, f, ballast := fullNode(t)
	waitRefused(n)
	n.kill9()
	require.Error(t, <-f.done)
	require.NoError(t, os.Remove(ballast))
	n.restart()
	require.Equal(t, "v", n.do("GET first"))
	f.holds(n)
	require.Equal(t, "OK", n.do("SET again v"))
}

// mountSmallDisk puts a file system of its own, small, below dir. That takes the right to mount.
func mountSmallDisk(t *testing.T, dir string) {
	t.Helper()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskBytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("mounting a small tmpfs takes root: %v", err)
	}
	require.NoError(t, err)
	// Registered after the node's own cleaning up, hence done before it: detached now, gone with the process.
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill leaves no space on the file system of path.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		_, err := f.Write(block)
		if errors.Is(err, syscall.ENOSPC) {
			if len(block) == 1<<10 {
				return
			}
			block = block[:1<<10]
			continue
		}
		require.NoError(t, err)
	}
}
