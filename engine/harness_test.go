package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/backlog"
	"replogd/engine/resp"
	"replogd/wal"
)

// testNode is a backlog and an engine on one file system, with meta.db beside it on the real one.
type testNode struct {
	t      testing.TB
	fs     vfs.FS
	meta   string
	policy atomic.Uint32 // wal.SyncPolicy
	b      *backlog.Backlog
	e      *Engine
	client Session
	guard  atomic.Pointer[string]
}

type nodeOption func(*Options)

// smallStore makes flushes and compactions frequent.
func smallStore(o *Options) { o.MemTableBytes, o.BlockCacheBytes = 64<<10, 4<<20 }

func newNode(t testing.TB, opts ...nodeOption) *testNode {
	return openNode(t, vfs.NewMem(), filepath.Join(t.TempDir(), "meta.db"), wal.SyncEverySecond, opts...)
}

func openNode(t testing.TB, fs vfs.FS, meta string, policy wal.SyncPolicy, opts ...nodeOption) *testNode {
	t.Helper()
	n := &testNode{t: t, fs: fs, meta: meta}
	n.policy.Store(uint32(policy))
	require.NoError(t, n.open(opts...))
	return n
}

func (n *testNode) open(opts ...nodeOption) (err error) {
	n.b, err = backlog.Open(backlog.Options{
		FS: n.fs, Dir: "/node", MetaPath: n.meta, SegmentSize: 1 << 20,
		Policy:   func() wal.SyncPolicy { return wal.SyncPolicy(n.policy.Load()) },
		MinBytes: func() int64 { return 1 << 30 }, MaxAge: func() time.Duration { return time.Hour },
		MaxBytes: func() int64 { return 0 },
	})
	if err != nil {
		return err
	}
	o := Options{
		FS: n.fs, Dir: "/node", Backlog: n.b,
		WriteGuard: func() string {
			if p := n.guard.Load(); p != nil {
				return *p
			}
			return ""
		},
		Fatal: func(err error) { panic(err) },
	}
	for _, opt := range opts {
		opt(&o)
	}
	if n.e, err = Open(context.Background(), o); err != nil {
		_ = n.b.Close(false)
	}
	return err
}

func (n *testNode) lead() *testNode {
	n.t.Helper()
	require.NoError(n.t, n.b.SetRole(true))
	require.NoError(n.t, n.e.BecomeLeader(context.Background(), nil))
	return n
}

func (n *testNode) follow() *testNode {
	n.t.Helper()
	require.NoError(n.t, n.e.BecomeFollower(context.Background()))
	return n
}

func (n *testNode) close() {
	n.t.Helper()
	require.NoError(n.t, n.e.Close(context.Background()))
	require.NoError(n.t, n.b.Close(true))
}

// do runs one command line and returns its reply as raw RESP2, safe by the policy.
func (n *testNode) do(line string) string {
	n.t.Helper()
	return n.doAs(&n.client, line)
}

func (n *testNode) doAs(s *Session, line string) string {
	n.t.Helper()
	reply := n.exec(s, line)
	require.NoError(n.t, n.b.WaitSafe(context.Background(), s.Need))
	return reply
}

// exec runs commands (one per line) in one call of Exec, without waiting for the log.
func (n *testNode) exec(s *Session, lines ...string) string {
	n.t.Helper()
	var reqs []Request
	for _, line := range lines {
		args := splitLine(line)
		cmd := Lookup(args[0])
		if cmd == nil && len(args) > 1 {
			cmd = Lookup(bytes.Join(args[:2], []byte{'|'}))
		}
		require.NotNil(n.t, cmd, "command %q", line)
		reqs = append(reqs, Request{Cmd: cmd, Args: args})
	}
	w := &resp.Writer{Proto: 2}
	n.e.Exec(context.Background(), s, reqs, w)
	return string(w.Bytes())
}

func splitLine(line string) (args [][]byte) {
	for _, word := range strings.Fields(line) {
		args = append(args, []byte(word))
	}
	return args
}

func (n *testNode) digest() string {
	n.t.Helper()
	d, err := n.e.Digest(context.Background())
	require.NoError(n.t, err)
	return fmt.Sprintf("%x", d)
}

// stream returns the log's bytes from an offset to its end.
func (n *testNode) stream(from uint64) []byte {
	n.t.Helper()
	c, err := n.b.OpenCursor("test", from)
	require.NoError(n.t, err)
	defer c.Close()
	var all []byte
	buf := make([]byte, 64<<10)
	for from+uint64(len(all)) < n.b.End() {
		k, err := c.Read(context.Background(), buf)
		require.NoError(n.t, err)
		all = append(all, buf[:k]...)
	}
	return all
}

// receive appends a leader's stream as a link does.
func (n *testNode) receive(stream []byte) {
	n.t.Helper()
	_, err := n.b.Append(wal.KindData, stream)
	require.NoError(n.t, err)
	require.NoError(n.t, n.e.WaitApplied(context.Background(), n.b.End()))
}

// bulk makes a value of n bytes without spaces.
func bulk(n int) string { return strings.Repeat("x", n) }

// copyMeta copies meta.db as a crash of the machine would leave it.
func copyMeta(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "meta.db")
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
	return to
}
