package server

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// fullDisk is a file system whose log directory can run out of space.
func fullDisk(full *atomic.Bool) vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !full.Load() || !strings.Contains(op.Path, "/wal/") {
			return nil
		}
		switch op.Kind {
		case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate, errorfs.OpCreate:
			return syscall.ENOSPC
		default:
			return nil
		}
	}))
}

// With a full disk nothing is acknowledged that is not safe, writes and PING say why, reads go on, and all recovers with space.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	r := startLoading(t)
	r.logFS = fullDisk(&full)
	r.attach()
	held, c := r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", held.do("SET", "a", "1"))
	full.Store(true)
	held.send(frame("SET", "b", "2"))
	require.Eventually(t, func() bool { return r.bl.Health() != nil }, patience, time.Millisecond)
	for _, cmd := range []string{"SET a 2", "PING", "DEL a", "FLUSHALL"} {
		reply := c.do(strings.Fields(cmd)...)
		require.True(t, strings.HasPrefix(reply, "-MISCONF Errors writing to the log: "), reply)
		require.Contains(t, reply, "no space left")
	}
	require.Equal(t, "$1\r\n1\r\n", c.do("GET", "a"))
	fields := c.info()
	require.Equal(t, "err", fields["aof_last_write_status"])
	require.Contains(t, fields["log_status"], "no space left")
	require.Contains(t, fields["errorstat_MISCONF"], "count=4")
	full.Store(false)
	require.Equal(t, "+OK\r\n", held.read(), "the write that was held back is safe now")
	require.Equal(t, "$1\r\n2\r\n", held.do("GET", "b"))
	require.Eventually(t, func() bool { return c.do("PING") == "+PONG\r\n" }, patience, time.Millisecond)
	require.Equal(t, "+OK\r\n", c.do("SET", "a", "2"))
}

// With appendfsync always a reply to a write, or to a read that shows it, means that it is fsynced.
func TestRepliesWaitForTheFsync(t *testing.T) {
	r := start(t, "--appendfsync", "always")
	writer, reader := r.dial(), r.dial()
	for i := range 20 {
		value := strings.Repeat("v", i)
		require.Equal(t, "+OK\r\n", writer.do("SET", "k", value))
		require.Equal(t, r.bl.End(), r.bl.Synced())
		writer.send(frame("APPEND", "k", "x"))
		got := bulk(reader.do("GET", "k"))
		if got == value+"x" {
			require.Equal(t, r.bl.End(), r.bl.Synced())
		}
		writer.read()
	}
}

// A client that is gone while its reply is held back does not hold its connection for ever.
func TestHeldBackClientThatGoesAway(t *testing.T) {
	var full atomic.Bool
	r := startLoading(t)
	r.logFS = fullDisk(&full)
	r.attach()
	full.Store(true)
	c := r.dial()
	c.send(frame("SET", "b", "2"))
	require.Eventually(t, func() bool {
		held := false
		r.srv.clients.each(func(c *conn) { held = held || c.waiting.Load() != 0 })
		return held
	}, patience, time.Millisecond)
	require.NoError(t, c.nc.Close())
	require.Eventually(t, func() bool {
		r.scanLater(2 * goneCheckAfter)
		return r.srv.clients.len() == 0
	}, patience, time.Millisecond)
	full.Store(false)
	require.Eventually(t, func() bool { return r.bl.Health() == nil }, patience, time.Millisecond)
}
