package backlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"replogd/wal"
	"replogd/wal/crashfs"
)

// node is a backlog on a crashable file system, with meta.db in a real directory, and settings that a test may turn.
type node struct {
	t           testing.TB
	fs          *crashfs.FS
	meta        string // directory of meta.db
	policy      atomic.Uint32
	minBytes    atomic.Int64
	maxBytes    atomic.Int64
	maxAge      atomic.Int64
	clock       *clock
	keeperEvery time.Duration
	logs        *logBuffer
	*Backlog
}

type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

type logBuffer struct {
	mu struct {
		sync.Mutex
		bytes.Buffer
	}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.String()
}

const testSegment = wal.MinSegmentSize

// newNode prepares a node without opening it. There is no keeper: tests call retain and housekeep themselves.
func newNode(t testing.TB) *node {
	n := &node{t: t, fs: crashfs.New(), meta: t.TempDir(), clock: &clock{}, logs: &logBuffer{}, keeperEvery: -1}
	n.clock.ms.Store(1_700_000_000_000)
	n.maxAge.Store(int64(time.Hour))
	n.setPolicy(wal.SyncAlways)
	return n
}

func (n *node) setPolicy(p wal.SyncPolicy) { n.policy.Store(uint32(p)) }

func (n *node) options() Options {
	return Options{
		FS: n.fs, Dir: "srv", MetaPath: filepath.Join(n.meta, metaName), SegmentSize: testSegment,
		Policy:   func() wal.SyncPolicy { return wal.SyncPolicy(n.policy.Load()) },
		MinBytes: n.minBytes.Load, MaxBytes: n.maxBytes.Load,
		MaxAge:        func() time.Duration { return time.Duration(n.maxAge.Load()) },
		TailBytes:     1 << 10,
		Logger:        slog.New(slog.NewTextHandler(n.logs, nil)),
		nowForTesting: n.clock.now, keeperEveryForTesting: n.keeperEvery,
	}
}

func (n *node) tryOpen() (err error) {
	n.Backlog, err = Open(n.options())
	if err == nil {
		b := n.Backlog
		n.t.Cleanup(func() { _ = b.Close(false) })
	}
	return err
}

func (n *node) open() *node {
	require.NoError(n.t, n.tryOpen())
	return n
}

func started(t testing.TB) *node { return newNode(t).open() }

// crashed is the node as it is found after a crash right now, not opened yet. survives is the percentage of unsynced blocks
// that made it to the disk: 100 is a kill -9, less is a power cut.
func (n *node) crashed(survives int) *node {
	c := newNode(n.t)
	c.fs = n.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survives, RNG: rand.New(rand.NewPCG(1, uint64(survives)))})
	c.clock = n.clock
	c.policy.Store(n.policy.Load())
	c.minBytes.Store(n.minBytes.Load())
	c.maxBytes.Store(n.maxBytes.Load())
	c.maxAge.Store(n.maxAge.Load())
	b, err := os.ReadFile(filepath.Join(n.meta, metaName))
	require.NoError(n.t, err)
	require.NoError(n.t, os.WriteFile(filepath.Join(c.meta, metaName), b, metaMode))
	return c
}

// write appends and makes it safe.
func (n *node) write(payload string) uint64 {
	end, err := n.Append(wal.KindData, []byte(payload))
	require.NoError(n.t, err)
	require.NoError(n.t, n.WaitSafe(context.Background(), end))
	return end
}

// fill writes whole segments' worth of single-record segments: each record is larger than a segment.
func (n *node) fill(segments int) {
	for range segments {
		n.write(string(bytes.Repeat([]byte{'.'}, testSegment)))
	}
}

// stream reads the log's bytes from off to Written by the wal's own reader.
func (n *node) stream(off uint64) string {
	r, err := n.Log().NewReader(off)
	require.NoError(n.t, err)
	defer func() { require.NoError(n.t, r.Close()) }()
	var out []byte
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return string(out)
		}
		require.NoError(n.t, err)
		out = append(out, rec.Payload...)
	}
}

func waitCtx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// metaTx is the number of meta.db's last transaction.
func metaTx(n *node) (id int) {
	require.NoError(n.t, n.Backlog.meta.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

// failingNode is an open node whose file system fails every fsync of the log while the switch is on.
func failingNode(t *testing.T) (*node, *atomic.Bool) {
	n, fail := newNode(t), new(atomic.Bool)
	boom := errors.New("boom")
	o := n.options()
	o.FS = errorfs.Wrap(n.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return boom
		}
		return nil
	}))
	b, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(false) })
	n.Backlog = b
	return n, fail
}
