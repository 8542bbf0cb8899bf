package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestScratchFSLeavesTheDiskAlone(t *testing.T) {
	disk, upper := t.TempDir(), t.TempDir()
	name := func(s string) string { return filepath.Join(disk, s) }
	require.NoError(t, os.MkdirAll(name("d/e"), 0o700))
	for _, f := range []string{"a", "b", "d/x", "d/e/y"} {
		require.NoError(t, os.WriteFile(name(f), []byte(f), 0o600))
	}
	before := contents(t, disk)
	s := newScratchFS(vfs.Default, upper, func(err error) { t.Errorf("scratch: %v", err) })

	require.Equal(t, "a", readVia(t, s, name("a")))
	writeVia(t, s, name("a"), "changed")
	require.Equal(t, "changed", readVia(t, s, name("a")))
	require.NoError(t, s.Remove(name("a")))
	_, err := s.Open(name("a"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, s.Remove(name("a")), fs.ErrNotExist)

	require.NoError(t, s.Remove(name("b")))
	names, err := s.List(disk)
	require.NoError(t, err)
	require.Equal(t, []string{"d"}, names)

	writeVia(t, s, name("new"), "n")
	require.NoError(t, s.Rename(name("new"), name("b")))
	require.NoError(t, s.Link(name("b"), name("c")))
	names, err = s.List(disk)
	require.NoError(t, err)
	slices.Sort(names)
	require.Equal(t, []string{"b", "c", "d"}, names)

	require.NoError(t, s.RemoveAll(name("d")))
	_, err = s.Stat(name("d/e/y"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, s.MkdirAll(name("d/e"), 0o700))
	names, err = s.List(name("d/e"))
	require.NoError(t, err)
	require.Empty(t, names, "what was removed does not come back")

	require.Equal(t, before, contents(t, disk))
}

func TestScratchFSRefusesToMoveWhatItMayNotChange(t *testing.T) {
	disk := t.TempDir()
	a := filepath.Join(disk, "a")
	require.NoError(t, os.WriteFile(a, nil, 0o600))
	s := newScratchFS(vfs.Default, t.TempDir(), func(err error) { t.Errorf("scratch: %v", err) })
	require.ErrorIs(t, s.Rename(a, a+"2"), errReadOnlyFile)
	require.ErrorIs(t, s.Link(a, a+"2"), errReadOnlyFile)
	_, err := s.OpenReadWrite(a, vfs.WriteCategoryUnspecified)
	require.ErrorIs(t, err, errReadOnlyFile)
	_, err = s.List(filepath.Join(disk, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	lock, err := s.Lock(filepath.Join(disk, "LOCK"))
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	require.NoFileExists(t, filepath.Join(disk, "LOCK"))
}

// A scratchFS behaves as a file system of its own that began with the disk's files.
func TestScratchFSAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disk, err := os.MkdirTemp("", "disk")
		require.NoError(rt, err)
		defer os.RemoveAll(disk)
		upper, err := os.MkdirTemp("", "upper")
		require.NoError(rt, err)
		defer os.RemoveAll(upper)
		model := map[string]string{}
		names := []string{"a", "b", "c"}
		for _, n := range names[:rapid.IntRange(0, 3).Draw(rt, "files")] {
			require.NoError(rt, os.WriteFile(filepath.Join(disk, n), []byte("disk "+n), 0o600))
			model[n] = "disk " + n
		}
		s := newScratchFS(vfs.Default, upper, func(err error) { t.Errorf("scratch: %v", err) })
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			n := rapid.SampledFrom(names).Draw(rt, "name")
			path := filepath.Join(disk, n)
			switch rapid.SampledFrom([]string{"create", "remove", "removeall", "rename"}).Draw(rt, "op") {
			case "create":
				text := rapid.StringN(0, 5, 20).Draw(rt, "text")
				writeVia(rt, s, path, text)
				model[n] = text
			case "remove":
				_, there := model[n]
				err := s.Remove(path)
				require.Equal(rt, there, err == nil, "remove %s: %v", n, err)
				delete(model, n)
			case "removeall":
				require.NoError(rt, s.RemoveAll(path))
				delete(model, n)
			case "rename":
				to := rapid.SampledFrom(names).Draw(rt, "to")
				if err := s.Rename(path, filepath.Join(disk, to)); err == nil {
					text := model[n]
					delete(model, n)
					model[to] = text
				}
			}
			listed, err := s.List(disk)
			require.NoError(rt, err)
			require.Len(rt, listed, len(model))
			for n, text := range model {
				require.Contains(rt, listed, n)
				require.Equal(rt, text, readVia(rt, s, filepath.Join(disk, n)))
			}
		}
	})
}

type failer interface {
	require.TestingT
	Helper()
}

func readVia(t failer, s vfs.FS, name string) string {
	t.Helper()
	f, err := s.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

func writeVia(t failer, s vfs.FS, name, text string) {
	t.Helper()
	f, err := s.Create(name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
