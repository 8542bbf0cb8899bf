package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
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
	"replogd/config"
	"replogd/engine"
	"replogd/replica"
	"replogd/wal"
)

// patience is how long a test waits for something that should take milliseconds.
const patience = 20 * time.Second

// rig is a whole node: config, log, keyspace, replication and front door.
type rig struct {
	t   testing.TB
	srv *Server
	cfg *config.Manager
	eng *engine.Engine
	bl  *backlog.Backlog
	nd  *replica.Node

	logFS  vfs.FS // of the log; nil: the operating system's
	broken bool   // the log has failed: it does not close without an error
}

// startLoading starts the front door alone: the server is loading until attach.
func startLoading(t testing.TB, args ...string) *rig {
	t.Helper()
	return startLoadingLogged(t, slog.New(slog.DiscardHandler), args...)
}

func startLoadingLogged(t testing.TB, logger *slog.Logger, args ...string) *rig {
	t.Helper()
	base := []string{"--port", "0", "--bind", "127.0.0.1", "--dir", t.TempDir(), "--enable-debug-command", "yes"}
	cfg, err := config.Load(append(base, args...), nil)
	require.NoError(t, err)
	r := &rig{t: t, cfg: cfg}
	r.srv = New(Options{Config: cfg, Logger: logger, Version: "test", EphemeralPort: true})
	require.NoError(t, r.srv.Listen(context.Background()))
	t.Cleanup(r.stop)
	return r
}

// start starts a whole node, a master unless --replicaof says otherwise.
func start(t testing.TB, args ...string) *rig {
	t.Helper()
	r := startLoading(t, args...)
	r.attach()
	return r
}

// attach brings up log, keyspace and node, and ends the loading state.
func (r *rig) attach() {
	r.t.Helper()
	dir := r.cfg.Current().Dir
	if r.logFS == nil {
		r.logFS = vfs.Default
	}
	var err error
	r.bl, err = backlog.Open(backlog.Options{FS: r.logFS, Dir: dir, SegmentSize: 4 << 20, Policy: func() wal.SyncPolicy {
		if r.cfg.Current().AppendFsync == "always" {
			return wal.SyncAlways
		}
		return wal.SyncEverySecond
	}})
	require.NoError(r.t, err)
	r.eng, err = engine.Open(context.Background(), engine.Options{
		FS: vfs.Default, Dir: dir, Backlog: r.bl, Databases: r.cfg.Current().Databases, MemTableBytes: 1 << 20, BlockCacheBytes: 4 << 20,
		WriteGuard: func() string { return r.nd.WriteRefusal() },
		Published:  r.srv.Deliver,
		Fatal:      func(err error) { panic(err) },
	})
	require.NoError(r.t, err)
	r.nd = replica.New(replica.Options{
		Backlog: r.bl, Engine: r.eng, FS: vfs.Default, Dir: dir, ListenPort: r.srv.ListenPort,
		HoldWrites: r.srv.HoldWrites, RoleChanged: r.srv.RoleChanged,
		Settings: func() replica.Settings {
			c := r.cfg.Current()
			return replica.Settings{
				MasterAuth: c.MasterAuth, PingPeriod: c.ReplPingReplicaPeriod, Timeout: c.ReplTimeout,
				MinReplicasToWrite: c.MinReplicasToWrite, MinReplicasMaxLag: c.MinReplicasMaxLag,
			}
		},
	})
	host, port := "", 0
	if m := r.cfg.Current().ReplicaOf; m != nil {
		host, port = m.Host, m.Port
	}
	require.NoError(r.t, r.nd.Start(context.Background(), host, port))
	r.srv.Attach(r.eng, r.nd, r.bl)
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(r.t, r.srv.Shutdown(ctx))
	if r.nd == nil {
		return
	}
	require.NoError(r.t, r.nd.Close())
	for _, err := range []error{r.eng.Close(ctx), r.bl.Close(true)} {
		if !r.broken {
			require.NoError(r.t, err)
		}
	}
}

func (r *rig) addr() string { return r.srv.Addrs()[0].String() }

func (r *rig) dial() *client {
	r.t.Helper()
	return dial(r.t, r.addr())
}

// client is a connection of a test.
type client struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return &client{t: t, nc: nc, r: bufio.NewReader(nc)}
}

// send writes raw bytes.
func (c *client) send(raw string) {
	c.t.Helper()
	require.NoError(c.t, c.nc.SetWriteDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(c.nc, raw)
	require.NoError(c.t, err)
}

// frame is a command as an array of bulk strings.
func frame(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// do sends one command and returns its reply's raw bytes.
func (c *client) do(args ...string) string {
	c.t.Helper()
	c.send(frame(args...))
	return c.read()
}

// read returns the raw bytes of one reply.
func (c *client) read() string {
	c.t.Helper()
	raw, err := c.tryRead()
	require.NoError(c.t, err, "after %q", raw)
	return raw
}

func (c *client) tryRead() (string, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	return readReply(c.r)
}

// closed reads until the server closes, and returns what came before that.
func (c *client) closed() string {
	c.t.Helper()
	require.NoError(c.t, c.nc.SetReadDeadline(time.Now().Add(patience)))
	b, err := io.ReadAll(c.r)
	if err != nil {
		require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded, "the server did not close; it sent %q", b)
	}
	return string(b)
}

func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return line, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return line, nil
		}
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return line + string(b), err
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		var b strings.Builder
		b.WriteString(line)
		for range n {
			element, err := readReply(r)
			b.WriteString(element)
			if err != nil {
				return b.String(), err
			}
		}
		return b.String(), nil
	}
	return line, nil
}

// bulk strips the header of a bulk or verbatim string.
func bulk(raw string) string {
	_, body, _ := strings.Cut(raw, "\r\n")
	return strings.TrimPrefix(strings.TrimSuffix(body, "\r\n"), "txt:")
}

// info returns INFO's fields.
func (c *client) info(sections ...string) map[string]string {
	c.t.Helper()
	fields := map[string]string{}
	for _, line := range strings.Split(bulk(c.do(append([]string{"INFO"}, sections...)...)), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// oracle starts a redis-server; without one it skips, or fails if REPLOGD_REQUIRE_REDIS is set.
func oracle(t testing.TB, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	demanded := os.Getenv("REPLOGD_REQUIRE_REDIS") != ""
	if err != nil {
		if demanded {
			t.Fatal("redis-server is not installed, and REPLOGD_REQUIRE_REDIS demands it")
		}
		t.Skip("redis-server is not installed: nothing to compare with")
	}
	out, err := exec.Command(path, "--version").Output()
	require.NoError(t, err)
	if !strings.Contains(string(out), "v=7.0.") {
		if demanded {
			t.Fatalf("redis-server is not 7.0, and REPLOGD_REQUIRE_REDIS demands one: %s", out)
		}
		t.Skipf("redis-server is not 7.0: %s", out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	_, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	cmd := exec.Command(path, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--enable-debug-command", "yes",
		"--logfile", filepath.Join(dir, "redis.log"),
	}, args...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		return err == nil
	}, patience, 5*time.Millisecond)
	return addr
}
