package wal

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// injector fails the operations that match while an error is set.
type injector struct {
	err   atomic.Pointer[error]
	match func(errorfs.Op) bool
	hits  atomic.Int64
}

func (i *injector) String() string { return "injector" }

func (i *injector) set(err error) {
	if err == nil {
		i.err.Store(nil)
		return
	}
	i.err.Store(&err)
}

func (i *injector) MaybeError(op errorfs.Op) error {
	err := i.err.Load()
	if err == nil || !i.match(op) {
		return nil
	}
	i.hits.Add(1)
	return *err
}

func onWrite(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileWriteAt || op.Kind == errorfs.OpCreate
}

func onSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

func TestDiskFullHealsByItself(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		for _, big := range []bool{false, true} { // big: the full disk is met while a new segment is created
			inj := &injector{match: onWrite}
			fs := vfs.NewMem()
			l, err := Open(quiet(errorfs.Wrap(fs, inj), SyncAlways))
			require.NoError(t, err)
			require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 100)))
			if big {
				inj.match = func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate }
			}

			inj.set(cause)
			appendN(t, l, 3900)
			off := appendN(t, l, 3000)
			waited := make(chan error, 1)
			go func() { waited <- l.WaitSynced(deadline(t), off) }()
			require.Eventually(t, func() bool { return l.Health() != nil }, waitLimit, pollEvery)
			require.ErrorIs(t, l.Health(), ErrDiskFull)
			require.ErrorIs(t, l.Health(), cause)
			require.NotErrorIs(t, l.Health(), ErrFailed)

			_, err = l.Append(KindData, 0, []byte("refused"))
			require.ErrorIs(t, err, ErrDiskFull)
			require.ErrorIs(t, l.WaitRoom(deadline(t)), ErrDiskFull)
			require.Equal(t, off, l.End(), "a refused record takes no offset")
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, l.WaitWritten(ctx, off), context.Canceled)
			tried := inj.hits.Load()
			require.Eventually(t, func() bool { return inj.hits.Load() > tried+2 }, waitLimit, pollEvery, "it tries again")
			select {
			case err := <-waited:
				t.Fatalf("a waiter came back while the disk was full: %v", err)
			default:
			}

			inj.set(nil)
			require.NoError(t, <-waited)
			require.NoError(t, l.Health())
			require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 50)))
			require.NotZero(t, l.Stats().DiskFull)
			require.NoError(t, l.Close())

			l, err = Open(quiet(fs, SyncAlways))
			require.NoError(t, err)
			end, err := readAll(t, l, 0)
			require.NoError(t, err)
			require.Equal(t, off+50, end)
			require.NoError(t, l.Close())
		}
	}
}

func TestCloseOnFullDisk(t *testing.T) {
	inj := &injector{match: onWrite}
	fs := vfs.NewMem()
	l, err := Open(quiet(errorfs.Wrap(fs, inj), SyncNo))
	require.NoError(t, err)
	safe := appendN(t, l, 10)
	require.NoError(t, l.WaitSynced(deadline(t), safe))
	inj.set(syscall.ENOSPC)
	lost := appendN(t, l, 10)
	waited := make(chan error, 1)
	go func() { waited <- l.WaitWritten(context.Background(), lost) }()
	require.Eventually(t, func() bool { return l.Health() != nil }, waitLimit, pollEvery)
	require.ErrorIs(t, l.Close(), ErrDiskFull)
	require.ErrorIs(t, <-waited, ErrClosed)
	require.Equal(t, safe, l.Written())

	l, err = Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	require.Equal(t, safe, l.End())
	require.NoError(t, l.Close())
}

func TestResetEndsDiskFull(t *testing.T) {
	inj := &injector{match: onWrite}
	l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), inj), SyncNo))
	require.NoError(t, err)
	inj.set(syscall.ENOSPC)
	off := appendN(t, l, 10)
	waited := make(chan error, 1)
	go func() { waited <- l.WaitWritten(context.Background(), off) }()
	require.Eventually(t, func() bool { return l.Health() != nil }, waitLimit, pollEvery)

	require.ErrorIs(t, l.Reset(2, 77, 1, HistoryID{1}), syscall.ENOSPC, "no space for the new segment either")
	require.ErrorIs(t, l.Health(), ErrDiskFull, "the old log goes on")
	inj.match = func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWriteAt }
	require.NoError(t, l.Reset(2, 77, 1, HistoryID{1}))
	require.ErrorIs(t, <-waited, ErrTrimmed)
	require.NoError(t, l.Health())
	inj.set(nil)
	require.EqualValues(t, 77, l.End())
	require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 5)))
	require.NoError(t, l.Close())
}

// TestFailuresAreFinal: after a failed fsync, or a write that failed for another reason than space, nothing is acknowledged,
// not even when the disk works again.
func TestFailuresAreFinal(t *testing.T) {
	cases := []struct {
		name   string
		match  func(errorfs.Op) bool
		err    error
		policy SyncPolicy
	}{
		{"fsync, always", onSync, syscall.EIO, SyncAlways},
		{"fsync, everysec", onSync, syscall.EIO, SyncEverySecond},
		{"fsync that says no space", onSync, syscall.ENOSPC, SyncAlways},
		{"write", onWrite, syscall.EIO, SyncAlways},
		{"write, no", onWrite, syscall.EROFS, SyncNo},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inj := &injector{match: tc.match}
			l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), inj), tc.policy))
			require.NoError(t, err)
			safe := appendN(t, l, 100)
			require.NoError(t, l.WaitSynced(deadline(t), safe))
			far := make(chan error, 2)
			go func() { far <- l.WaitWritten(context.Background(), 1<<40) }()
			go func() { far <- l.WaitSynced(context.Background(), 1<<40) }()

			inj.set(tc.err)
			off := appendN(t, l, 100)
			err = l.WaitSynced(deadline(t), off)
			require.ErrorIs(t, err, ErrFailed)
			require.ErrorIs(t, err, tc.err)
			require.ErrorIs(t, <-far, ErrFailed)
			require.ErrorIs(t, <-far, ErrFailed)
			inj.set(nil)

			require.Equal(t, safe, l.Synced())
			require.ErrorIs(t, l.Health(), ErrFailed)
			_, err = l.Append(KindData, 0, []byte("x"))
			require.ErrorIs(t, err, ErrFailed)
			require.ErrorIs(t, l.WaitWritten(deadline(t), safe), ErrFailed, "not even what was safe before")
			require.ErrorIs(t, l.WaitRoom(deadline(t)), ErrFailed)
			require.ErrorIs(t, l.Reset(2, 0, 0, HistoryID{}), ErrFailed)
			l.RequestSync(off)
			require.ErrorIs(t, l.Close(), ErrFailed)
			require.Equal(t, safe, l.Synced(), "never retried")
			require.ErrorIs(t, l.Close(), ErrClosed)
		})
	}
}

func TestFailedFsyncAtRotation(t *testing.T) {
	inj := &injector{match: onSync}
	l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), inj), SyncNo))
	require.NoError(t, err)
	first := appendN(t, l, 3000)
	require.NoError(t, l.WaitWritten(deadline(t), first))
	inj.set(syscall.EIO)
	require.ErrorIs(t, l.WaitWritten(deadline(t), appendN(t, l, 3000)), ErrFailed)
	require.Equal(t, first, l.Written())
	require.Zero(t, l.Synced())
	require.ErrorIs(t, l.Close(), ErrFailed)
}

func TestIsSpaceError(t *testing.T) {
	require.True(t, isSpaceError(syscall.ENOSPC))
	require.True(t, isSpaceError(errors.Join(errors.New("x"), syscall.EDQUOT)))
	require.False(t, isSpaceError(syscall.EIO))
	require.False(t, isSpaceError(nil))
}
