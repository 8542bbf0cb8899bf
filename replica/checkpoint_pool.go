package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"replogd/engine"
)

// snapshot is a checkpoint on offer. It holds the log from its offset on (engine.Checkpoint's pin) until it is released.
type snapshot struct {
	cp       *engine.Checkpoint
	manifest *manifest
	begun    time.Time

	// Guarded by snapshotPool.mu.
	users    int
	idle     time.Time // since when users is 0
	obsolete bool      // the data set it belongs to has been replaced: nobody may start on it
}

// deadEnd: whoever takes it cannot continue from it, because of a new data set or because repl-backlog-max-size took the log. It never
// turns back. REQUIRES: snapshotPool.mu.
func (s *snapshot) deadEnd() bool { return s.obsolete || s.cp.Lost() }

// making is a checkpoint in the making, for all who wait for it.
type making struct {
	done chan struct{}
	snap *snapshot // after done; the waiters' uses are counted already
	err  error

	waiters int // guarded by snapshotPool.mu
}

// snapshotPool shares checkpoints between replicas. One is made at a time; replicas that need one while it is being made, or not
// long after, share it. It outlives its last user, so that a replica whose connection broke can go on where it stopped.
type snapshotPool struct {
	n *Node

	mu struct {
		sync.Mutex
		held   map[string]*snapshot
		making *making
		slots  int // transfers running
		epoch  int // data sets replaced so far
	}
}

func newSnapshotPool(n *Node) *snapshotPool {
	p := &snapshotPool{n: n}
	p.mu.held = make(map[string]*snapshot)
	return p
}

// takeSlot reserves one of most transfers; release gives it back and may be called twice.
func (p *snapshotPool) takeSlot(most int) (release func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.slots >= most {
		return nil, false
	}
	p.mu.slots++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mu.slots--
	}), true
}

// acquire returns the checkpoint want if it is still held, else one that is young enough, else a new one; none that was begun before
// notBefore. The caller releases it.
func (p *snapshotPool) acquire(ctx context.Context, want string, notBefore time.Time) (*snapshot, error) {
	for {
		snap, m := p.find(want, notBefore)
		if m != nil {
			select {
			case <-m.done:
				if m.err != nil {
					return nil, m.err
				}
				snap = m.snap
			case <-ctx.Done():
				p.abandon(m)
				return nil, context.Cause(ctx)
			}
		}
		if !snap.begun.Before(notBefore) {
			return snap, nil
		}
		p.release(snap) // it was already being made
	}
}

// find returns a held checkpoint, or the one being made, which it begins if need be.
func (p *snapshotPool) find(want string, notBefore time.Time) (*snapshot, *making) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.bestLocked(want, notBefore); s != nil {
		s.users++
		return s, nil
	}
	if p.mu.making == nil {
		m := &making{done: make(chan struct{})}
		p.mu.making = m
		p.n.background.Add(1) // before Close waits: it ends the feeds first, and only they come here
		go p.build(m, p.mu.epoch)
	}
	p.mu.making.waiters++
	return nil, p.mu.making
}

func (p *snapshotPool) bestLocked(want string, notBefore time.Time) *snapshot {
	fit := func(s *snapshot) bool { return !s.deadEnd() && !s.begun.Before(notBefore) }
	if s := p.mu.held[want]; s != nil && fit(s) {
		return s
	}
	var best *snapshot
	for _, s := range p.mu.held {
		if fit(s) && p.worthSharing(s) && (best == nil || s.begun.After(best.begun)) {
			best = s
		}
	}
	return best
}

// worthSharing: to take the checkpoint and the stream behind it is less work than to make and take a new one. A byte of the stream, which has to be
// applied, costs a replica about ten times one of a file.
func (p *snapshotPool) worthSharing(s *snapshot) bool {
	stream := behind(p.n.o.Backlog.End(), s.manifest.offset)
	most := p.n.tune.snapshotShareStream + uint64(s.manifest.totalBytes())/shareStreamPart // #nosec G115 -- not negative
	return stream <= most && time.Since(s.begun) <= p.n.tune.snapshotShareAge
}

// build makes a checkpoint for all who wait. It belongs to the node, not to the replica that asked first.
func (p *snapshotPool) build(m *making, epoch int) {
	defer p.n.background.Done()
	begun := time.Now()
	cp, err := p.n.o.Engine.Checkpoint(p.n.ctx)
	if err == nil && len(cp.Histories) == 0 {
		cp.Release()
		err = errors.New("BUG: a checkpoint without histories")
	}
	if err == nil && cp.Lost() {
		cp.Release()
		err = errLogTaken
	}
	p.mu.Lock()
	p.mu.making = nil
	switch {
	case err != nil:
		m.err = fmt.Errorf("make checkpoint: %w", err)
	default:
		m.snap = &snapshot{
			cp: cp, manifest: newManifest(cp), begun: begun, users: m.waiters, idle: time.Now(), obsolete: epoch != p.mu.epoch,
		}
		p.mu.held[cp.ID] = m.snap
	}
	p.mu.Unlock()
	close(m.done)
	if err == nil {
		p.n.log.Info("checkpoint made for replicas", "id", cp.ID, "offset", cp.Offset, "files", len(cp.Files), "bytes", m.snap.manifest.totalBytes())
	}
}

// abandon: a waiter of m has gone.
func (p *snapshotPool) abandon(m *making) {
	p.mu.Lock()
	m.waiters--
	snap := m.snap
	p.mu.Unlock()
	// build counts its waiters under the lock, before or after this; after it, the use is there to be given back.
	p.release(snap)
}

// release gives back one use; nil is allowed.
func (p *snapshotPool) release(s *snapshot) {
	if s == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	s.idle = time.Now()
}

// reap frees checkpoints whose last user has been gone for the linger time, at once when they are dead ends or too old.
func (p *snapshotPool) reap(now time.Time) {
	var free []*snapshot
	p.mu.Lock()
	for id, s := range p.mu.held {
		lingers := now.Sub(s.idle) <= p.n.tune.snapshotLinger && now.Sub(s.begun) <= p.n.tune.snapshotMaxAge && !s.deadEnd()
		if s.users == 0 && !lingers {
			delete(p.mu.held, id)
			free = append(free, s)
		}
	}
	p.mu.Unlock()
	p.free(free)
}

// replaceDataSet makes every checkpoint obsolete, the one being made included: this node's data is about to be replaced.
func (p *snapshotPool) replaceDataSet() {
	p.mu.Lock()
	p.mu.epoch++
	for _, s := range p.mu.held {
		s.obsolete = true
	}
	p.mu.Unlock()
	p.reap(time.Now())
}

// close frees everything. REQUIRES: no feeds, nothing being made.
func (p *snapshotPool) close() {
	var free []*snapshot
	p.mu.Lock()
	for id, s := range p.mu.held {
		delete(p.mu.held, id)
		free = append(free, s)
	}
	p.mu.Unlock()
	p.free(free)
}

func (p *snapshotPool) free(snaps []*snapshot) {
	for _, s := range snaps {
		s.cp.Release()
		p.n.log.Info("checkpoint released", "id", s.cp.ID, "offset", s.cp.Offset)
	}
}
