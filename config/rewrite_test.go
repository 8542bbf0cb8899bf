package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestRewriteGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		args []string
		do   func(m *Manager) error
		want string
	}{
		{
			name: "nothing changed", file: "# a\n\n  port   6380 \nslave-priority 5\ndir .\nsave 1 2",
			want: "# a\n\n  port   6380 \nslave-priority 5\ndir .\nsave 1 2",
		},
		{
			name: "in place, under the name and between the comments that were there",
			file: "# top\r\nslave-priority 5\r\n# mid\ntimeout 1\n# end\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"replica-priority", "7"}, {"timeout", "0"}}) },
			want: "# top\r\nslave-priority 7\r\n# mid\ntimeout 0\n# end\n",
		},
		{
			name: "new ones under a marker, quoted, in units",
			file: "port 6380",
			do: func(m *Manager) error {
				return m.Set([][2]string{{"requirepass", "a \"b"}, {"repl-backlog-size", "2gb"}, {"proto-max-bulk-len", "1048577"}})
			},
			want: "port 6380\n\n# Added by CONFIG REWRITE\nrequirepass \"a \\\"b\"\nrepl-backlog-size 2gb\nproto-max-bulk-len 1048577\n",
		},
		{
			name: "the marker is written once",
			file: "# Added by CONFIG REWRITE\nhz 5\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"timeout", "9"}}) },
			want: "# Added by CONFIG REWRITE\nhz 5\ntimeout 9\n",
		},
		{
			name: "flags become lines", file: "port 6380\n", args: []string{"--port", "6390", "--replicaof", "::1 6379"},
			want: "port 6390\n\n# Added by CONFIG REWRITE\nreplicaof ::1 6379\n",
		},
		{
			name: "a role that ended leaves the file", file: "port 1\nslaveof a 1\n# x\n",
			do:   func(m *Manager) error { m.SetReplicaOf(nil); return nil },
			want: "port 1\n# x\n",
		},
		{
			name: "a role changed in place", file: "port 1\nslaveof a 1\n# x\n",
			do:   func(m *Manager) error { m.SetReplicaOf(&Addr{"b", 2}); return nil },
			want: "port 1\nslaveof b 2\n# x\n",
		},
		{
			name: "repeated lines: fewer", file: "save 1 2\n# a\nsave 3 4\n# b\nsave 5 6\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"save", "7 8"}}) },
			want: "save 7 8\n# a\n# b\n",
		},
		{
			name: "repeated lines: more", file: "save 1 2\n# a\nsave 3 4\n# b\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"save", "7 8 9 10 11 12"}}) },
			want: "save 7 8\n# a\nsave 9 10\nsave 11 12\n# b\n",
		},
		{
			name: "repeated lines: none", file: "save 1 2\n# a\nsave 3 4\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"save", ""}}) },
			want: "save \"\"\n# a\n",
		},
		{
			name: "a client class", file: "client-output-buffer-limit pubsub 1 1 1\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"client-output-buffer-limit", "normal 1mb 1kb 7"}}) },
			want: "client-output-buffer-limit normal 1mb 1kb 7\nclient-output-buffer-limit pubsub 1 1 1\n",
		},
		{
			name: "lines that only redis.conf knows stay", file: "user default on nopass ~* &* +@all\nrename-command FLUSHALL \"\"\nmaxmemory 1gb\n",
			do:   func(m *Manager) error { return m.Set([][2]string{{"maxmemory", "0"}}) },
			want: "user default on nopass ~* &* +@all\nrename-command FLUSHALL \"\"\nmaxmemory 0\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "x.conf", c.file)
			m := mustLoad(t, append([]string{path}, c.args...), nil)
			if c.do != nil {
				require.NoError(t, c.do(m))
			}
			require.NoError(t, m.Rewrite())
			require.Equal(t, c.want, read(t, path))
			again := mustLoad(t, []string{path}, nil)
			require.Equal(t, m.Settings(), again.Settings())
			require.NoError(t, again.Rewrite())
			require.Equal(t, c.want, read(t, path), "a second rewrite changes nothing")
		})
	}
}

// The including line may stand after the line it overrides: only a line at the end helps then.
func TestRewriteOverridesIncludedFiles(t *testing.T) {
	path := write(t, "x.conf", "timeout 1\ninclude y.conf\n")
	included := "timeout 2\nsave 1 2\nreplicaof a 1\nclient-output-buffer-limit slave 5 5 5\nhz 20\n"
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "y.conf"), []byte(included), 0o600))
	m := mustLoad(t, []string{path}, nil)
	require.NoError(t, m.Set([][2]string{
		{"timeout", "3"}, {"save", "7 8"}, {"client-output-buffer-limit", "replica 256mb 64mb 60"},
	}))
	m.SetReplicaOf(nil)
	require.NoError(t, m.Rewrite())
	require.Equal(t, m.Settings(), mustLoad(t, []string{path}, nil).Settings())
	got := read(t, path)
	require.True(t, strings.HasPrefix(got, "timeout 3\ninclude y.conf\n"), got)
	require.NotContains(t, got, "hz", "what an included file says already is not repeated")
	require.Contains(t, got, "replicaof no one\n")
	require.Equal(t, included, read(t, filepath.Join(filepath.Dir(path), "y.conf")))
}

// The file was edited by hand since the start.
func TestRewriteKeepsWhatItDoesNotUnderstand(t *testing.T) {
	path := write(t, "x.conf", "port 1\n")
	m := mustLoad(t, []string{path}, nil)
	edited := "port 1\nfrobnicate yes\nlogfile \"unbalanced\ninclude gone.conf\nmaxclients many\n"
	require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
	require.NoError(t, m.Set([][2]string{{"port", "2"}}))
	require.NoError(t, m.Rewrite())
	require.Equal(t, "port 2\nfrobnicate yes\nlogfile \"unbalanced\ninclude gone.conf\nmaxclients 10000\n", read(t, path))

	require.NoError(t, os.Remove(path))
	require.NoError(t, m.Rewrite())
	require.Equal(t, "\n# Added by CONFIG REWRITE\nport 2\n", read(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, newFileMode, info.Mode().Perm())
}

func TestRewriteKeepsModeAndSymbolicLink(t *testing.T) {
	path := write(t, "real.conf", "port 1\n")
	require.NoError(t, os.Chmod(path, 0o640))
	link := filepath.Join(t.TempDir(), "link.conf")
	require.NoError(t, os.Symlink(path, link))
	m := mustLoad(t, []string{link}, nil)
	require.NoError(t, m.Set([][2]string{{"port", "2"}}))
	require.NoError(t, m.Rewrite())
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, fs.ModeSymlink, info.Mode().Type())
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	require.Equal(t, "port 2\n", read(t, link))
}

// failingFiles fails at the step with the given number. crash: every step after it fails too, as if the process had
// died there, so that no clean-up runs.
type failingFiles struct {
	osFiles
	step, failAt int
	crash        bool
	log          []string
}

var errInjected = errors.New("injected")

func (f *failingFiles) fails(what string) bool {
	f.step++
	f.log = append(f.log, what)
	return f.step == f.failAt || (f.crash && f.step > f.failAt)
}

func (f *failingFiles) Stat(name string) (fs.FileInfo, error) {
	if f.fails("stat") {
		return nil, errInjected
	}
	return f.osFiles.Stat(name)
}

func (f *failingFiles) Create(name string, mode fs.FileMode) (syncFile, error) {
	if f.fails("create") {
		return nil, errInjected
	}
	file, err := f.osFiles.Create(name, mode)
	return &failingFile{file, f}, err
}

func (f *failingFiles) Rename(from, to string) error {
	if f.fails("rename") {
		return errInjected
	}
	return f.osFiles.Rename(from, to)
}

func (f *failingFiles) Remove(name string) error {
	if f.fails("remove") {
		return errInjected
	}
	return f.osFiles.Remove(name)
}

func (f *failingFiles) SyncDir(name string) error {
	if f.fails("syncdir") {
		return errInjected
	}
	return f.osFiles.SyncDir(name)
}

type failingFile struct {
	syncFile
	fs *failingFiles
}

// Write tears: half of the bytes arrive.
func (f *failingFile) Write(p []byte) (int, error) {
	if f.fs.fails("write") {
		n, _ := f.syncFile.Write(p[:len(p)/2])
		return n, errInjected
	}
	return f.syncFile.Write(p)
}

func (f *failingFile) Sync() error {
	if f.fs.fails("sync") {
		return errInjected
	}
	return f.syncFile.Sync()
}

func TestAFailureAtAnyStepLeavesAWholeFile(t *testing.T) {
	const before, after = "# keep\nport 1\n", "# keep\nport 2\n"
	steps := []string{"stat", "remove", "create", "write", "sync", "rename", "syncdir"}
	for _, crash := range []bool{false, true} {
		for at := 1; at <= len(steps)+1; at++ {
			path := write(t, "x.conf", before)
			m := mustLoad(t, []string{path}, nil)
			files := &failingFiles{failAt: at, crash: crash}
			m.fs = files
			require.NoError(t, m.Set([][2]string{{"port", "2"}}))
			err := m.Rewrite()
			if at > len(steps) {
				require.NoError(t, err)
				require.Equal(t, steps, files.log)
				require.Equal(t, after, read(t, path))
				continue
			}
			require.ErrorIs(t, err, errInjected, steps[at-1])
			require.True(t, strings.HasPrefix(err.Error(), "ERR Rewriting config file: "), err.Error())
			want := before
			if steps[at-1] == "syncdir" {
				want = after
			}
			require.Equal(t, want, read(t, path), steps[at-1])
			if !crash {
				left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*rewrite"))
				require.NoError(t, err)
				require.Empty(t, left, steps[at-1])
			}
			m.fs = osFiles{}
			require.NoError(t, m.Rewrite(), "the next one works, whatever was left over after %s", steps[at-1])
			require.Equal(t, after, read(t, path))
		}
	}
}
