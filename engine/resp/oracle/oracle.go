// Package oracle starts a stock redis-server for tests that compare replogd with
// it. Only tests import it.
//
// The server listens on a Unix socket in a directory of its own, stores nothing,
// and is killed when the test ends. A test is skipped when there is no
// redis-server of the version line that replogd follows; it fails instead when
// the environment variable REPLOGD_REQUIRE_REDIS is set.
package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replogd/engine/resp"
)

// Version is the release that replogd's replies are compared with.
const Version = "7.0."

const (
	// startTimeout bounds the wait for the server's socket.
	startTimeout = 20 * time.Second
	// ioTimeout bounds each exchange with it.
	ioTimeout = 20 * time.Second
	// maxReply bounds one reply.
	maxReply = 64 << 20
)

// Server is a running redis-server.
type Server struct {
	socket string
}

// Start runs a redis-server with extra command line arguments until the test
// ends.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
			tb.Fatal("redis-server is not installed, and REPLOGD_REQUIRE_REDIS demands it")
		}
		tb.Skip("redis-server is not installed: nothing to compare with")
	}
	out, err := exec.Command(binary, "--version").Output()
	if err != nil || !bytes.Contains(out, []byte("v="+Version)) {
		if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
			tb.Fatalf("redis-server is not a %sx, and REPLOGD_REQUIRE_REDIS demands one: %s", Version, out)
		}
		tb.Skipf("redis-server is not a %sx: %s", Version, out)
	}
	dir, err := os.MkdirTemp("", "oracle")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{socket: filepath.Join(dir, "s")}
	cmd := exec.Command(binary, append([]string{
		"--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", dir,
	}, args...)...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // killed below, or seen by the loop that waits for the socket
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		_ = os.RemoveAll(dir)
	})
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(startTimeout); ; {
		if c, err := net.Dial("unix", s.socket); err == nil {
			_ = c.Close()
			return s
		}
		select {
		case <-poll.C:
		case <-exited:
			tb.Fatalf("redis-server ended: %s", log.String())
		case <-deadline:
			tb.Fatal("redis-server does not accept connections")
		}
	}
}

// Client is one connection to the server. Its methods end the test on an error.
type Client struct {
	tb   testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// Dial opens a connection that is closed when the test ends.
func (s *Server) Dial(tb testing.TB) *Client {
	tb.Helper()
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &Client{tb: tb, conn: conn, r: bufio.NewReader(conn)}
}

// Do sends a command and reads its reply.
func (c *Client) Do(args ...string) resp.Reply {
	c.tb.Helper()
	c.Send(resp.AppendCommandStrings(nil, args...))
	rep, err := resp.ReadReply(c.r, maxReply)
	if err != nil {
		c.tb.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return rep
}

// Send writes raw bytes. An error is not one of the test: the server may have
// closed on what came before.
func (c *Client) Send(p []byte) {
	_ = c.conn.SetDeadline(time.Now().Add(ioTimeout))
	_, _ = c.conn.Write(p)
}

// Read reads n raw bytes, fewer only if the server closes before.
func (c *Client) Read(n int) []byte {
	c.tb.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(ioTimeout))
	got := make([]byte, n)
	k, err := io.ReadFull(c.r, got)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.tb.Fatalf("no more from redis-server after %q", got[:min(k, 200)])
	}
	return got[:k]
}
