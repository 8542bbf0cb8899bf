package replica

import (
	"context"
	"sync"
	"sync/atomic"

	"replogd/engine/resp"
)

// ackHub wakes those who wait for acknowledgements, and keeps their GETACKs to as few as possible.
type ackHub struct {
	waiters atomic.Int64 // nobody waits: an ACK costs one load

	mu struct {
		sync.Mutex
		changed chan struct{} // closed at the next wake
	}

	// asking is a lock of one slot: who holds it appends a GETACK. askedAt is the offset before the last one, +1; 0 = none.
	asking  chan struct{}
	askedAt atomic.Uint64
}

func newAckHub() *ackHub {
	h := &ackHub{asking: make(chan struct{}, 1)}
	h.mu.changed = make(chan struct{})
	return h
}

func (h *ackHub) wake() {
	if h.waiters.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.mu.changed)
	h.mu.changed = make(chan struct{})
}

func (h *ackHub) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.changed
}

// Wait is WAIT: it returns the number of online replicas that have acknowledged (applied) offset off, as soon as they are num,
// or when ctx ends. It returns at once with what there is on a replica, where WAIT is an error that the caller has already given.
// When it has to wait it has one REPLCONF GETACK appended to the stream, shared with all that wait for the same or earlier offsets.
func (n *Node) Wait(ctx context.Context, off uint64, num int) int {
	if got := n.ackedBy(off); got >= num || n.link() != nil {
		return got
	}
	h := n.acks
	h.waiters.Add(1)
	defer h.waiters.Add(-1)
	n.askForAcks(ctx, off)
	for {
		changed := h.next() // before counting: an ACK that comes in between closes it
		got := n.ackedBy(off)
		if got >= num || n.link() != nil {
			return got
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return n.ackedBy(off)
		case <-n.ctx.Done():
			return n.ackedBy(off)
		}
	}
}

func (n *Node) ackedBy(off uint64) (count int) {
	for _, f := range n.feeds.list() {
		if pr := f.progress(); pr.State == Stream && pr.Match >= off {
			count++
		}
	}
	return count
}

// askForAcks appends a GETACK unless one already stands at or behind off: its answers cover everything before it. A replica that
// attaches later acknowledges when it comes online, and once a second.
func (n *Node) askForAcks(ctx context.Context, off uint64) {
	h := n.acks
	covered := func() bool { return h.askedAt.Load() > off }
	if covered() || n.FailoverState() != NoFailover { // the log is to stand still; replicas acknowledge once a second by themselves
		return
	}
	select {
	case h.asking <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-h.asking }()
	if covered() {
		return
	}
	getAck := resp.AppendCommandStrings(nil, "REPLCONF", "GETACK", "*")
	end, err := n.o.Engine.AppendNoop(getAck)
	if err != nil {
		n.log.Debug("no GETACK for WAIT: the replicas' own ACKs have to do", "err", err)
		return
	}
	h.askedAt.Store(end - uint64(len(getAck)) + 1)
}
