package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/backlog"
	"replogd/engine"
	"replogd/engine/resp"
	"replogd/wal"
)

// testSegment makes many segments out of little data.
const testSegment = 64 << 10

// fill makes a data directory with n keys, as a server would, and closes it; clean=false leaves the replay to the next start.
func fill(t *testing.T, n int, clean bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	b, err := backlog.Open(backlog.Options{Dir: dir, SegmentSize: testSegment})
	require.NoError(t, err)
	e, err := engine.Open(t.Context(), engine.Options{Dir: dir, Backlog: b})
	require.NoError(t, err)
	require.NoError(t, e.BecomeLeader(t.Context(), nil))
	require.NoError(t, b.SetRole(true))
	var s engine.Session
	var w resp.Writer
	for i := range n {
		args := [][]byte{[]byte("SET"), []byte("key:" + strconv.Itoa(i)), []byte("va\"l\n" + strings.Repeat("x", 300))}
		e.Exec(t.Context(), &s, []engine.Request{{Cmd: engine.Lookup(args[0]), Args: args}}, &w)
	}
	require.NoError(t, b.WaitSynced(t.Context(), b.End()))
	result := dir
	if !clean { // what a crash leaves: the files as they are now
		result = filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.CopyFS(result, os.DirFS(dir)))
	}
	require.NoError(t, e.Close(context.Background()))
	require.NoError(t, b.Close(true))
	return result
}

// contents is every file below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	}))
	return files
}

func runTool(args ...string) (code int, out string) {
	var both bytes.Buffer
	code = run(args, nil, &both, &both)
	return code, both.String()
}

func TestCheckOfAHealthyDirectoryChangesNothing(t *testing.T) {
	dir := fill(t, 600, true)
	before := contents(t, dir)
	code, out := runTool("check", dir)
	require.Equal(t, exitOK, code, out)
	require.Contains(t, out, "600 keys")
	require.Contains(t, out, "600 records")
	require.Contains(t, out, "result     healthy")
	require.Equal(t, before, contents(t, dir))
}

func TestCheckReplaysWithoutTouching(t *testing.T) {
	dir := fill(t, 300, true)
	// The keyspace of an empty server beside a full log: a start would replay all of it.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data")))
	before := contents(t, dir)
	code, out := runTool("check", dir)
	require.Equal(t, exitOK, code, out)
	require.Contains(t, out, "300 keys")
	require.Equal(t, before, contents(t, dir))
	require.NoDirExists(t, filepath.Join(dir, "data"))
}

func TestCheckNamesDamage(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		code int
		says []string
	}{
		"no data directory": {func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.Mkdir(dir, 0o700))
		}, exitUsage, []string{"no data directory"}},
		"a flipped byte in a closed segment": {func(t *testing.T, dir string) {
			flipAt(t, segments(t, dir)[0], 5000)
		}, exitFailed, []string{"00000000000000000000.log", "file position", "restore"}},
		"a missing segment in the middle": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(segments(t, dir)[1]))
		}, exitFailed, []string{"log", "restore"}},
		"a missing first segment": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(segments(t, dir)[0]))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "data")))
		}, exitFailed, []string{"keyspace", "DAMAGED"}},
		"meta.db missing": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "meta.db")))
		}, exitFailed, []string{"meta.db", "restore"}},
		"missing table files": {func(t *testing.T, dir string) {
			for _, table := range tables(t, dir) {
				require.NoError(t, os.Remove(table))
			}
		}, exitFailed, []string{"table file DIR/data/1/", ".sst is missing", "restore"}},
		"a cut table file": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(tables(t, dir)[0], 500))
		}, exitFailed, []string{"table file TABLE has 500 bytes instead of ", "restore"}},
		"a missing list of tables": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(manifest(t, dir)))
		}, exitFailed, []string{"DIR/data/1/MANIFEST-", "restore"}},
		"a clean log that lost its last record": {func(t *testing.T, dir string) {
			cutTail(t, dir)
		}, exitFailed, []string{"DAMAGED"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fill(t, 600, true)
			require.Greater(t, len(segments(t, dir)), 2)
			words := strings.NewReplacer("DIR", dir, "TABLE", tables(t, dir)[0])
			c.do(t, dir)
			before := contents(t, dir)
			code, out := runTool("check", dir)
			require.Equal(t, c.code, code, out)
			for _, s := range c.says {
				require.Contains(t, out, words.Replace(s))
			}
			require.Equal(t, before, contents(t, dir))
		})
	}
}

// cutTail takes the last record's last bytes off the last segment.
func cutTail(t *testing.T, dir string) {
	t.Helper()
	all := segments(t, dir)
	last := all[len(all)-1]
	var pos int64
	_, err := wal.VerifySegment(vfs.Default, last, func(r wal.Record) error {
		if len(r.Payload) > 0 {
			pos = r.FilePos
		}
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(last, pos+40))
}

// A crash leaves a torn record at the end: not damage, but worth a word.
func TestCheckOfATornTail(t *testing.T) {
	dir := fill(t, 100, false)
	cutTail(t, dir)
	before := contents(t, dir)
	code, out := runTool("check", dir)
	require.Equal(t, exitOK, code, out)
	require.Contains(t, out, "torn tail")
	require.Contains(t, out, "99 keys")
	require.Contains(t, out, "not clean")
	require.Equal(t, before, contents(t, dir))
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	all, err := findSegments(dir)
	require.NoError(t, err)
	return all
}

// tables are the keyspace's table files.
func tables(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "data", "1", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

func manifest(t *testing.T, dir string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "data", "1", "MANIFEST-*"))
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// A server refuses to start on a keyspace with a hole, in the same words, and changes nothing that a restored file would not mend.
func TestStartNamesMissingTables(t *testing.T) {
	dir := fill(t, 600, true)
	table := tables(t, dir)[0]
	whole, err := os.ReadFile(table)
	require.NoError(t, err)
	require.NoError(t, os.Remove(table))
	code, out := runTool("--port", "0", "--unixsocket", filepath.Join(t.TempDir(), "s"), "--dir", dir, "--logfile", filepath.Join(t.TempDir(), "log"))
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "table file "+table+" is missing")
	require.Contains(t, out, "replogd check "+dir)
	require.NoError(t, os.WriteFile(table, whole, 0o600))
	code, out = runTool("check", dir)
	require.Equal(t, exitOK, code, out)
}

func TestNameTables(t *testing.T) {
	missing := func(i int) error {
		return fmt.Errorf("L6: %06d: file %06d (type sstable) unknown to the objstorage provider: %w", i, i, os.ErrNotExist)
	}
	for _, c := range []struct {
		name string
		err  error
		says string
	}{
		{"none", nil, ""},
		{"another error", errors.New("open keyspace /d: no space left"), "open keyspace /d: no space left"},
		{"one of two lines is another error", errors.Join(missing(7), errors.New("what")), errors.Join(missing(7), errors.New("what")).Error()},
		{"one", fmt.Errorf("open keyspace /d/data/3: %w", missing(26)), "open keyspace /d/data/3: table file /d/data/3/000026.sst is missing"},
		{
			"many", fmt.Errorf("open keyspace /d/data/3: %w", errors.Join(missing(1), missing(2), missing(3), missing(4), missing(5), missing(6),
				missing(7), errors.New("L0: 000008: object size mismatch (/d/data/3/000008.sst): 10 (disk) != 20 (MANIFEST)"), missing(9), missing(10))),
			"open keyspace /d/data/3: table file /d/data/3/000001.sst is missing; table file /d/data/3/000002.sst is missing; " +
				"table file /d/data/3/000003.sst is missing; table file /d/data/3/000004.sst is missing; table file /d/data/3/000005.sst is missing; " +
				"table file /d/data/3/000006.sst is missing; table file /d/data/3/000007.sst is missing; " +
				"table file /d/data/3/000008.sst has 10 bytes instead of 20; and 2 more",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := nameTables(c.err, "/d", 3)
			if c.err == nil {
				require.NoError(t, got)
				return
			}
			require.ErrorIs(t, got, c.err)
			require.EqualError(t, got, c.says)
		})
	}
}

func flipAt(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[at] ^= 0xff
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// The store would try for ever on a full scratch directory. A limit on the size of files stands for the full disk.
func TestCheckWithoutScratchSpace(t *testing.T) {
	dir := fill(t, 6000, true)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data")))
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -f 100 && exec "$0" check "$1"`, self, dir)
	cmd.Env = append(os.Environ(), beReplogd+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), "%s", out)
	require.Regexp(t, `(?m)^keyspace   CANNOT BE READ: write to the scratch directory: .*file too large.*TMPDIR`, string(out))
	require.NotContains(t, string(out), "DAMAGED")
}

// A table that no key needs today is needed tomorrow.
func TestCheckReadsEveryFile(t *testing.T) {
	dir := fill(t, 600, true)
	stray := filepath.Join(dir, "data", "1", "000999.sst")
	require.NoError(t, os.WriteFile(stray, nil, 0o600))
	require.NoError(t, os.Chmod(stray, 0))
	if f, err := os.Open(stray); err == nil {
		require.NoError(t, f.Close())
		t.Skip("this user may read everything")
	}
	code, out := runTool("check", dir)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "keyspace   CANNOT BE READ: read keyspace: open "+stray)
}

func TestCheckOfAClosedDirectory(t *testing.T) {
	dir := fill(t, 1, true)
	require.NoError(t, os.Chmod(dir, 0))
	defer func() { require.NoError(t, os.Chmod(dir, 0o700)) }()
	if _, err := os.ReadDir(dir); err == nil {
		t.Skip("this user may read everything")
	}
	code, out := runTool("check", dir)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "permission denied")
	require.NotContains(t, out, "no data directory")
}

func TestCheckRefusesARunningServersDirectory(t *testing.T) {
	dir := fill(t, 1, true)
	b, err := backlog.Open(backlog.Options{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(true)) }()
	code, out := runTool("check", dir)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "process "+strconv.Itoa(os.Getpid()))
}

func TestLogdumpLines(t *testing.T) {
	dir := fill(t, 400, true)
	code, out := runTool("logdump", dir)
	require.Equal(t, exitOK, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 400)
	require.Regexp(t, `^ *0 +3\d\d +1 data 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "SET" "key:0" "va\\"l\\nx{123}"\.\.\.\(305 bytes\)$`, lines[0])

	var start, end uint64
	_, err := fmt.Sscan(lines[200], &start, &end)
	require.NoError(t, err)
	for _, from := range []string{strconv.FormatUint(start, 10), strconv.FormatUint(start+1, 10), strconv.FormatUint(end-1, 10)} {
		code, out = runTool("logdump", "--from", from, dir)
		require.Equal(t, exitOK, code)
		require.Equal(t, strings.Join(lines[200:], "\n")+"\n", out)
	}
	_, out = runTool("logdump", dir, "--from="+strconv.FormatUint(end, 10))
	require.Equal(t, strings.Join(lines[201:], "\n")+"\n", out)

	code, out = runTool("logdump", filepath.Join(dir, "wal"), "--full")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, strings.Repeat("x", 300)+"\"\n")

	code, out = runTool("logdump", segments(t, dir)[0])
	require.Equal(t, exitOK, code)
	require.True(t, strings.HasPrefix(strings.Join(lines, "\n"), strings.TrimSpace(out)[:100]))

	flipAt(t, segments(t, dir)[0], 20000)
	code, out = runTool("logdump", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "file position")
	require.Contains(t, out, `"key:399"`, "what can be read is shown")
	code, _ = runTool("logdump", t.TempDir())
	require.Equal(t, exitUsage, code)
}

func TestLogdumpOfNoopsAndOfWhatIsNoCommand(t *testing.T) {
	var out bytes.Buffer
	d := &dumper{out: bufio.NewWriter(&out)}
	require.NoError(t, d.record(wal.Record{Start: 10, Epoch: 2, Kind: wal.KindNoop, TimeMs: 1, Payload: []byte("*1\r\n$4\r\nping\r\n*1\r\n$4\r\nping\r\n")}))
	require.NoError(t, d.record(wal.Record{Start: 38, Epoch: 2, Kind: wal.KindData, Payload: []byte("*1\r\n$x\r\n\x00")}))
	require.NoError(t, d.out.Flush())
	require.Equal(t, ""+
		"          10           24   2 noop 1970-01-01T00:00:00.001Z \"ping\"\n"+
		"          24           38   2 noop 1970-01-01T00:00:00.001Z \"ping\"\n"+
		"          38           47   2 data 1970-01-01T00:00:00.000Z (not a command) \"*1\\r\\n$x\\r\\n\\x00\"\n", out.String())
}
