package crashfs_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/wal/crashfs"
)

// With a bare MemFS this stops for good after some thousand rounds, within a second.
func TestPowerIsCutWhileFilesAreLinked(t *testing.T) {
	fs := crashfs.New()
	f, err := fs.Create("a", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte("text"))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())

	var links sync.WaitGroup
	for g := range 2 {
		links.Go(func() {
			for i := range 20_000 {
				name := fmt.Sprintf("b%d-%d", g, i%5)
				_ = fs.Link("a", name) // the name may be there from the round before
				_ = fs.Remove(name)
			}
		})
	}
	done := make(chan struct{})
	go func() { links.Wait(); close(done) }()
	for cut := true; cut; {
		select {
		case <-done:
			cut = false
		default:
		}
		fs.CrashClone(vfs.CrashCloneCfg{})
	}

	dir, err := fs.OpenDir("")
	require.NoError(t, err)
	require.NoError(t, dir.Sync())
	g, err := fs.CrashClone(vfs.CrashCloneCfg{}).Open("a")
	require.NoError(t, err)
	defer func() { require.NoError(t, g.Close()) }()
	b := make([]byte, 4)
	_, err = g.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "text", string(b))
}
