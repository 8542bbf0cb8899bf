package wal

import (
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// TryWrite writes what is pending, and never fsyncs.
func TestTryWrite(t *testing.T) {
	l, err := Open(quiet(vfs.NewMem(), SyncEverySecond))
	require.NoError(t, err)
	l.TryWrite()
	require.Zero(t, l.Stats().Groups, "there was nothing to write")
	end := appendN(t, l, 10)
	end = max(end, appendN(t, l, 10))
	l.TryWrite()
	require.Equal(t, end, l.Written())
	require.Zero(t, l.Synced())
	require.EqualValues(t, 1, l.Stats().Groups)
	require.Zero(t, l.Stats().Syncs)
	require.NoError(t, l.Close())
}

// TryWrite does nothing where it would have to wait, or to fsync: whoever waits for the records writes them.
func TestTryWriteLeavesTheRestToOthers(t *testing.T) {
	t.Run("appendfsync always", func(t *testing.T) {
		l, err := Open(quiet(vfs.NewMem(), SyncAlways))
		require.NoError(t, err)
		end := appendN(t, l, 10)
		l.TryWrite()
		require.Zero(t, l.Written())
		require.NoError(t, l.WaitSynced(deadline(t), end))
		require.NoError(t, l.Close())
	})
	t.Run("the segment is full", func(t *testing.T) {
		l, err := Open(quiet(vfs.NewMem(), SyncEverySecond))
		require.NoError(t, err)
		first := appendN(t, l, 2000)
		l.TryWrite()
		require.Equal(t, first, l.Written())
		second := appendN(t, l, 2500) // segments are of 4096 bytes
		l.TryWrite()
		require.Equal(t, first, l.Written())
		require.NoError(t, l.WaitWritten(deadline(t), second))
		third := appendN(t, l, 10)
		l.TryWrite()
		require.Equal(t, third, l.Written(), "the new segment has room")
		require.NoError(t, l.Close())
	})
	t.Run("another history begins", func(t *testing.T) {
		l, err := Open(quiet(vfs.NewMem(), SyncEverySecond))
		require.NoError(t, err)
		l.SetEpoch(7, HistoryID{7})
		end := appendN(t, l, 10)
		l.TryWrite()
		require.Zero(t, l.Written())
		require.NoError(t, l.WaitWritten(deadline(t), end))
		require.NoError(t, l.Close())
	})
	t.Run("somebody writes", func(t *testing.T) {
		g := newGate(onLogWrite)
		l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), g), SyncEverySecond))
		require.NoError(t, err)
		g.on.Store(true)
		first := appendN(t, l, 10)
		done := make(chan error)
		go func() { done <- l.WaitWritten(deadline(t), first) }()
		<-g.arrived
		second := appendN(t, l, 10)
		l.TryWrite()
		require.Zero(t, l.Written())
		g.on.Store(false)
		g.pass <- struct{}{}
		require.NoError(t, <-done)
		require.NoError(t, l.WaitWritten(deadline(t), second))
		require.NoError(t, l.Close())
	})
}

// With a full disk TryWrite fails once and then stays away; the records are written when there is space.
func TestTryWriteOnAFullDisk(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && onLogWrite(op) {
			return syscall.ENOSPC
		}
		return nil
	}))
	o := quiet(fs, SyncEverySecond)
	o.retryDelayForTesting = never
	l, err := Open(o)
	require.NoError(t, err)
	full.Store(true)
	end := appendN(t, l, 10)
	l.TryWrite()
	require.ErrorIs(t, l.Health(), ErrDiskFull)
	require.True(t, l.HasRoom(), "whoever asks is told at once")
	l.TryWrite()
	require.Zero(t, l.Written())
	full.Store(false)
	require.NoError(t, l.Close())
	require.Equal(t, end, l.Written(), "the end writes what was queued")
}
