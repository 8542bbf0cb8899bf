package replica

import (
	"context"
	"fmt"
	"strings"
)

// Start takes the role of the configuration: a master's address, or none (host == ""). It is called once, after the engine has
// recovered; ctx bounds the call only.
//
// As a leader it begins a new history when the last run may have lost bytes that a replica holds (unclean end, not
// appendfsync always), or when the current history is an upstream's, which may go on writing under that name
// (Backlog.MustStartHistory). Otherwise the replid stays what it was.
//
// Crash argument, leader. The new history is durable before the role is, and the role before the first write. A crash before
// the history: nothing has happened. Between history and role: the next start finds the same conditions as this one and makes
// another history at the same offset, in place of the first, under which nothing was written. After the role: a leader's restart.
//
// Crash argument, follower. The role is durable before the first foreign byte can be appended. A crash before it: a former
// leader that restarts, with nothing but its own bytes. After it: a follower, whose position is its log's end.
func (n *Node) Start(ctx context.Context, host string, port int) error {
	ctx, release, err := n.acquireRole(ctx)
	if err != nil {
		return err
	}
	defer release()
	if n.started.Load() {
		return fmt.Errorf("start replication: it has been started")
	}
	if host == "" {
		err = n.o.Engine.BecomeLeader(ctx, n.leadAtStart)
		n.dropIncoming("")
	} else {
		err = n.follow(ctx, host, port, false)
	}
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	n.background.Add(1)
	go n.housekeeping()
	n.started.Store(true)
	return nil
}

// leadAtStart runs when the engine has applied all of the log and nothing appends.
func (n *Node) leadAtStart() error {
	b := n.o.Backlog
	if b.MustStartHistory() {
		why := "the current history is a former master's"
		if b.LostTailPossible() {
			why = "the last run ended uncleanly and a replica may hold bytes that were lost here"
		}
		h, err := b.StartHistory()
		if err != nil {
			return err
		}
		n.log.Warn("new replication history", "reason", why, "replid", h.ID, "offset", h.Start)
	}
	return b.SetRole(true)
}

// follow makes this node a follower of host:port and starts the link. REQUIRES: roleChange, no link running.
func (n *Node) follow(ctx context.Context, host string, port int, force bool) error {
	return n.followWith(ctx, newLink(n, host, port, force))
}

// followWith is follow with a link that was made, and not yet started.
func (n *Node) followWith(ctx context.Context, l *link) error {
	if err := n.o.Engine.BecomeFollower(ctx); err != nil {
		return fmt.Errorf("become a replica: %w", err)
	}
	if err := n.o.Backlog.SetRole(false); err != nil {
		return fmt.Errorf("record the role of a replica: %w", err)
	}
	n.upUntil.Store(l)
	n.acks.wake() // WAIT makes no sense on a replica
	n.background.Add(1)
	go l.run()
	return nil
}

// ReplicaOf is the command. It returns as soon as the role has changed; the link is built in the background. already is true when
// this node follows that master as it is ("+OK Already connected to specified master"). The data at hand is served until the
// new master's is complete. Replicas of ours stay connected as long as our replid stays.
//
// Naming the same master again after the applier has stopped (Engine.ApplyError) asks it for its whole data set: the one
// way out that needs no shell.
func (n *Node) ReplicaOf(ctx context.Context, host string, port int) (already bool, err error) {
	if n.FailoverState() != NoFailover {
		return false, ErrReplicaOfFailing
	}
	ctx, release, err := n.acquireRole(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if !n.started.Load() {
		return false, ErrNotStarted
	}
	if n.FailoverState() != NoFailover {
		return false, ErrReplicaOfFailing
	}
	old := n.link()
	broken := old != nil && n.o.Engine.ApplyError() != nil
	same := old != nil && strings.EqualFold(old.host, host) && old.port == port
	if same && !broken {
		return true, nil
	}
	if old != nil {
		old.close(errInterrupted{"REPLICAOF names another master"})
	}
	if err := n.follow(ctx, host, port, same && broken); err != nil {
		return false, n.unfollow(old, err)
	}
	n.log.Info("replica of a new master", "master", addr(host, port))
	return false, nil
}

// unfollow restores the role after follow has failed: what the caller asked for has not happened.
func (n *Node) unfollow(old *link, cause error) error {
	if old != nil {
		n.relink(old)
		return cause
	}
	// Whatever SetRole left in meta.db, leading on is safe: nothing foreign was appended, and a restart that
	// finds "replica" there begins a new history.
	if err := n.o.Engine.BecomeLeader(n.ctx, nil); err != nil {
		return fmt.Errorf("%w (and could not go back to being a master: %w)", cause, err)
	}
	return cause
}

// relink starts again a link that was ended for a role change which failed.
func (n *Node) relink(old *link) {
	l := newLink(n, old.host, old.port, old.force)
	n.upUntil.Store(l)
	n.background.Add(1)
	go l.run()
}

// Promote is REPLICAOF NO ONE: the data stays, a new history begins at the log's end, writes are taken, and all replicas of ours
// are disconnected: they come back with a partial sync and learn the new replid. already is true on a master. It waits for
// the applier to reach the log's end, no longer than ctx; an error leaves a replica of the old master.
//
// Crash argument. The link has ended, so nothing is appended while the role changes. The new history becomes durable
// (StartHistory) before the role (SetRole), and the role before the first write. A crash before the history: a replica as before.
// Between history and role: a replica with one more name at its end, under which no byte exists; started as a replica it asks for
// its position under any of its names (askID), started as a master it leads under that name, which is its own.
// After the role: a master. At no point do two nodes write under one name.
func (n *Node) Promote(ctx context.Context) (already bool, err error) {
	if n.FailoverState() != NoFailover {
		return false, ErrReplicaOfFailing
	}
	ctx, release, err := n.acquireRole(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if !n.started.Load() {
		return false, ErrNotStarted
	}
	if n.FailoverState() != NoFailover {
		return false, ErrReplicaOfFailing
	}
	old := n.link()
	if old == nil {
		return true, nil
	}
	old.close(errInterrupted{"REPLICAOF NO ONE"})
	err = n.o.Engine.BecomeLeader(ctx, func() error {
		if _, err := n.o.Backlog.StartHistory(); err != nil {
			return err
		}
		return n.o.Backlog.SetRole(true)
	})
	if err != nil {
		n.relink(old)
		return false, fmt.Errorf("promote: %w", err)
	}
	n.upUntil.Store(nil)
	n.feeds.interruptAll(errInterrupted{"this node was promoted: come back for the new replid"})
	n.dropIncoming("")
	h := n.o.Backlog.Current()
	n.log.Info("master now, old master left", "old_master", addr(old.host, old.port), "replid", h.ID, "offset", h.Start)
	return false, nil
}
