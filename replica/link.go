package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"replogd/engine"
)

// linkState is where a follower's link stands; its String is ROLE's word.
type linkState uint32

const (
	linkNone       linkState = iota // no link: a master
	linkConnect                     // waiting for the next try
	linkConnecting                  // TCP
	linkHandshake                   // up to the answer to PSYNC
	linkSync                        // a checkpoint is being received or installed
	linkConnected                   // streaming
)

func (s linkState) String() string {
	switch s {
	case linkNone:
		return "none"
	case linkConnect:
		return "connect"
	case linkConnecting:
		return "connecting"
	case linkHandshake:
		return "handshake"
	case linkSync:
		return "sync"
	case linkConnected:
		return "connected"
	}
	return fmt.Sprintf("state(%d)", uint32(s))
}

// link keeps a follower connected to its master: it tries, with back-off, until it is closed.
//
//	connect → connecting → handshake → connected
//	   ▲                       └→ sync ──┘  │
//	   └────────────── any error ───────────┘
type link struct {
	n     *Node
	host  string
	port  int
	force bool // ask for the whole data set, once

	takeOver takeOverRequest

	ctx  context.Context
	stop context.CancelCauseFunc
	done chan struct{} // closed when run has returned

	// Published for INFO and per-command checks.
	state      atomic.Uint32
	lastIO     atomic.Int64 // unix ns, 0 = never
	upAt       atomic.Int64 // unix ns of the last +CONTINUE
	downSince  atomic.Int64 // unix ns, 0 = never was up, or is up
	syncTotal  atomic.Int64
	syncRead   atomic.Int64
	syncLastIO atomic.Int64
	loadSince  atomic.Int64 // unix ns since when an RDB is being loaded; 0: none is
	loadRead   atomic.Int64 // bytes of it

	mu struct {
		sync.Mutex
		session *session // the connection of the moment, nil between two
		lastErr string
		above   []string // node ids of the master and of those above it
	}
}

func newLink(n *Node, host string, port int, force bool) *link {
	l := &link{n: n, host: host, port: port, force: force, done: make(chan struct{})}
	l.ctx, l.stop = context.WithCancelCause(n.ctx)
	l.state.Store(uint32(linkConnect))
	return l
}

func (l *link) enter(s linkState) {
	was := linkState(l.state.Swap(uint32(s)))
	now := time.Now().UnixNano()
	switch {
	case s == linkConnected:
		l.upAt.Store(now)
		l.downSince.Store(0)
	case was == linkConnected:
		l.downSince.Store(now)
	}
}

// up: streaming.
func (l *link) up() bool { return linkState(l.state.Load()) == linkConnected }

// upFor is the time since the stream began.
func (l *link) upFor() time.Duration {
	if !l.up() {
		return 0
	}
	return time.Since(time.Unix(0, l.upAt.Load()))
}

// close ends the link and waits for it.
func (l *link) close(cause error) {
	l.stop(cause)
	<-l.done
}

func (l *link) setError(text string) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = l.mu.lastErr != text
	l.mu.lastErr = text
	return changed
}

func (l *link) setSession(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.session = s
}

// breakSession ends the connection of the moment; the link makes another one.
func (l *link) breakSession(cause error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.session == nil {
		return false
	}
	l.mu.session.cancel(cause)
	return true
}

func (l *link) setPathAbove(ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.above = ids
}

// pathAbove is the node ids from the master upwards, as far as known.
func (l *link) pathAbove() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.above
}

func (l *link) status(s *Status) {
	state := linkState(l.state.Load())
	s.LinkState, s.LinkUp, s.SyncInProgress = state.String(), state == linkConnected, state == linkSync
	s.LastIO, s.LinkDownSince = unixNano(l.lastIO.Load()), unixNano(l.downSince.Load())
	s.SyncTotal, s.SyncRead, s.SyncLastIO = l.syncTotal.Load(), l.syncRead.Load(), unixNano(l.syncLastIO.Load())
	s.LoadSince, s.LoadRead = unixNano(l.loadSince.Load()), l.loadRead.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.LinkError = l.mu.lastErr
}

func unixNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// run tries until the link is closed.
func (l *link) run() {
	defer l.n.background.Done()
	defer close(l.done)
	b := backoff{first: l.n.tune.backoffFirst, cap: l.n.tune.backoffCap}
	for l.ctx.Err() == nil {
		before := l.n.o.Backlog.End()
		err := l.session()
		if l.ctx.Err() != nil {
			break
		}
		if l.upFor() > stableStream || l.up() && l.n.o.Backlog.End() > before { // it has brought something
			b.reset()
		}
		l.enter(linkConnect)
		// Once per change: a master that is down for a day is one line, not a hundred thousand.
		switch text := describe(err); {
		case !l.setError(text):
		case errors.Is(err, errLineage): // as when a master hands over: nothing to worry about
			l.n.log.Info("asking the master anew", "master", addr(l.host, l.port), "reason", text)
		default:
			l.n.log.Warn("no link to master", "master", addr(l.host, l.port), "reason", text)
		}
		if sleep(l.ctx, pause(err, &b)) != nil {
			break
		}
	}
	l.enter(linkNone)
}

// pause before the next try. What cannot change soon, or costs the master a fork, is tried seldom.
func pause(err error, b *backoff) time.Duration {
	switch {
	case errors.Is(err, ErrRDBTransfer):
		return jitter(rdbRetryDelay)
	case errors.Is(err, errApplier), errors.Is(err, engine.ErrEmptyMaster):
		return jitter(brokenRetryDelay)
	}
	return b.delay()
}

// errApplier: the keyspace does not take the stream any more; more of it would help nobody.
var errApplier = errors.New("the stream cannot be applied; name the master again (REPLICAOF) to fetch its whole data set")

// session is one connection, from dial to its end. It never returns nil.
func (l *link) session() error {
	if err := l.n.o.Engine.ApplyError(); err != nil && !l.force {
		return fmt.Errorf("%w: %w", errApplier, err)
	}
	l.enter(linkConnecting)
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	raw, err := l.dial(ctx)
	if err != nil {
		return causeOf(ctx, fmt.Errorf("connect: %w", err))
	}
	detach := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer detach()
	defer func() { _ = raw.Close() }() // for the peer's sake: all that matters was read or written before
	s := &session{l: l, n: l.n, ctx: ctx, cancel: cancel}
	s.conn = &timedConn{Conn: raw, timeout: l.n.timeout, lastIO: &l.lastIO, in: &l.n.counts.netInput}
	s.r = bufio.NewReaderSize(s.conn, linkBufferBytes)
	l.lastIO.Store(time.Now().UnixNano())
	return causeOf(ctx, s.run())
}

func (l *link) dial(ctx context.Context) (net.Conn, error) {
	set := l.n.settings()
	d := net.Dialer{
		Timeout:   min(max(set.Timeout, minConnectTimeout), maxConnectTimeout),
		KeepAlive: set.TCPKeepAlive,
	}
	if set.BindSource != "" {
		local, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(set.BindSource, "0"))
		if err != nil {
			return nil, fmt.Errorf("bind-source-addr: %w", err)
		}
		d.LocalAddr = local
	}
	return d.DialContext(ctx, "tcp", addr(l.host, l.port))
}

// session is the state of one connection to the master; it belongs to the link's goroutine.
type session struct {
	l      *link
	n      *Node
	ctx    context.Context
	cancel context.CancelCauseFunc
	conn   *timedConn
	r      *bufio.Reader

	native  bool     // the master is a replogd
	lineage *lineage // of a native master
}

// run: handshake, PSYNC, a checkpoint or an RDB if that is the answer, and the stream.
func (s *session) run() error {
	s.l.setSession(s)
	defer s.l.setSession(nil)
	s.l.enter(linkHandshake)
	if err := s.handshake(); err != nil {
		return err
	}
	if err := s.rewind(); err != nil {
		return err
	}
	ans, err := s.psync(s.position())
	if err != nil {
		return err
	}
	if ans.checkpoint != "" {
		s.l.enter(linkSync)
		if err := s.fullSync(ans); err != nil {
			return err
		}
		s.l.force = false // what was forced has come
		if ans, err = s.psync(s.position()); err != nil {
			return fmt.Errorf("behind the checkpoint: %w", err)
		}
		if ans.checkpoint != "" || ans.rdb {
			return protocolErrorf("the master offers a checkpoint right behind a checkpoint")
		}
	}
	if ans.rdb {
		s.l.enter(linkSync)
		if err := s.fullSyncRDB(ans); err != nil {
			return err
		}
		s.l.force = false
		return s.stream() // it follows on this connection
	}
	if err := s.adoptLineage(ans); err != nil {
		return err
	}
	return s.stream()
}
