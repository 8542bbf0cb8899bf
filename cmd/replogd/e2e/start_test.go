package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fileNode is a node whose settings come from one file of any format.
func fileNode(t testing.TB, name, content string) *node {
	t.Helper()
	base := t.TempDir()
	n := newConfNode(t, "node", filepath.Join(base, name), freePort(t), filepath.Join(base, "data"), filepath.Join(base, "node.log"), "")
	require.NoError(t, os.Mkdir(n.dir, 0o755))
	require.NoError(t, os.WriteFile(n.conf, []byte(strings.NewReplacer("@port", strconv.Itoa(n.port), "@dir", n.dir).Replace(content)), 0o644))
	return n
}

func TestConfSyntax(t *testing.T) {
	t.Parallel()
	n := fileNode(t, "redis.conf", `# a comment
   # another, indented
PORT @port
dir "@dir"
bind 127.0.0.1 -::1

save 900 1
save 300 10
masterauth 'single \'quoted\''
requirepass "tab\there \x41\"q\""
timeout 100
include @dir/more.conf
client-output-buffer-limit replica 64mb 16mb 30
maxmemory 1k
hz 10
`)
	require.NoError(t, os.WriteFile(filepath.Join(n.dir, "more.conf"), []byte("timeout 7\nrepl-backlog-size 2mb\n"), 0o644))
	n.pass = "tab\there A\"q\""
	n.start()
	require.Equal(t, "127.0.0.1 -::1", n.setting("bind"))
	require.Equal(t, "single 'quoted'", n.setting("masterauth"))
	require.Equal(t, "7", n.setting("timeout"), "a later line wins, also one from an included file")
	require.Equal(t, "2097152", n.setting("repl-backlog-size"))
	require.Contains(t, n.setting("save"), "300 10")
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := fileNode(t, "redis.conf", "port @port\ndir @dir\ntimeout 11\ntcp-keepalive 12\nrepl-timeout 13\n")
	n.env = []string{"REPLOGD_TIMEOUT=22", "REPLOGD_TCP_KEEPALIVE=23"}
	n.args = []string{"--timeout", "33"}
	n.start()
	require.Equal(t, "33", n.setting("timeout"), "flag before environment and file")
	require.Equal(t, "23", n.setting("tcp-keepalive"), "environment before file")
	require.Equal(t, "13", n.setting("repl-timeout"), "file before default")
	require.Equal(t, "10000", n.setting("maxclients"), "default")
}

func TestPortFromEnvironment(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := newNode(t, "node")
	n.env = []string{"REPLOGD_PORT=" + strconv.Itoa(n.port), "REPLOGD_DIR=" + n.dir}
	n.args = nil
	n.start()
}

func TestYAMLAndTOML(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	for name, content := range map[string]string{
		"node.yaml": "port: @port\ndir: \"@dir\"\ntimeout: 44\nappendfsync: always\n",
		"node.toml": "port = @port\ndir = \"@dir\"\ntimeout = 44\nappendfsync = \"always\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := fileNode(t, name, content).start()
			require.Equal(t, "44", n.setting("timeout"))
			require.Equal(t, "always", n.setting("appendfsync"))
		})
	}
}

func TestDirectiveWithoutMeaning(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := fileNode(t, "redis.conf", "port @port\ndir @dir\nactive-defrag-threshold-lower 10\n").start()
	require.Equal(t, 1, strings.Count(n.logText(), "active-defrag-threshold-lower"), "exactly one warning names the directive:\n%s", n.logText())
}

// TestStartRefused: a start that is refused says where the mistake stands and what to write instead.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		conf   string
		args   []string
		says   []string // for replogd
		anyway []string // for redis-server too
	}{
		"misspelt directive":    {conf: "# x\nport @port\nappendfsnc always\n", says: []string{"@conf:3", "appendfsnc", "appendfsync"}},
		"bad enumeration value": {conf: "port @port\n\nappendfsync sometimes\n", says: []string{"@conf:3", "appendfsync", "always", "everysec", "no"}},
		"port is no number":     {conf: "port none\n", says: []string{"@conf:1", "port"}},
		"port out of range":     {conf: "port 70000\n", says: []string{"@conf:1", "port", "65535"}},
		"bad size":              {conf: "repl-backlog-size 1zb\n", says: []string{"@conf:1", "repl-backlog-size"}},
		"missing value":         {conf: "port @port\ntimeout\n", says: []string{"@conf:2", "timeout"}},
		"unbalanced quotes":     {conf: "port @port\nrequirepass \"open\n", says: []string{"@conf:2"}},
		"missing include":       {conf: "port @port\ninclude /nowhere/at/all.conf\n", says: []string{"/nowhere/at/all.conf"}},
		"misspelt flag":         {conf: "port @port\n", args: []string{"--appendfsnc", "always"}, says: []string{"appendfsnc", "appendfsync"}},
		"missing file":          {args: []string{"/nowhere/redis.conf"}, says: []string{"/nowhere/redis.conf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := fileNode(t, "redis.conf", c.conf)
			args := c.args
			if c.conf != "" {
				args = append([]string{n.conf}, c.args...)
			}
			ctx, cancel := context.WithTimeout(context.Background(), startWithin)
			defer cancel()
			cmd := exec.CommandContext(ctx, n.bin, args...)
			cmd.Dir, cmd.Env = n.dir, cleanEnviron()
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the start must fail; it said: %s", out)
			require.Positive(t, exit.ExitCode(), "killed by the test: it had started; it said: %s", out)
			if stock() {
				return
			}
			for _, part := range c.says {
				require.Contains(t, string(out), strings.ReplaceAll(part, "@conf", n.conf))
			}
		})
	}
}

func TestSecondProcessOnTheSameDirectory(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	owner := newNode(t, "owner").start()
	owner.do("SET k v")

	second := newNode(t, "second")
	out, err := second.command("--port", strconv.Itoa(second.port), "--dir", owner.dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), strconv.Itoa(owner.pid), "names the process that holds the directory")
	require.Contains(t, string(out), owner.dir)
	require.Equal(t, "v", owner.do("GET k"))

	owner.kill9()
	owner.restart() // a lock dies with its process
	require.Equal(t, "v", owner.do("GET k"))
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node").start()
	second := newNode(t, "second")
	out, err := second.command("--port", strconv.Itoa(n.port), "--dir", second.dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), strconv.Itoa(n.port))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t), "--version")
	cmd.Env = cleanEnviron()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	if !stock() {
		require.Regexp(t, `^replogd \S+`, string(out))
	}
}

// TestDefaultDirectory: without configuration the data go to ./replogd-data. (The default port is left to the README.)
func TestDefaultDirectory(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	n := newNode(t, "node")
	n.args = nil
	n.env = []string{"PWD=" + n.dir}
	home := n.dir
	n.dir = filepath.Join(home, "replogd-data")
	cmd := n.command("--port", strconv.Itoa(n.port))
	cmd.Dir = home
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	n.pid = cmd.Process.Pid
	eventually(t, startWithin, "the node answers", func() error { return n.client().Ping(context.Background()).Err() })
	require.FileExists(t, filepath.Join(n.dir, "meta.db"))
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait(), "exit code 0 after SIGINT: %s", out.String())
	n.pid = 0
}

// TestCleanEnds: every polite way to stop flushes, marks the directory clean and exits 0.
func TestCleanEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(n *node){
		"SIGTERM":         func(n *node) { n.signal(syscall.SIGTERM) },
		"SIGINT":          func(n *node) { n.signal(syscall.SIGINT) },
		"SHUTDOWN":        func(n *node) { _, _ = n.try("SHUTDOWN") },
		"SHUTDOWN NOSAVE": func(n *node) { _, _ = n.try("SHUTDOWN NOSAVE") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "node", "appendonly", "yes").start()
			n.do("SET k v")
			id, offset := n.field("master_replid"), n.field("master_repl_offset")
			end(n)
			n.waitGone()
			require.Zero(t, n.exitCode())
			n.restart()
			require.Equal(t, "v", n.do("GET k"))
			if !stock() {
				require.Equal(t, id, n.field("master_replid"), "a clean end keeps the history")
				require.Equal(t, offset, n.field("master_repl_offset"))
			}
		})
	}
}

func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"always", "everysec", "no"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "node", "appendonly", "yes", "appendfsync", policy).start()
			for i := range 100 {
				n.do(fmt.Sprintf("SET k%d v%d", i, i))
			}
			n.kill9()
			n.restart()
			require.Equal(t, "100", n.do("DBSIZE"))
			require.Equal(t, "v99", n.do("GET k99"))
		})
	}
}

func TestDaemonize(t *testing.T) {
	t.Parallel()
	n := newNode(t, "daemon")
	n.daemon = true
	n.args = append(n.args, "--daemonize", "yes", "--pidfile", n.pidfile(), "--logfile", n.log)
	n.start()
	require.NotEmpty(t, n.logText())
	require.EqualValues(t, n.pid, n.number("process_id"))
	n.do("SET k v")
	n.stop()
	require.NoFileExists(t, n.pidfile(), "removed at a clean end")
	n.start()
	if !stock() {
		require.Equal(t, "v", n.do("GET k"))
	}
}

// TestDaemonThatCannotStart: the command that was typed reports the failure, not only a log nobody reads.
func TestDaemonThatCannotStart(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	owner := newNode(t, "owner").start()
	second := newNode(t, "second")
	out, err := second.command("--port", strconv.Itoa(second.port), "--dir", owner.dir, "--daemonize", "yes",
		"--pidfile", second.pidfile(), "--logfile", second.log).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out)+second.logText(), strconv.Itoa(owner.pid))
}

func TestSystemdNotification(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node", "supervised", "systemd")
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	n.env = []string{"NOTIFY_SOCKET=" + socket}
	n.launch()

	require.NoError(t, l.SetReadDeadline(time.Now().Add(startWithin)))
	var said strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(said.String(), "READY=1") {
		k, err := l.Read(buf)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "no READY=1; only %q", said.String())
		require.NoError(t, err)
		said.Write(buf[:k])
		said.WriteByte('\n')
	}
	require.NoError(t, n.client().Ping(context.Background()).Err(), "READY=1 means ready")
}
