package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// node is one server: its directory and port stay, its processes come and go.
type node struct {
	t    testing.TB
	name string
	bin  string
	port int
	dir  string   // data
	conf string   // "" for none
	args []string // after the file
	env  []string // beyond the test's own
	log  string   // file with the output of all its processes, or its logfile
	pass string

	daemon bool // the started process hands over to another and exits; pidfile names it
	pid    int

	proc struct {
		sync.Mutex
		exited chan struct{} // closed when the process has been waited for
		state  *os.ProcessState
	}

	clients struct {
		sync.Mutex
		main *redis.Client
	}
}

// newNode prepares a server that takes its settings from directives, as "name value" pairs on the command line. DEBUG is allowed to
// all tests, and no stock server delays a full sync for company.
func newNode(t testing.TB, name string, directives ...string) *node {
	t.Helper()
	return newNodeOf(t, binary(t), name, directives...)
}

// newNodeOf is newNode for a given binary: redis-server, in the tests that place it beside replogd.
func newNodeOf(t testing.TB, bin, name string, directives ...string) *node {
	t.Helper()
	require.Zero(t, len(directives)%2, "directives come in pairs")
	base := t.TempDir()
	n := &node{t: t, name: name, bin: bin, port: freePort(t), dir: filepath.Join(base, "data"), log: filepath.Join(base, name+".log")}
	require.NoError(t, os.Mkdir(n.dir, 0o755))
	n.args = []string{"--port", strconv.Itoa(n.port), "--dir", n.dir, "--enable-debug-command", "local", "--repl-diskless-sync-delay", "0"}
	for i := 0; i < len(directives); i += 2 {
		n.args = append(n.args, "--"+directives[i], directives[i+1])
	}
	n.cleanUp()
	return n
}

// newConfNode prepares a server from a configuration file of its own making; the caller says where the file puts things.
func newConfNode(t testing.TB, name, conf string, port int, dir, logfile, pass string) *node {
	t.Helper()
	n := &node{t: t, name: name, bin: binary(t), port: port, conf: conf, dir: dir, log: logfile, pass: pass}
	n.cleanUp()
	return n
}

func (n *node) cleanUp() {
	n.t.Cleanup(func() {
		n.closeClient()
		if n.alive() {
			n.signal(syscall.SIGCONT)
			n.signal(syscall.SIGKILL)
			_ = poll(exitWithin, n.gone)
		}
		if n.t.Failed() {
			n.t.Logf("last lines of %s's log:\n%s", n.name, n.logTail(60))
		}
	})
}

// start starts a process and waits until it answers PING.
func (n *node) start() *node {
	n.t.Helper()
	n.launch()
	n.waitReady()
	return n
}

// launch starts a process and does not wait for more.
func (n *node) launch() {
	n.t.Helper()
	var args []string
	if n.conf != "" {
		args = append(args, n.conf)
	}
	cmd := n.command(append(args, n.args...)...)
	if n.daemon {
		out, err := cmd.CombinedOutput()
		require.NoError(n.t, err, "start %s as a daemon: %s", n.name, out)
		eventually(n.t, startWithin, n.name+" writes its pidfile", func() error {
			pid, err := readPid(n.pidfile())
			if err == nil && !processAlive(pid) {
				err = fmt.Errorf("process %d of the pidfile is not alive", pid)
			}
			n.pid = pid
			return err
		})
		return
	}
	out, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(n.t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(n.t, cmd.Start(), "start %s", n.name)
	n.pid = cmd.Process.Pid

	exited := make(chan struct{})
	n.proc.Lock()
	n.proc.exited, n.proc.state = exited, nil
	n.proc.Unlock()
	go func() { // ends with the process, which cleanUp kills
		_ = cmd.Wait()
		n.proc.Lock()
		n.proc.state = cmd.ProcessState
		n.proc.Unlock()
		close(exited)
	}()
}

// command is a run of the binary that does not outlive the test, even if the test is cut off by its deadline.
func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(testContext(n.t), n.bin, args...)
	cmd.Env = append(cleanEnviron(), n.env...)
	return cmd
}

// cleanEnviron is the test's environment without what replogd would read as configuration, above all the variables of this package.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "REPLOGD_") })
}

// testContext ends a little before the test binary's own deadline, so that no process is left behind by a time-out.
func testContext(t testing.TB) context.Context {
	ctx := context.Background()
	d, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return ctx
	}
	if at, ok := d.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at.Add(-3*time.Second))
		t.Cleanup(cancel)
	}
	return ctx
}

func (n *node) waitReady() {
	n.t.Helper()
	eventually(n.t, startWithin, n.name+" answers PING", func() error {
		if !n.alive() {
			n.t.Fatalf("%s has exited (%s) instead of serving:\n%s", n.name, n.exitText(), n.logTail(30))
		}
		return n.client().Ping(context.Background()).Err()
	})
}

// kill9 is the accident: the process is gone without a word, at once.
func (n *node) kill9() {
	n.t.Helper()
	n.signal(syscall.SIGKILL)
	n.waitGone()
}

// stop is SIGTERM and the wait for a clean end.
func (n *node) stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	if stock() { // it ignores the wish while it writes its first AOF
		_ = poll(exitWithin, func() error { n.signal(syscall.SIGTERM); return n.gone() })
	}
	n.waitGone()
	if !n.daemon {
		require.Zero(n.t, n.exitCode(), "exit code of %s after SIGTERM", n.name)
	}
}

// restart starts the next process of a node that is down.
func (n *node) restart() {
	n.t.Helper()
	n.start()
}

func (n *node) waitGone() {
	n.t.Helper()
	eventually(n.t, exitWithin, n.name+" exits", n.gone)
	n.closeClient()
}

func (n *node) gone() error {
	if n.alive() {
		return fmt.Errorf("process %d is still there", n.pid)
	}
	return nil
}

func (n *node) signal(sig syscall.Signal) {
	if n.pid > 0 {
		_ = syscall.Kill(n.pid, sig)
	}
}

func (n *node) alive() bool {
	n.proc.Lock()
	exited := n.proc.exited
	n.proc.Unlock()
	if exited != nil {
		select {
		case <-exited:
			return false
		default:
			return true
		}
	}
	return n.pid > 0 && processAlive(n.pid)
}

// exitCode of the last process; it must have ended.
func (n *node) exitCode() int {
	n.t.Helper()
	n.proc.Lock()
	defer n.proc.Unlock()
	require.NotNil(n.t, n.proc.state, "%s has not ended", n.name)
	return n.proc.state.ExitCode()
}

func (n *node) exitText() string {
	n.proc.Lock()
	defer n.proc.Unlock()
	if n.proc.state == nil {
		return "no exit status"
	}
	return n.proc.state.String()
}

func (n *node) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

func (n *node) pidfile() string { return strings.TrimSuffix(n.log, ".log") + ".pid" }

func (n *node) logText() string {
	b, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (n *node) logTail(lines int) string {
	all := strings.Split(strings.TrimRight(n.logText(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// client is the node's shared client. It never retries: a test must know what was acknowledged.
func (n *node) client() *redis.Client {
	n.clients.Lock()
	defer n.clients.Unlock()
	if n.clients.main == nil {
		n.clients.main = n.newClient(4)
	}
	return n.clients.main
}

func (n *node) closeClient() {
	n.clients.Lock()
	defer n.clients.Unlock()
	if n.clients.main != nil {
		_ = n.clients.main.Close()
		n.clients.main = nil
	}
}

// do runs one command, given as one line of words, and returns the reply's text ("(nil)" for none); errors fail the test.
func (n *node) do(line string, more ...any) string {
	n.t.Helper()
	reply, err := n.try(line, more...)
	require.NoError(n.t, err, "%s: %s", n.name, line)
	return reply
}

// try is do for commands that may fail.
func (n *node) try(line string, more ...any) (string, error) {
	var args []any
	for _, word := range strings.Fields(line) {
		args = append(args, word)
	}
	reply, err := n.client().Do(context.Background(), append(args, more...)...).Result()
	if errors.Is(err, redis.Nil) {
		return "(nil)", nil
	}
	return fmt.Sprint(reply), err
}

// refuses runs a command that must fail, and returns the error's text.
func (n *node) refuses(line string, more ...any) string {
	n.t.Helper()
	reply, err := n.try(line, more...)
	require.Error(n.t, err, "%s: %s was answered with %q", n.name, line, reply)
	return err.Error()
}

// setting is one directive's value as CONFIG GET tells it.
func (n *node) setting(name string) string {
	n.t.Helper()
	m, err := n.client().ConfigGet(context.Background(), name).Result()
	require.NoError(n.t, err)
	require.Contains(n.t, m, name, "CONFIG GET %s", name)
	return m[name]
}

// info is INFO, all sections, by field.
func (n *node) info(sections ...string) (map[string]string, error) {
	text, err := n.client().Info(context.Background(), sections...).Result()
	if err != nil {
		return nil, fmt.Errorf("INFO of %s: %w", n.name, err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[k] = v
		}
	}
	return fields, nil
}

func (n *node) field(name string) string {
	n.t.Helper()
	fields, err := n.info()
	require.NoError(n.t, err)
	require.Contains(n.t, fields, name, "INFO of %s has fields %v", n.name, slices.Sorted(maps.Keys(fields)))
	return fields[name]
}

func (n *node) number(name string) int64 {
	n.t.Helper()
	v, err := strconv.ParseInt(n.field(name), 10, 64)
	require.NoError(n.t, err, "INFO field %s of %s", name, n.name)
	return v
}

// eventuallyField waits until an INFO field has a value.
func (n *node) eventuallyField(name, wanted string) {
	n.t.Helper()
	eventually(n.t, syncWithin, n.name, func() error {
		fields, err := n.info()
		if err != nil {
			return err
		}
		return want(name, fields[name], wanted)
	})
}

// replicaOf tells the node its master, at run time.
func (n *node) replicaOf(master *node) {
	n.t.Helper()
	n.do(fmt.Sprintf("REPLICAOF 127.0.0.1 %d", master.port))
}

func (n *node) waitLinkUp() {
	n.t.Helper()
	n.eventuallyField("master_link_status", "up")
}

// waitSame waits until all nodes stand at the same offset, and fails unless they hold the same data then.
func waitSame(t testing.TB, nodes ...*node) {
	t.Helper()
	eventually(t, syncWithin, "all nodes at one offset with one digest", func() error {
		var seen []string
		for _, n := range nodes {
			fields, err := n.info()
			if err != nil {
				return err
			}
			offset := fields["master_repl_offset"]
			if fields["role"] == "slave" && fields["slave_repl_offset"] != offset {
				return fmt.Errorf("%s has applied %s of %s", n.name, fields["slave_repl_offset"], offset)
			}
			digest, err := n.try("DEBUG DIGEST")
			if err != nil {
				return fmt.Errorf("DEBUG DIGEST of %s: %w", n.name, err)
			}
			seen = append(seen, offset+" "+digest)
		}
		if len(slices.Compact(slices.Clone(seen))) != 1 {
			return fmt.Errorf("offsets and digests differ: %v", seen)
		}
		return nil
	})
}

// newClient is a client of its own, for a writer. It gives up late rather than early: an answer that is not waited for is an
// outcome that is not known.
func (n *node) newClient(connections int) *redis.Client {
	return redis.NewClient(clientOptions(n.addr(), n.pass, connections))
}

func readPid(file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// processAlive: a process that is dead but not yet waited for (its parent may be anyone) counts as gone.
func processAlive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// freePort returns a port nobody listens on. It lies below the range that the kernel gives to outgoing connections, so that it is
// still free when a killed node comes back to it.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if ports.given[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		require.NoError(t, l.Close())
		ports.given[port] = true
		return port
	}
	t.Fatal("found no free port in 20000..31999")
	return 0
}

var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: make(map[int]bool)}
