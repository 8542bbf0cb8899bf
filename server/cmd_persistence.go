package server

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
)

// persistenceCommands: every write is in the log before it is acknowledged, so a save is for others: an RDB file of Redis, in dir, with
// the name that dbfilename says. It flushes the keyspace too, which makes the next start short. There is no append-only file that could be rewritten.
var persistenceCommands = map[string]handler{
	"save": cmdSave, "bgsave": cmdBgsave, "lastsave": cmdLastSave, "bgrewriteaof": cmdBgrewriteaof,
}

// saves is what BGSAVE, LASTSAVE and INFO persistence know about RDB files.
type saves struct {
	mu struct {
		sync.Mutex
		running  bool
		since    time.Time
		last     time.Time // end of the last successful one; the start of the server before there was one
		took     time.Duration
		count    uint64
		failed   bool
		lastDone bool // at least one has ended
	}
	keys, total atomic.Int64 // of the one that runs: written, and in all
}

func (s *saves) init(started time.Time) { s.mu.last = started }

// begin reports false when a save is already running.
func (s *saves) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.running {
		return false
	}
	s.mu.running, s.mu.since = true, time.Now()
	return true
}

func (s *saves) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.mu.running, s.mu.failed, s.mu.lastDone = false, err != nil, true
	s.mu.took = now.Sub(s.mu.since)
	if err == nil {
		s.mu.last = now
		s.mu.count++
	}
}

// saveStatus is a copy of saves for INFO.
type saveStatus struct {
	running, failed, lastDone bool
	since, last               time.Time
	took                      time.Duration
	count                     uint64
}

func (s *saves) status() saveStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return saveStatus{s.mu.running, s.mu.failed, s.mu.lastDone, s.mu.since, s.mu.last, s.mu.took, s.mu.count}
}

// save writes the RDB file; begin has been called.
func (s *Server) save(ctx context.Context, p *parts) error {
	began := time.Now()
	size, err := s.saveRDB(ctx, p)
	if err == nil {
		err = p.engine.Flush(ctx)
	}
	s.saves.end(err)
	if err != nil {
		s.log.Error("RDB file not saved; the data is safe in the log all the same", "err", err)
		return err
	}
	s.log.Info("RDB file saved", "file", s.rdbPath(), "bytes", size, "keys", s.saves.total.Load(), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

func (s *Server) rdbPath() string {
	c := s.cfg.Current()
	return filepath.Join(c.Dir, c.DBFilename)
}

func (s *Server) saveRDB(ctx context.Context, p *parts) (size int64, err error) {
	snap := p.engine.Snapshot()
	defer snap.Close()
	// The file must not know more than the log does after a crash.
	if err := p.backlog.WaitSynced(ctx, snap.Offset); err != nil {
		return 0, fmt.Errorf("the log is not on disk up to offset %d: %w", snap.Offset, err)
	}
	replid := p.backlog.Current().ID
	if r, _ := p.backlog.Check(backlog.Pos{ID: replid, Offset: snap.Offset}); r != backlog.Accepted {
		replid = "" // the history has changed since the snapshot
	}
	s.saves.keys.Store(0)
	s.saves.total.Store(snap.Keys())
	snap.Progress = s.saves.keys.Store
	return snap.SaveRDB(ctx, vfs.Default, s.rdbPath(), replid)
}

const errSaving = "ERR Background save already in progress"

// cmdSave is SAVE: BGSAVE that answers when it is done. Other clients are served meanwhile.
func cmdSave(c *conn, _ [][]byte) {
	s, p := c.srv, c.parts()
	if !s.saves.begin() {
		c.w.Error(errSaving)
		return
	}
	if err := s.save(s.ctx, p); err != nil {
		c.w.Error("ERR " + err.Error())
		return
	}
	c.w.OK()
}

func cmdBgsave(c *conn, args [][]byte) {
	if len(args) > 2 || (len(args) == 2 && !strings.EqualFold(string(args[1]), "schedule")) {
		c.w.Error(errSyntax)
		return
	}
	s, p := c.srv, c.parts()
	if !s.saves.begin() {
		c.w.Error(errSaving)
		return
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		_ = s.save(s.ctx, p) // logged and kept for INFO
	}()
	c.w.Simple("Background saving started")
}

func cmdLastSave(c *conn, _ [][]byte) { c.w.Int(c.srv.saves.status().last.Unix()) }

func cmdBgrewriteaof(c *conn, _ [][]byte) {
	c.w.Simple("Background append only file rewriting started")
}
