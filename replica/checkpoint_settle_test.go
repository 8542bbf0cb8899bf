package replica

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// receivedOp reports whether op is of that kind and on a file of a checkpoint that is being received.
func receivedOp(op errorfs.Op, kind errorfs.OpKind) bool {
	return op.Kind == kind && strings.Contains(op.Path, "/incoming/") && strings.Contains(op.Path, "/files/")
}

// While a slow disk makes a file durable the next ones are received, and no line of progress promises what is not durable: not of
// files behind it either, though they are.
func TestFilesAreReceivedWhileOthersAreMadeDurable(t *testing.T) {
	a := bigLeader(t)
	files := checkpointManifest(t, a).files
	b := newServer(t, "b")
	held, release := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int32
	b.fs = errorfs.Wrap(b.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if receivedOp(op, errorfs.OpFileSync) {
			syncs.Add(1)
			if strings.HasSuffix(op.Path, "/"+files[0].Name) {
				close(held)
				<-release
			}
		}
		return nil
	}))
	b.start(a)
	<-held
	eventually(t, func() bool { return b.n.Status().SyncRead > files[0].Size }, says("the next file comes"))
	text, err := readAll(b.fs, b.fs.PathJoin(b.dir, incomingDir, b.n.resumable(), progressName), maxManifestBytes)
	require.NoError(t, err)
	require.Empty(t, text)
	require.NotEqual(t, "connected", b.n.Status().LinkState)
	close(release)
	a.caughtUp(b)
	require.Equal(t, len(files), int(syncs.Load()))
}

// A failed fsync ends the transfer. The file it failed for is fetched again, however right it reads; those before it are kept.
func TestAFileWhoseFsyncFailsIsFetchedAgain(t *testing.T) {
	a := bigLeader(t)
	files := checkpointManifest(t, a).files
	bad := len(files) - 1
	for files[bad].Size == 0 {
		bad--
	}
	require.Positive(t, bad, "a file behind others")
	mem := vfs.NewMem()
	b := newServer(t, "b")
	var syncs, firsts atomic.Int32
	b.fs = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case receivedOp(op, errorfs.OpFileSync) && strings.HasSuffix(op.Path, "/"+files[bad].Name) && syncs.Add(1) == 1:
			return errors.New("injected: the disk is ill")
		case receivedOp(op, errorfs.OpFileWriteAt) && op.Offset == 0 && strings.HasSuffix(op.Path, "/"+files[bad].Name):
			firsts.Add(1)
		}
		return nil
	}))
	b.start(a)
	a.caughtUp(b)
	require.Equal(t, 1, b.logged.count(`make received file "`+files[bad].Name+`" durable: injected: the disk is ill`))
	require.EqualValues(t, 2, firsts.Load(), "its first byte came twice")
	require.EqualValues(t, 1, fullSyncs(a), "it was the same transfer")
}
