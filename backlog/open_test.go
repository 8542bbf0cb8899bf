package backlog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/wal"
)

func TestNewDirectory(t *testing.T) {
	n := newNode(t)
	n.meta = filepath.Join(n.meta, "made", "on", "the", "way")
	n.open()
	require.Len(t, n.NodeID(), IDLen)
	require.Equal(t, uint64(1), n.Generation())
	require.Equal(t, []History{{ID: n.Current().ID, Start: 0}}, n.Histories())
	require.Equal(t, Pos{n.Current().ID, 0}, n.Position())
	require.NotEqual(t, n.NodeID(), n.Current().ID)
	require.False(t, n.Unclean())
	require.False(t, n.LostTailPossible())
	require.False(t, n.MustStartHistory())
	require.Equal(t, "none", n.PreviousRole())
	require.NoError(t, n.Health())
	require.NoFileExists(t, filepath.Join(n.meta, metaName+tempSuffix))
}

func TestReopenKeepsIdentity(t *testing.T) {
	n := started(t)
	node, cur := n.NodeID(), n.Current()
	require.NoError(t, n.SetRole(true))
	n.write("hello")
	require.NoError(t, n.Close(true))
	require.ErrorIs(t, n.Close(true), ErrClosed)

	n.open()
	require.Equal(t, node, n.NodeID())
	require.Equal(t, cur, n.Current())
	require.Equal(t, uint64(5), n.End())
	require.Equal(t, "hello", n.stream(0))
	require.False(t, n.Unclean())
	require.False(t, n.MustStartHistory())
	require.Equal(t, "leader", n.PreviousRole())
	require.Equal(t, "none", n.Role())
}

func TestSecondOpenNamesTheHolder(t *testing.T) {
	n := started(t)
	second := *newNode(t)
	second.fs, second.meta = n.fs, n.meta
	for name, readOnly := range map[string]bool{"second server": false, "tool": true} {
		t.Run(name, func(t *testing.T) {
			o := second.options()
			o.ReadOnly = readOnly
			_, err := Open(o)
			var locked *LockedError
			require.ErrorAs(t, err, &locked)
			require.Equal(t, os.Getpid(), locked.PID)
			require.Equal(t, n.meta, locked.Dir)
			require.ErrorContains(t, err, "is in use by process")
		})
	}
	require.NoError(t, n.Close(true))
	second.open()
	require.NoError(t, second.Close(true))
	b, err := os.ReadFile(filepath.Join(n.meta, lockName))
	require.NoError(t, err)
	require.Empty(t, b, "a directory that nobody uses names nobody")
}

func TestMissingMetaIsNeverReplaced(t *testing.T) {
	n := started(t)
	n.write("x")
	require.NoError(t, n.Close(true))
	path := filepath.Join(n.meta, metaName)
	require.NoError(t, os.Remove(path))
	err := n.tryOpen()
	require.ErrorIs(t, err, ErrMetaMissing)
	require.ErrorContains(t, err, "00000000000000000000.log")
	require.ErrorContains(t, err, "restore meta.db from a backup")
	require.NoFileExists(t, path)

	fresh := newNode(t)
	require.NoError(t, fresh.fs.MkdirAll("srv/data/7", 0o755))
	require.ErrorIs(t, fresh.tryOpen(), ErrMetaMissing, "a keyspace without meta.db")

	empty := newNode(t)
	require.NoError(t, empty.fs.MkdirAll("srv/wal", 0o755))
	require.NoError(t, empty.fs.MkdirAll("srv/data", 0o755))
	require.NoError(t, empty.tryOpen(), "empty directories are no reason to refuse")
}

// TestCrashOfTheFirstOpen: a half-made meta.db.tmp is replaced; meta.db without a log gets an empty one.
func TestCrashOfTheFirstOpen(t *testing.T) {
	n := newNode(t)
	require.NoError(t, os.WriteFile(filepath.Join(n.meta, metaName+tempSuffix), []byte("half"), 0o600))
	n.open()
	id := n.Current().ID

	m := newNode(t) // the same meta.db, no trace of a log
	b, err := os.ReadFile(filepath.Join(n.meta, metaName))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(m.meta, metaName), b, metaMode))
	m.open()
	require.Equal(t, id, m.Current().ID)
	require.Equal(t, uint64(0), m.End())
}

func TestLogShorterThanItsFsyncedEnd(t *testing.T) {
	t.Run("after a clean shutdown", func(t *testing.T) {
		n := started(t)
		before := n.crashed(100) // the log when it was empty
		n.write("0123456789")
		require.NoError(t, n.Close(true))
		n.fs = before.fs
		err := n.tryOpen()
		require.ErrorIs(t, err, ErrLogShort)
		require.ErrorContains(t, err, "ends at offset 0, but at its clean shutdown it was fsynced up to 10")
		require.ErrorContains(t, err, "restore the directory")
	})
	t.Run("after a crash, below what the run began with", func(t *testing.T) {
		n := started(t)
		before := n.crashed(100)
		n.write("0123456789")
		require.NoError(t, n.Close(true))
		n.open()
		n.write("abc")
		c := n.crashed(0)
		c.fs = before.fs
		err := c.tryOpen()
		require.ErrorIs(t, err, ErrLogShort)
		require.ErrorContains(t, err, "when the last run began it was fsynced up to 10")
	})
	t.Run("segments removed by hand", func(t *testing.T) {
		n := started(t)
		n.write("0123456789")
		require.NoError(t, n.Close(true))
		require.NoError(t, n.fs.RemoveAll("srv/wal"))
		require.ErrorIs(t, n.tryOpen(), ErrLogShort)
		require.ErrorIs(t, n.tryOpen(), ErrLogShort, "and it stays refused")
	})
}

func TestReadOnlyChangesNothing(t *testing.T) {
	n := started(t)
	n.write("hello")
	require.NoError(t, n.Close(true))
	path := filepath.Join(n.meta, metaName)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(n.meta, lockName)))

	o := n.options()
	o.ReadOnly = true
	b, err := Open(o)
	require.NoError(t, err)
	require.Equal(t, uint64(5), b.End())
	for what, err := range map[string]error{
		"role": b.SetRole(true), "policy": b.SetUnsafeShipping(), "adopt": b.AdoptHistories(append(b.Histories(), History{id('a'), 5})),
		"generation": b.BeginGeneration(2, b.Histories(), 9), "forget": b.ForgetReplica(id('a')),
	} {
		require.ErrorIs(t, err, ErrReadOnly, what)
	}
	_, err = b.StartHistory()
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = b.Append(wal.KindData, []byte("x"))
	require.Error(t, err)
	b.NoteReplica(id('a'), "x", 1)
	require.Empty(t, b.Replicas())
	b.retain()
	require.NoError(t, b.Close(true))

	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoFileExists(t, filepath.Join(n.meta, lockName))

	o.MetaPath = filepath.Join(t.TempDir(), metaName)
	_, err = Open(o)
	require.ErrorIs(t, err, ErrMetaMissing)
}

// TestFailedOpenLeavesNothingOpen: after each kind of refusal the directory can be opened once the reason is gone.
func TestFailedOpenLeavesNothingOpen(t *testing.T) {
	n := started(t)
	n.write("x")
	require.NoError(t, n.Close(true))
	path := filepath.Join(n.meta, metaName)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, good[:len(good)/2], metaMode))
	var me *MetaError
	require.True(t, errors.As(n.tryOpen(), &me))
	require.NoError(t, os.WriteFile(path, good, metaMode))
	n.open()
}
