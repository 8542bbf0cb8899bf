package server

import (
	"context"
	"strings"
	"sync"
	"time"
)

// persistenceCommands are answered for tools that expect them. Every write is in the log before it is acknowledged, so "saving"
// means flushing the keyspace, which only shortens the next start; and there is no append-only file that could be rewritten.
var persistenceCommands = map[string]handler{
	"save": cmdSave, "bgsave": cmdBgsave, "lastsave": cmdLastSave, "bgrewriteaof": cmdBgrewriteaof,
}

// saves is what BGSAVE, LASTSAVE and INFO persistence know about flushes that were asked for.
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
}

func (s *saves) init(started time.Time) { s.mu.last = started }

// begin reports false when a flush is already running.
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

// save flushes the keyspace; begin has been called.
func (s *Server) save(ctx context.Context, p *parts) error {
	err := p.engine.Flush(ctx)
	s.saves.end(err)
	if err != nil {
		s.log.Error("flush keyspace", "err", err)
	}
	return err
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
