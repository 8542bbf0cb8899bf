package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// FailoverState is INFO's master_failover_state.
type FailoverState int32

const (
	// NoFailover is the state of peace.
	NoFailover FailoverState = iota
	// WaitingForSync means that clients' writes are held, and a replica is waited for that has everything.
	WaitingForSync
	// FailoverInProgress means that this node has become that replica's replica, and asks it to take over.
	FailoverInProgress
)

// String is the word in INFO.
func (s FailoverState) String() string {
	switch s {
	case NoFailover:
		return "no-failover"
	case WaitingForSync:
		return "waiting-for-sync"
	case FailoverInProgress:
		return "failover-in-progress"
	}
	return fmt.Sprintf("failover(%d)", int32(s))
}

// FailoverRequest is the command FAILOVER [TO host port [FORCE]] [TIMEOUT ms].
type FailoverRequest struct {
	Host    string        // "": any replica that has everything
	Port    int           //
	Force   bool          // after Timeout hand over all the same; what the target lacks is lost
	Timeout time.Duration // 0: wait until somebody aborts
}

// Refusals of FAILOVER and of PSYNC ... FAILOVER, in the words of Redis 7.0.15.
const (
	ErrFailoverNone      = ReplyError("ERR No failover in progress.")
	ErrFailoverTwice     = ReplyError("ERR FAILOVER already in progress.")
	ErrFailoverReplica   = ReplyError("ERR FAILOVER is not valid when server is a replica.")
	ErrFailoverAlone     = ReplyError("ERR FAILOVER requires connected replicas.")
	ErrFailoverForce     = ReplyError("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
	ErrFailoverNoReplica = ReplyError("ERR FAILOVER target HOST and PORT is not a replica.")
	ErrFailoverNotOnline = ReplyError("ERR FAILOVER target replica is not online.")
	ErrReplicaOfFailing  = ReplyError("ERR REPLICAOF not allowed while failing over.")
	ErrTakeOverMaster    = ReplyError("ERR PSYNC FAILOVER can't be sent to a master.")
	ErrTakeOverHistory   = ReplyError("ERR PSYNC FAILOVER replid must match my replid.")
)

// How a failover can end without one.
var (
	errFailoverAborted  = errors.New("aborted by FAILOVER ABORT")
	errFailoverTimeout  = errors.New("the replica never caught up before the timeout")
	errFailoverNobody   = errors.New("no replica is left that could take over")
	errFailoverNoAnswer = errors.New("the replica could not be reached to take over")
)

// lastBytesWait is how long the role change may wait, with this node's log frozen, for the last acknowledgement: a replica gives one every
// second.
const lastBytesWait = 5 * time.Second

// failover is the one that is going on, if any.
type failover struct {
	state atomic.Int32
	mu    struct {
		sync.Mutex
		abort context.CancelCauseFunc
	}
}

// FailoverState is lock-free.
func (n *Node) FailoverState() FailoverState { return FailoverState(n.failover.state.Load()) }

// Failover begins a coordinated failover and returns: the rest happens in the background, and ends as the log and INFO say.
//
//  1. Clients' writes are held back (Options.HoldWrites), until a replica has acknowledged (nearly) all of the log.
//  2. The engine becomes a follower's: the log stands still for good. The replica has to acknowledge its very end.
//  3. This node becomes that replica's replica, and asks it with PSYNC ... FAILOVER to take over; then writes are let go, to be told that
//     they have come to a replica.
//
// So no acknowledged write is lost, and nobody needs a full sync. Crash argument: before 3 nothing has changed on any disk. In 3 this
// node's role is durable (follow) before the target is asked; a crash of this node then leaves a former leader that begins a new history
// should it be started as a master, and a target that is a replica as before, or the new master. At no point two nodes write under one name.
func (n *Node) Failover(req FailoverRequest) error {
	n.failover.mu.Lock()
	defer n.failover.mu.Unlock()
	if n.ctx.Err() != nil {
		return ErrClosed
	}
	if n.FailoverState() != NoFailover {
		return ErrFailoverTwice
	}
	if n.link() != nil {
		return ErrFailoverReplica
	}
	if len(n.feeds.list()) == 0 {
		return ErrFailoverAlone
	}
	if req.Force && (req.Timeout <= 0 || req.Host == "") {
		return ErrFailoverForce
	}
	if req.Host != "" {
		switch f := n.feedAt(req.Host, req.Port); {
		case f == nil:
			return ErrFailoverNoReplica
		case !f.online():
			return ErrFailoverNotOnline
		}
	}
	ctx, cancel := context.WithCancelCause(n.ctx)
	n.failover.mu.abort = cancel
	n.failover.state.Store(int32(WaitingForSync))
	n.background.Add(1)
	go n.runFailover(ctx, req)
	return nil
}

// AbortFailover is FAILOVER ABORT: this node is a master again when the failover has wound up.
func (n *Node) AbortFailover() error {
	n.failover.mu.Lock()
	defer n.failover.mu.Unlock()
	if n.FailoverState() == NoFailover {
		return ErrFailoverNone
	}
	n.failover.mu.abort(errFailoverAborted)
	return nil
}

func (n *Node) runFailover(ctx context.Context, req FailoverRequest) {
	defer n.background.Done()
	began := time.Now()
	n.log.Info("failover begins: writes are held until a replica has everything", "target", targetText(req), "timeout", req.Timeout, "force", req.Force)
	resume := n.o.HoldWrites(ctx)
	err := n.tryFailover(ctx, req)
	n.failover.mu.Lock()
	n.failover.mu.abort(nil)
	n.failover.state.Store(int32(NoFailover))
	n.failover.mu.Unlock()
	resume()
	if err != nil {
		n.log.Warn("failover aborted: this node is what it was", "reason", err, "after", time.Since(began).Round(time.Millisecond))
		return
	}
	host, port, _ := n.Master()
	n.log.Info("failover done: this node is a replica now", "master", addr(host, port), "took", time.Since(began).Round(time.Millisecond))
}

func targetText(req FailoverRequest) string {
	if req.Host == "" {
		return "any"
	}
	return addr(req.Host, req.Port)
}

func (n *Node) tryFailover(ctx context.Context, req FailoverRequest) error {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if req.Timeout > 0 {
		waiting, cancel = context.WithTimeoutCause(ctx, req.Timeout, errFailoverTimeout)
	}
	defer cancel()
	target, err := n.waitForSync(waiting, req, n.o.Backlog.End())
	if err != nil && (!req.Force || ctx.Err() != nil || !errors.Is(err, errFailoverTimeout)) {
		return err
	}
	host, port := req.Host, req.Port
	if target != nil {
		host, port = target.host, target.port
	}
	return n.handOver(ctx, host, port, err != nil)
}

// waitForSync waits until a replica, the requested one if there is one, has acknowledged off.
func (n *Node) waitForSync(ctx context.Context, req FailoverRequest, off uint64) (*feed, error) {
	n.acks.waiters.Add(1)
	defer n.acks.waiters.Add(-1)
	for {
		changed := n.acks.next() // before looking: an ACK that comes in between closes it
		best, online := n.furthest(req)
		switch {
		case online == 0:
			return nil, errFailoverNobody
		case best != nil && best.progress().Match >= off:
			return best, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// furthest is the online replica that has acknowledged most, among those that the request admits.
func (n *Node) furthest(req FailoverRequest) (best *feed, online int) {
	var most uint64
	for _, f := range n.feeds.list() {
		pr := f.progress()
		if pr.State != Stream || (req.Host != "" && !f.isAt(req.Host, req.Port)) {
			continue
		}
		if online++; best == nil || pr.Match > most {
			best, most = f, pr.Match
		}
	}
	return best, online
}

func (f *feed) isAt(host string, port int) bool {
	return f.port == port && strings.EqualFold(f.host, host)
}

func (n *Node) feedAt(host string, port int) *feed {
	for _, f := range n.feeds.list() {
		if f.isAt(host, port) {
			return f
		}
	}
	return nil
}

// handOver is steps 2 and 3. forced: the target does not have everything, and gets the role all the same.
func (n *Node) handOver(ctx context.Context, host string, port int, forced bool) error {
	locked, release, err := n.acquireRole(ctx)
	if err != nil {
		return err
	}
	defer release()
	if n.link() != nil {
		return ErrFailoverReplica
	}
	if err := n.o.Engine.BecomeFollower(locked); err != nil {
		return fmt.Errorf("freeze the log: %w", err)
	}
	if !forced {
		last, cancel := context.WithTimeoutCause(locked, lastBytesWait, errFailoverTimeout)
		_, err = n.waitForSync(last, FailoverRequest{Host: host, Port: port}, n.o.Backlog.End())
		cancel()
	}
	if err == nil {
		n.failover.state.Store(int32(FailoverInProgress))
		err = n.followOnRequest(locked, host, port)
	}
	if err == nil {
		return nil
	}
	// Nothing foreign was appended, so this node leads on, under the name that it has: it has never stopped being its own, or follow has
	// made it begin another one.
	back := context.WithoutCancel(ctx)
	if berr := n.leadAgain(back); berr != nil {
		return fmt.Errorf("%w (and could not go back to being a master: %w)", err, berr)
	}
	return err
}

// followOnRequest becomes a replica of host:port and has the link ask it to take over. An error means that it has not, for certain.
func (n *Node) followOnRequest(ctx context.Context, host string, port int) error {
	if err := n.followWith(ctx, newLink(n, host, port, false).requestingTakeOver()); err != nil {
		return err
	}
	l := n.link()
	timer := time.NewTimer(n.tune.handover)
	defer timer.Stop()
	var err error
	select {
	case err = <-l.takeOver.outcome:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		if err = errFailoverNoAnswer; l.takeOver.asked.Load() {
			n.log.Warn("the replica was asked to take over, and has not answered: waiting for it; FAILOVER ABORT makes this node a master again, "+
				"which is safe only if that one is none", "target", addr(host, port))
			select {
			case err = <-l.takeOver.outcome:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
	}
	if err == nil {
		n.o.RoleChanged(host, port)
		return nil
	}
	l.close(errInterrupted{"the failover has come to nothing"})
	n.upUntil.Store(nil)
	return err
}

// leadAgain takes the role back: after follow under a new history, since its role was recorded as a replica's.
func (n *Node) leadAgain(ctx context.Context) error {
	return n.o.Engine.BecomeLeader(ctx, func() error {
		if n.o.Backlog.Role() != "follower" {
			return nil
		}
		if _, err := n.o.Backlog.StartHistory(); err != nil {
			return err
		}
		n.feeds.interruptAll(errInterrupted{"the failover has come to nothing: come back for the new replid"})
		return n.o.Backlog.SetRole(true)
	})
}

// takeOverRequest is a link's part in a failover.
type takeOverRequest struct {
	pending atomic.Bool // PSYNC goes out with FAILOVER
	asked   atomic.Bool // it has gone out at least once
	outcome chan error  // one slot: how it ended
}

func (l *link) requestingTakeOver() *link {
	l.takeOver.outcome = make(chan error, 1)
	l.takeOver.pending.Store(true)
	return l
}

// settleTakeOver takes the answer to PSYNC ... FAILOVER. A target that is a master already has taken over, if it has our history, or if an
// earlier try's answer was lost (repeated); any other master is a stranger, whose data must not replace ours. Answers that mean "later"
// leave the question open.
func (s *session) settleTakeOver(err error, repeated bool) {
	l := s.l
	var refused masterError
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.text == string(ErrTakeOverMaster) && (repeated || s.knowsOurs()):
		err = nil
	case errors.As(err, &refused) && strings.HasPrefix(refused.text, "ERR "):
	default:
		return
	}
	if l.takeOver.pending.CompareAndSwap(true, false) {
		l.takeOver.outcome <- err
	}
}

// knowsOurs: the master is a replogd whose lineage goes on from ours.
func (s *session) knowsOurs() bool {
	b := s.n.o.Backlog
	return s.native && onLineage(s.lineage.histories, b.Current().ID, b.End())
}

// TakeOver is the target's side: a master that hands over asks its replica, with PSYNC ... FAILOVER under the history they share, to be
// master. The error's text is the reply.
func (n *Node) TakeOver(ctx context.Context, id string) error {
	if n.link() == nil {
		return ErrTakeOverMaster
	}
	if !strings.EqualFold(id, n.o.Backlog.Current().ID) {
		return ErrTakeOverHistory
	}
	n.log.Info("the master hands over: this node takes its role")
	already, err := n.Promote(ctx)
	if err != nil {
		return fmt.Errorf("ERR %w", err)
	}
	if !already {
		n.o.RoleChanged("", 0)
	}
	return nil
}
