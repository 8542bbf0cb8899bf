package e2e_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filledNode has some data in log and keyspace, and is down, cleanly.
func filledNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t, "node").start()
	for batch := range 4 {
		for i := range 50 {
			n.do(fmt.Sprintf("SET key:%d:%d", batch, i), strings.Repeat(fmt.Sprint(i%10), 500))
		}
		n.stop()
		if batch < 3 {
			n.start()
		}
	}
	return n
}

// files lists the files below the node's directory that match a pattern of the base name, sorted.
func (n *node) files(pattern string) []string {
	n.t.Helper()
	var found []string
	require.NoError(n.t, filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if ok, _ := filepath.Match(pattern, d.Name()); ok {
				found = append(found, path)
			}
		}
		return err
	}))
	slices.Sort(found)
	require.NotEmpty(n.t, found, "no file %s below %s", pattern, n.dir)
	return found
}

// segment is the live log segment; recycled or preallocated space behind its records is none of the tests' business.
func (n *node) segment() string {
	n.t.Helper()
	all := n.files("[0-9]*.log")
	all = slices.DeleteFunc(all, func(path string) bool { return filepath.Base(filepath.Dir(path)) != "wal" })
	require.NotEmpty(n.t, all)
	return all[len(all)-1]
}

// flip inverts one byte of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, at, int64(len(b)))
	b[at] ^= 0xff
	require.NoError(t, os.WriteFile(path, b, 0o644))
}

// positionOf finds a text in a file.
func positionOf(t *testing.T, path, text string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	at := strings.Index(string(b), text)
	require.GreaterOrEqual(t, at, 0, "%q in %s", text, path)
	return int64(at)
}

// fails runs the binary and returns what it says; it must end by itself, with an exit code of its own choice other than 0.
func (n *node) fails(args ...string) string {
	n.t.Helper()
	out, code := n.run(args...)
	require.Positive(n.t, code, "replogd %s: exit code; it said: %s", strings.Join(args, " "), out)
	return out
}

func (n *node) run(args ...string) (output string, code int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.bin, args...)
	cmd.Env = cleanEnviron()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		n.t.Fatalf("run %s: %v", n.bin, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestCheckAndLogdump(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := filledNode(t)

	t.Run("a healthy directory", func(t *testing.T) {
		out, code := n.run("check", n.dir)
		require.Zero(t, code, out)
	})
	t.Run("logdump of a directory shows the commands", func(t *testing.T) {
		out, code := n.run("logdump", n.dir)
		require.Zero(t, code, out)
		for _, part := range []string{"SET", "key:0:0", "key:3:49"} {
			require.Contains(t, out, part)
		}
	})
	t.Run("logdump from an offset leaves out what is before", func(t *testing.T) {
		all, _ := n.run("logdump", n.dir)
		offsets := regexp.MustCompile(`(?m)^\D*(\d+)`).FindAllStringSubmatch(all, -1)
		require.NotEmpty(t, offsets)
		out, code := n.run("logdump", n.dir, "--from", offsets[len(offsets)-1][1])
		require.Zero(t, code, out)
		require.NotContains(t, out, "key:0:0")
		require.Less(t, len(out), len(all)/4)
	})
	t.Run("logdump of a segment", func(t *testing.T) {
		out, code := n.run("logdump", n.segment())
		require.Zero(t, code, out)
		require.Contains(t, out, "SET")
	})
	t.Run("neither changes anything", func(t *testing.T) {
		n.restart()
		require.Equal(t, "200", n.do("DBSIZE"))
		n.stop()
	})
	t.Run("a directory that is none", func(t *testing.T) {
		require.Contains(t, n.fails("check", filepath.Join(n.dir, "nothing")), "nothing")
		n.fails("logdump", filepath.Join(n.dir, "nothing"))
		require.NoDirExists(t, filepath.Join(n.dir, "nothing"))
	})
	t.Run("missing argument", func(t *testing.T) { n.fails("check") })
}

// TestCheckBesideARunningServer: the directory is in use; check must say so or look without disturbing, but not do harm.
func TestCheckBesideARunningServer(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := newNode(t, "node").start()
	n.do("SET k v")
	out, code := n.run("check", n.dir)
	if code != 0 {
		require.Contains(t, out, fmt.Sprint(n.pid), "a refusal names the process that holds the directory")
	}
	require.Equal(t, "OK", n.do("SET k w"))
	n.kill9()
	n.restart()
	require.Equal(t, "w", n.do("GET k"))
}

// TestDamageIsRefused: what cannot be read is never skipped or deleted. The server says which file, where, and what to do.
func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	for name, damage := range map[string]func(t *testing.T, n *node) (file string, at int64){
		"a flipped byte in a log record": func(t *testing.T, n *node) (string, int64) {
			file := n.segment()
			at := positionOf(t, file, "key:3:10")
			flip(t, file, at)
			return file, at
		},
		"a flipped byte in a segment's header": func(t *testing.T, n *node) (string, int64) {
			file := n.segment()
			flip(t, file, 3)
			return file, -1
		},
		"meta.db is overwritten": func(t *testing.T, n *node) (string, int64) {
			file := filepath.Join(n.dir, "meta.db")
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			for i := range b {
				b[i] = 0xa5
			}
			require.NoError(t, os.WriteFile(file, b, 0o644))
			return file, -1
		},
		"meta.db is cut": func(t *testing.T, n *node) (string, int64) {
			file := filepath.Join(n.dir, "meta.db")
			require.NoError(t, os.Truncate(file, 100))
			return file, -1
		},
		"meta.db is missing beside a log": func(t *testing.T, n *node) (string, int64) {
			file := filepath.Join(n.dir, "meta.db")
			require.NoError(t, os.Remove(file))
			return file, -1
		},
		"a table file is missing": func(t *testing.T, n *node) (string, int64) {
			file := n.files("*.sst")[0]
			require.NoError(t, os.Remove(file))
			return file, -1
		},
		"a table file is cut": func(t *testing.T, n *node) (string, int64) {
			file := n.files("*.sst")[0]
			require.NoError(t, os.Truncate(file, 200))
			return file, -1
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := filledNode(t)
			file, _ := damage(t, n)
			sizes := n.sizes()

			for _, how := range []struct {
				title string
				args  []string
			}{{"check", []string{"check", n.dir}}, {"start", n.args}} {
				out := n.fails(how.args...)
				require.Contains(t, out, strings.TrimSuffix(filepath.Base(file), ".sst"), "%s names the file", how.title)
				require.Contains(t, out, n.dir, "%s says where it is", how.title)
				require.Regexp(t, `(?i)restore|replica|backup|remove|rebuild|full sync|move`, out, "%s names a remedy", how.title)
				require.NotContains(t, out, "goroutine ", "%s: not a stack trace", how.title)
			}
			require.Equal(t, sizes, n.sizes(), "nothing is deleted or cut")
		})
	}
}

// TestDamagedTable: a table whose blocks are damaged opens, but `check` finds it and reads of its keys fail with the reason; they
// are not answered as if the key did not exist.
func TestDamagedTable(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := filledNode(t)
	for _, file := range n.files("*.sst") {
		for at := range int64(32) {
			flip(t, file, at)
		}
	}
	out := n.fails("check", n.dir)
	require.Contains(t, out, ".sst")

	n.launch()
	if err := poll(startWithin, func() error {
		if !n.alive() {
			return nil
		}
		return n.client().Ping(context.Background()).Err()
	}); err != nil {
		t.Fatal(err)
	}
	if n.alive() {
		reply, err := n.try("GET key:0:0")
		require.Error(t, err, "GET of a key in a damaged table was answered with %q", reply)
	}
}

// TestTornTail: what a crash leaves at the end of the log is cut, and that is all.
func TestTornTail(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := newNode(t, "node").start()
	for i := range 20 {
		n.do(fmt.Sprintf("SET key:%d value", i))
	}
	n.kill9()
	file := n.segment()
	// The last record loses its last bytes, as if they had never been written.
	at := positionOf(t, file, "key:19")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := at; i < min(at+20, int64(len(b))); i++ {
		b[i] = 0
	}
	require.NoError(t, os.WriteFile(file, b, 0o644))

	n.restart()
	require.Equal(t, "19", n.do("DBSIZE"))
	require.Equal(t, "value", n.do("GET key:18"))
	require.Contains(t, n.logText(), filepath.Base(file), "the cut is reported")
	n.do("SET after the-cut")
	n.kill9()
	n.restart()
	require.Equal(t, "the-cut", n.do("GET after"))
}

// sizes by file, without bbolt's and Pebble's own bookkeeping (locks, options, markers).
func (n *node) sizes() map[string]int64 {
	n.t.Helper()
	sizes := make(map[string]int64)
	require.NoError(n.t, filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name := d.Name(); strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".sst") || name == "meta.db" {
			info, err := d.Info()
			if err != nil {
				return err
			}
			sizes[path] = info.Size()
		}
		return nil
	}))
	return sizes
}

// TestLogdumpTellsTheTime: what operators read a log dump for: when did this happen?
func TestLogdumpTellsTheTime(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := newNode(t, "node").start()
	n.do("SET k v")
	n.stop()
	out, code := n.run("logdump", n.dir)
	require.Zero(t, code, out)
	require.Contains(t, out, time.Now().UTC().Format("2006-01-02"))
}
