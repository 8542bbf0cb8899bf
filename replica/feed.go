package replica

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"replogd/backlog"
	"replogd/engine/resp"
)

// keepAlive is what an idle replogd node sends to a replogd replica when its own master is silent, so that the replica sees a live
// link: see "Keep-alives" in the package comment. It is not part of the stream.
var keepAlive = resp.AppendCommandStrings(nil, "REPLCONF", "KEEPALIVE")

// feed is one replica of ours, from its PSYNC to the end of its connection.
type feed struct {
	n    *Node
	p    *Peer
	host string // announced, or the connection's
	port int
	name string // of its pin: tells an operator who holds the log

	number uint64 // grows from feed to feed; set by feedSet.add

	ctx      context.Context
	cancel   context.CancelCauseFunc
	lastNote atomic.Int64 // unix ms of the last NoteReplica

	silent   atomic.Bool   // it came by SYNC: it acknowledges nothing and does not time out. Set before it is fed
	awaiting atomic.Bool   // an RDB was sent, and the replica has not said yet that it has it
	firstAck chan struct{} // closed by its first ACK
	ackOnce  sync.Once

	mu struct {
		sync.Mutex
		pr Progress
	}
}

// feedSet is the node's replicas.
type feedSet struct {
	mu struct {
		sync.Mutex
		feeds  map[*feed]struct{}
		last   uint64        // number of the youngest
		closed error         // set by shut
		empty  chan struct{} // closed when the last feed has gone; nil while nobody waits
	}
}

func newFeedSet() *feedSet {
	s := &feedSet{}
	s.mu.feeds = make(map[*feed]struct{})
	return s
}

func (s *feedSet) add(f *feed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed != nil {
		return s.mu.closed
	}
	s.mu.last++
	f.number = s.mu.last
	s.mu.feeds[f] = struct{}{}
	return nil
}

// total is how many there have been.
func (s *feedSet) total() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.last
}

func (s *feedSet) remove(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.feeds, f)
	if len(s.mu.feeds) == 0 && s.mu.empty != nil {
		close(s.mu.empty)
		s.mu.empty = nil
	}
}

func (s *feedSet) list() []*feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*feed, 0, len(s.mu.feeds))
	for f := range s.mu.feeds {
		all = append(all, f)
	}
	return all
}

// interruptAll ends all feeds without waiting for them.
func (s *feedSet) interruptAll(cause error) {
	for _, f := range s.list() {
		f.cancel(cause)
	}
}

// drain ends all feeds and waits until they are gone. REQUIRES: something keeps new ones from being served.
func (s *feedSet) drain(ctx context.Context, cause error) error {
	s.interruptAll(cause)
	for {
		s.mu.Lock()
		if len(s.mu.feeds) == 0 {
			s.mu.Unlock()
			return nil
		}
		if s.mu.empty == nil {
			s.mu.empty = make(chan struct{})
		}
		empty := s.mu.empty
		s.mu.Unlock()
		select {
		case <-empty:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// shut is drain for ever.
func (s *feedSet) shut(cause error) {
	s.mu.Lock()
	s.mu.closed = cause
	s.mu.Unlock()
	_ = s.drain(context.Background(), cause) // cannot fail: the context never ends
}

// ServePSYNC answers PSYNC id offset (offset as on the wire; sync=true for SYNC) and feeds the replica; it blocks until the
// link ends and returns the reason, which is also logged. The caller closes the connection (this may have closed it already) and
// does not touch it meanwhile.
func (n *Node) ServePSYNC(ctx context.Context, p *Peer, id string, offset int64, sync bool) error {
	if !n.started.Load() {
		n.writeLine(p.Conn, "-LOADING Redis is loading the dataset in memory")
		return ErrNotStarted
	}
	if n.FailoverState() != NoFailover {
		n.writeLine(p.Conn, "-NOMASTERLINK Can't SYNC while failing over")
		return errInterrupted{"this node hands its role over"}
	}
	f := n.newFeed(ctx, p)
	defer f.cancel(nil)
	if err := n.feeds.add(f); err != nil {
		return err
	}
	defer n.feeds.remove(f)
	// Closing the connection is what makes a blocked read or write return at once, on TCP and TLS alike.
	detach := context.AfterFunc(f.ctx, func() { _ = p.Conn.Close() })
	defer detach()
	err := causeOf(f.ctx, f.serve(psyncRequest{id: id, offset: offset, sync: sync}))
	if f.online() {
		n.noteReplica(f, true)
		n.log.Info("replica left", "replica", f.name, "reason", describe(err))
		f.become(func(pr *Progress) { pr.BecomeProbe() })
	}
	return err
}

func (n *Node) newFeed(ctx context.Context, p *Peer) *feed {
	f := &feed{n: n, p: p, host: p.IPAddress, port: p.ListeningPort, firstAck: make(chan struct{})}
	f.ctx, f.cancel = n.joinContext(ctx)
	if f.host == "" && p.Conn.RemoteAddr() != nil {
		f.host = p.Conn.RemoteAddr().String()
		if h, _, err := net.SplitHostPort(f.host); err == nil {
			f.host = h
		}
	}
	f.name = "replica " + addr(f.host, f.port)
	if p.NodeID != "" {
		f.name += " " + p.NodeID[:8]
	}
	return f
}

func addr(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// become applies a transition, and has the good replicas counted and WAIT look again.
func (f *feed) become(transition func(*Progress)) {
	f.mu.Lock()
	transition(&f.mu.pr)
	f.mu.Unlock()
	f.n.countGoodReplicas(time.Now())
	f.n.acks.wake()
}

func (f *feed) progress() Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.pr
}

func (f *feed) online() bool { return f.progress().State == Stream }

// serve judges the request until the replica is fed or sent away. One checkpoint per connection: a replica that cannot continue
// right after having received one is told to come again, so that nothing can loop here.
func (f *feed) serve(req psyncRequest) error {
	var snap *snapshot // kept until the replica's own cursor pins the log
	defer func() { f.n.snapshots.release(snap) }()
	for {
		v := f.n.judge(f.ctx, f, req)
		switch {
		case v.err != nil:
			return v.err
		case v.cursor != nil:
			f.n.snapshots.release(snap)
			snap = nil
			return f.stream(v.cursor, req.afterCheckpoint)
		case v.line != "":
			return f.sendAway(v)
		case snap != nil:
			v.line = "-NOMASTERLINK the position of the checkpoint just sent is gone (" + v.reason + "), try again"
			if v.reason == backlog.Trimmed.String() {
				v.line = "-NOMASTERLINK " + raiseBacklogMax
			}
			return f.sendAway(v)
		case !f.p.CapaReplogd:
			return f.serveRDB(v, req)
		}
		var err error
		if snap, req, err = f.serveCheckpoint(v); err != nil {
			f.n.snapshots.release(snap)
			snap = nil
			return err
		}
	}
}

func (f *feed) sendAway(v verdict) error {
	f.n.writeLine(f.p.Conn, v.line)
	f.n.log.Info("replica told to come again", "replica", f.name, "reason", v.detail, "answer", v.line[1:])
	return errInterrupted{v.detail}
}

// stream feeds the replica from the cursor until something ends it.
func (f *feed) stream(c *backlog.Cursor, quiet bool) error {
	defer c.Close()
	n := f.n
	line := "+CONTINUE"
	if f.p.CapaPSYNC2 || f.p.CapaReplogd {
		line += " " + n.o.Backlog.Current().ID
	}
	n.supersede(f)
	// Online before the line leaves: the replica may acknowledge at once.
	f.become(func(pr *Progress) { pr.BecomeStream(c.Offset(), time.Now()) })
	if err := n.writeRaw(f.p.Conn, append([]byte(line), '\r', '\n')); err != nil {
		return err
	}
	if !quiet {
		n.counts.partialOK.Add(1)
	}
	return f.feedFrom(c, false)
}

// feedFrom sends what the cursor delivers until something ends it; with await not before the replica's first ACK. A stock replica finds
// the end of an RDB without a size by the mark at the end of what has arrived: nothing may follow until it says that it has it.
func (f *feed) feedFrom(c *backlog.Cursor, await bool) error {
	n := f.n
	if tcp, ok := f.p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(!n.settings().DisableTCPNoDelay) // a tuning knob: the link works either way
	}
	f.awaiting.Store(await)
	if !await && !f.online() {
		f.become(func(pr *Progress) { pr.BecomeStream(c.Offset(), time.Now()) })
	}
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		f.cancel(f.readAcks()) // the first cause stands
	}()
	err := f.awaitAck(await)
	if err == nil {
		n.log.Info("replica online", "replica", f.name, "offset", c.Offset(), "behind_bytes", behind(n.o.Backlog.End(), c.Offset()))
		err = f.send(c)
	}
	f.cancel(err)
	<-acked
	return context.Cause(f.ctx)
}

// awaitAck waits for the replica's first ACK. What it says meanwhile keeps the link alive: readAcks.
func (f *feed) awaitAck(await bool) error {
	if !await {
		return nil
	}
	select {
	case <-f.firstAck:
		return nil
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// send copies the log to the connection. It holds feedBufferBytes, however far behind the replica is.
func (f *feed) send(c *backlog.Cursor) error {
	n, buf := f.n, make([]byte, feedBufferBytes)
	p := pace{last: time.Now()}
	for {
		at := c.Offset()
		f.gather(&p, at)
		k, err := f.read(c, buf)
		switch {
		case k > 0:
			f.mu.Lock()
			f.mu.pr.Sent(c.Offset())
			f.mu.Unlock()
			if err := n.writeRaw(f.p.Conn, buf[:k]); err != nil {
				return fmt.Errorf("send stream to replica: %w", err)
			}
			n.counts.netOutput.Add(uint64(k)) // #nosec G115 -- a count
			p.note(k, time.Now())
		case err != nil && !errors.Is(err, errIdle):
			return fmt.Errorf("read log for replica at offset %d: %w", at, err)
		case f.p.CapaReplogd && time.Since(p.last) >= n.settings().PingPeriod && at == n.o.Backlog.End():
			// at == End: everything was sent, so the last byte sent ended a unit, and the next one will begin a unit.
			if err := n.writeRaw(f.p.Conn, keepAlive); err != nil {
				return fmt.Errorf("send keep-alive to replica: %w", err)
			}
			p.last = time.Now()
		}
	}
}

// errIdle: no bytes for a while.
var errIdle = errors.New("replica: nothing to send")

func (f *feed) read(c *backlog.Cursor, buf []byte) (int, error) {
	if c.Offset() < f.n.o.Backlog.Safe() {
		return c.Read(f.ctx, buf)
	}
	ctx, cancel := context.WithTimeout(f.ctx, min(keepAlivePeriod, f.n.settings().PingPeriod))
	defer cancel()
	k, err := c.Read(ctx, buf)
	if k == 0 && err != nil && ctx.Err() != nil && f.ctx.Err() == nil {
		return 0, errIdle
	}
	return k, err
}

// supersede ends older connections of the same node: its process has come back before we noticed that it had left.
func (n *Node) supersede(newer *feed) {
	if newer.p.NodeID == "" {
		return
	}
	for _, f := range n.feeds.list() {
		if f.number < newer.number && f.p.NodeID == newer.p.NodeID {
			f.cancel(errInterrupted{"the same node has connected again"})
		}
	}
}

// dropSilentFeeds applies repl-timeout, also one that was shortened while a feed's read was already waiting.
func (n *Node) dropSilentFeeds(now time.Time) {
	limit := n.timeout()
	for _, f := range n.feeds.list() {
		if pr := f.progress(); pr.Lag(now) > limit && !f.silent.Load() {
			f.cancel(errInterrupted{"no ACK for repl-timeout (" + limit.String() + ")"})
		}
	}
}

// pingReplicas appends a PING when the period has passed, there is somebody to hear it, and this node is the one that writes the
// stream. A follower forwards its master's PINGs and makes none: its offsets are not its own.
func (n *Node) pingReplicas(now time.Time) {
	if now.Sub(n.lastPing) < n.settings().PingPeriod {
		return
	}
	n.lastPing = now
	if n.link() != nil || n.onlineFeeds() == 0 || n.FailoverState() != NoFailover {
		return
	}
	// Lower case as a stock master's (measured on 7.0.15). An error (role change, full disk) shows in the engine's and the log's
	// own state; the replicas' time-out is the fallback.
	if _, err := n.o.Engine.AppendNoop(resp.AppendCommandStrings(nil, "ping")); err != nil {
		n.log.Debug("no PING for the replicas", "err", err)
	}
}

func (n *Node) onlineFeeds() (online int) {
	for _, f := range n.feeds.list() {
		if f.online() {
			online++
		}
	}
	return online
}

// writeRaw writes with repl-timeout as deadline.
func (n *Node) writeRaw(c net.Conn, p []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(n.timeout())); err != nil {
		return err
	}
	_, err := c.Write(p)
	return err
}

// writeLine sends a last line; whether it arrives makes no difference to us.
func (n *Node) writeLine(c net.Conn, line string) {
	_ = n.writeRaw(c, append([]byte(line), '\r', '\n'))
}

func behind(end, off uint64) uint64 {
	if end > off {
		return end - off
	}
	return 0
}
