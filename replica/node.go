package replica

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Node is both ends of replication of one server: the link to its master, and the feeds of its replicas. Its methods are safe for
// concurrent use. A Node is made by New, given its role by Start, and ended by Close.
type Node struct {
	// Immutable after New.
	o    Options
	log  *slog.Logger
	tune tuning
	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc

	feeds     *feedSet
	snapshots *snapshotPool
	limiter   *rate.Limiter // shared by all transfers
	acks      *ackHub
	counts    *counters

	started     atomic.Bool
	hadReplicas atomic.Bool          // see HasReplicas
	upUntil     atomic.Pointer[link] // the link to the master; nil: this node is a master
	good        atomic.Int64         // online replicas within min-replicas-max-lag
	// adopting is set while the data set is being replaced: nobody may be fed from a log that is about to be reset.
	adopting atomic.Bool

	// roleChange is a lock of one slot that can be waited for with a context: Start, ReplicaOf, Promote and Close hold
	// it across disk and engine work, which a mutex must not be.
	roleChange chan struct{}

	failover   failover
	background sync.WaitGroup // housekeeping, links, checkpoints being made
	lastPing   time.Time      // owned by the housekeeping goroutine
}

// New makes a node without a role: replicas are told -LOADING until Start. It panics on missing options, which are a programmer's
// mistake.
func New(o Options) *Node {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		panic("BUG: " + err.Error())
	}
	n := &Node{
		o: o, log: o.Logger, tune: defaultTuning(),
		limiter:    rate.NewLimiter(rate.Inf, maxChunkBytes),
		counts:     newCounters(),
		acks:       newAckHub(),
		roleChange: make(chan struct{}, 1),
	}
	n.ctx, n.stop = context.WithCancelCause(context.Background())
	n.feeds = newFeedSet()
	n.snapshots = newSnapshotPool(n)
	return n
}

// link returns the link to the master, nil on a master.
func (n *Node) link() *link { return n.upUntil.Load() }

// Master reports the master's address, ok=false when this node is a master. Lock-free.
func (n *Node) Master() (host string, port int, ok bool) {
	if l := n.link(); l != nil {
		return l.host, l.port, true
	}
	return "", 0, false
}

// LinkUp reports whether reads here are as fresh as they can be: a replica whose link is streaming, or a master. Lock-free: asked
// per command for replica-serve-stale-data.
func (n *Node) LinkUp() bool {
	l := n.link()
	return l == nil || l.up()
}

// BreakLink is CLIENT KILL TYPE master: the connection to the master is cut, and made anew at once. false: there is none.
func (n *Node) BreakLink() bool {
	l := n.link()
	return l != nil && l.breakSession(errInterrupted{"CLIENT KILL TYPE master"})
}

// HasReplicas says whether this node has replicas, or had any: then what is published goes into the stream. Cheap once it is true.
func (n *Node) HasReplicas() bool {
	if n.hadReplicas.Load() {
		return true
	}
	had := n.feeds.total() > 0 || len(n.o.Backlog.Replicas()) > 0
	if had {
		n.hadReplicas.Store(true)
	}
	return had
}

// acquireRole waits for the right to change the role. The returned context ends with ctx or with the node.
func (n *Node) acquireRole(ctx context.Context) (context.Context, func(), error) {
	select {
	case n.roleChange <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	case <-n.ctx.Done():
		return nil, nil, ErrClosed
	}
	if n.ctx.Err() != nil {
		<-n.roleChange
		return nil, nil, ErrClosed
	}
	ctx, cancel := n.joinContext(ctx)
	return ctx, func() { cancel(nil); <-n.roleChange }, nil
}

// joinContext returns a context that ends with ctx, with the node, or with its cancel function.
func (n *Node) joinContext(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(n.ctx, func() { cancel(context.Cause(n.ctx)) })
	return ctx, func(cause error) { detach(); cancel(cause) }
}

// housekeeping is the node's clock: PING, time-outs of replicas, min-replicas, checkpoints nobody needs any more.
func (n *Node) housekeeping() {
	defer n.background.Done()
	n.lastPing = time.Now()
	t := time.NewTicker(n.tune.tick)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case now := <-t.C:
			n.dropSilentFeeds(now)
			n.countGoodReplicas(now)
			n.pingReplicas(now)
			n.snapshots.reap(now)
		}
	}
}

// Close ends the link and all feeds, waits for them, and releases the checkpoints. Feeds return from ServePSYNC. Idempotent.
func (n *Node) Close() error {
	n.stop(ErrClosed)
	n.roleChange <- struct{}{} // whoever changes the role sees its context end
	defer func() { <-n.roleChange }()
	if l := n.link(); l != nil {
		l.close(ErrClosed)
	}
	n.feeds.shut(ErrClosed)
	n.acks.wake()
	n.background.Wait()
	n.snapshots.close()
	return nil
}
