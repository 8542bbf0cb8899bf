package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"replogd/engine/command"
)

// pausePurpose is who asked for a pause; each has one of its own.
type pausePurpose int

const (
	pauseShutdown pausePurpose = iota // SHUTDOWN waits for replicas
	pauseDebug                        // DEBUG SLEEP
	pauseClients                      // CLIENT PAUSE
	pauseFailover                     // FAILOVER waits for a replica
	pausePurposes
)

// pauseMode is what a pause holds back. The strongest of all purposes counts.
type pauseMode int32

const (
	pauseNone   pauseMode = iota
	pauseWrites           // commands that write
	pauseAll              // every command
)

// pauses holds clients back without closing them. A command that comes while a pause is in force waits before it is executed;
// a run of commands that was admitted a moment earlier may still be executing when a pause begins: waitForRuns waits for those.
type pauses struct {
	mode atomic.Int32 // the strongest; read for every command
	mu   struct {
		sync.Mutex
		by     [pausePurposes]pause
		change chan struct{} // closed and renewed whenever a pause begins or ends
		ran    chan struct{} // closed and renewed whenever a connection has executed a run while a pause is in force
	}
}

type pause struct {
	mode pauseMode
	end  time.Time
}

func (p *pauses) init() { p.mu.change, p.mu.ran = make(chan struct{}), make(chan struct{}) }

// set begins, changes or (pauseNone) ends the pause of one purpose.
func (p *pauses) set(who pausePurpose, mode pauseMode, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLocked(who, mode, end)
}

// extend is set, but never makes the pause of a purpose shorter or weaker.
func (p *pauses) extend(who pausePurpose, mode pauseMode, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked(time.Now())
	if old := p.mu.by[who]; old.mode != pauseNone {
		mode = max(mode, old.mode)
		if old.end.After(end) {
			end = old.end
		}
	}
	p.setLocked(who, mode, end)
}

func (p *pauses) setLocked(who pausePurpose, mode pauseMode, end time.Time) {
	p.mu.by[who] = pause{mode, end}
	p.refreshLocked(time.Now())
	close(p.mu.change)
	p.mu.change = make(chan struct{})
}

func (p *pauses) refreshLocked(now time.Time) {
	strongest := pauseNone
	for i, one := range p.mu.by {
		if one.mode != pauseNone && !one.end.After(now) {
			p.mu.by[i] = pause{}
			continue
		}
		strongest = max(strongest, one.mode)
	}
	p.mode.Store(int32(strongest))
}

// applies says whether a command with these flags has to wait now. Lock-free.
func (p *pauses) applies(flags command.Flags) bool {
	switch pauseMode(p.mode.Load()) {
	case pauseNone:
		return false
	case pauseAll:
		return true
	default:
		return flags&(command.Write|command.MayReplicate) != 0
	}
}

// next returns when the present state may change: a channel for changes, and the earliest end.
func (p *pauses) next() (change <-chan struct{}, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked(time.Now())
	for _, one := range p.mu.by {
		if one.mode != pauseNone && (end.IsZero() || one.end.Before(end)) {
			end = one.end
		}
	}
	return p.mu.change, end
}

// waitPause holds the connection back until e may run. false: the connection is over.
func (c *conn) waitPause(e *entry) bool {
	gone, _ := c.block(0, false, func(ctx context.Context) {
		for {
			change, end := c.srv.pause.next()
			if !c.held(e) {
				return
			}
			timer := time.NewTimer(time.Until(end))
			select {
			case <-timer.C:
			case <-change:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
		}
	})
	return !gone
}

// A connection counts in conn.runs what it admits and executes: odd while keyspace commands are admitted and not yet executed. It counts
// before it looks at the pause, and whoever begins a pause does so before looking at the counts, so one of the two sees the other.

// beginRun marks the connection as having admitted commands; before the look at the pause.
func (c *conn) beginRun() {
	if n := c.runs.Load(); n%2 == 0 {
		c.runs.Store(n + 1)
	}
}

// endRun says that everything admitted has been executed, or dropped.
func (c *conn) endRun() {
	n := c.runs.Load()
	if n%2 == 0 {
		return
	}
	c.runs.Store(n + 1)
	if p := &c.srv.pause; pauseMode(p.mode.Load()) != pauseNone {
		p.mu.Lock()
		close(p.mu.ran)
		p.mu.ran = make(chan struct{})
		p.mu.Unlock()
	}
}

// waitForRuns returns when every run of commands that was admitted before now has been executed, when no pause is in force any more, or
// when ctx ends. It is called after the pause has been set, between runs of the caller's own.
func (s *Server) waitForRuns(ctx context.Context) {
	busy := map[*conn]uint64{}
	s.clients.each(func(c *conn) {
		if n := c.runs.Load(); n%2 != 0 {
			busy[c] = n
		}
	})
	for {
		ran, change := s.pause.progress()
		for c, n := range busy {
			if c.runs.Load() != n {
				delete(busy, c)
			}
		}
		if len(busy) == 0 || pauseMode(s.pause.mode.Load()) == pauseNone {
			return
		}
		select {
		case <-ran:
		case <-change:
		case <-ctx.Done():
			return
		}
	}
}

// progress returns the channels that tell of executed runs, while a pause is in force, and of changes.
func (p *pauses) progress() (ran, change <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.ran, p.mu.change
}

// WritesHeld says whether clients' writes are held back just now, by CLIENT PAUSE or by a shutdown that waits for replicas. As in Redis,
// keys should not be expired on the server's own initiative meanwhile: the log should stand still.
func (s *Server) WritesHeld() bool {
	if pauseMode(s.pause.mode.Load()) == pauseNone {
		return false
	}
	s.pause.next() // drops what is over
	return pauseMode(s.pause.mode.Load()) != pauseNone
}
