package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
)

// gate enforces the WAL rule: the store's durable state never runs ahead of the durable log.
//
// Pebble makes a flush count by writing a version edit to its MANIFEST. The gate is the file system Pebble sees: when a flush
// begins it notes how far the log had been appended (every batch in the flushed memtables is older), starts that fsync, and
// holds every write to a MANIFEST back until the log is fsynced that far. Tables may be written early: without the MANIFEST they
// do not count.
//
// A crash before the MANIFEST write: the old version, the log replays the rest. After it: the new version, and the log holds at
// least its prefix. Holding back Sync instead of Write would not do: the kernel may write a page back whenever it likes.
//
// When the log has failed for good, nothing may pass any more: the write blocks until the gate closes, reads go on meanwhile.
type gate struct {
	vfs.FS
	log        *backlog.Backlog
	committing *atomic.Uint64
	need       atomic.Uint64 // MANIFEST writes wait until the log is fsynced to here
	ctx        context.Context
}

var errGateClosed = errors.New("engine: shut down while the keyspace waited for the log")

func newGate(ctx context.Context, fs vfs.FS, log *backlog.Backlog, committing *atomic.Uint64) *gate {
	return &gate{FS: fs, log: log, committing: committing, ctx: ctx}
}

// flushBegin is called, without blocking, when Pebble starts to flush.
func (g *gate) flushBegin() {
	need := g.committing.Load()
	for old := g.need.Load(); old < need && !g.need.CompareAndSwap(old, need); old = g.need.Load() {
	}
	g.log.RequestSync(need)
}

// reset forgets what to wait for: the log begins anew (a full sync was adopted).
func (g *gate) reset() { g.need.Store(0) }

func (g *gate) pass() error {
	err := g.log.WaitSynced(g.ctx, g.need.Load())
	if err == nil {
		return nil
	}
	if g.ctx.Err() == nil {
		<-g.ctx.Done()
	}
	return fmt.Errorf("%w: %w", errGateClosed, err)
}

func (g *gate) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasPrefix(g.FS.PathBase(name), "MANIFEST-") {
		return f, err
	}
	return &gatedFile{File: f, gate: g}, nil
}

// Create wraps MANIFEST files.
func (g *gate) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	return g.wrap(name, f, err)
}

// OpenReadWrite wraps MANIFEST files.
func (g *gate) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.OpenReadWrite(name, category, opts...)
	return g.wrap(name, f, err)
}

// ReuseForWrite wraps MANIFEST files.
func (g *gate) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	return g.wrap(newname, f, err)
}

// Unwrap returns the file system behind the gate.
func (g *gate) Unwrap() vfs.FS { return g.FS }

type gatedFile struct {
	vfs.File
	gate *gate
}

func (f *gatedFile) Write(p []byte) (int, error) {
	if err := f.gate.pass(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *gatedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.gate.pass(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}
