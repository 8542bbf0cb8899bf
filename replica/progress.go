package replica

import (
	"fmt"
	"time"
)

// State is what a leader does with one of its replicas.
type State uint8

const (
	// Probe is a replica that has asked: its position is being judged, or a checkpoint is being made for it.
	Probe State = iota
	// Snapshot is one to which a checkpoint is being sent, or that is installing it.
	Snapshot
	// Stream is one that is fed from the log.
	Stream
)

// String is the state's word in INFO replication.
func (s State) String() string {
	switch s {
	case Probe:
		return "wait_bgsave"
	case Snapshot:
		return "send_bulk"
	case Stream:
		return "online"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Progress is what the leader knows of one replica. All transitions are methods; the zero value is a replica that has just asked.
//
//	Probe ──BecomeSnapshot──▶ Snapshot ──BecomeStream──▶ Stream
//	  └────────────────────BecomeStream───────────────────▲
//
// INVARIANT: in Stream, Match <= Next and Fsynced <= Next. Outside Stream both are 0: whatever an earlier connection
// acknowledged says nothing about the data set this one is getting.
type Progress struct {
	State    State
	Snapshot string    // checkpoint id, in Snapshot only
	Next     uint64    // bytes up to here were handed to the connection; in Snapshot the checkpoint's offset
	Match    uint64    // highest applied offset the replica has acknowledged
	Fsynced  uint64    // highest fsynced offset it has acknowledged (FACK), 0 from replicas that do not say
	LastAck  time.Time // when it was last heard; starts with Stream
}

// BecomeProbe forgets everything: the replica asks anew.
func (p *Progress) BecomeProbe() { *p = Progress{State: Probe} }

// BecomeSnapshot notes that checkpoint id, which stands at offset, is going out.
func (p *Progress) BecomeSnapshot(id string, offset uint64) {
	*p = Progress{State: Snapshot, Snapshot: id, Next: offset}
}

// BecomeStream notes that the replica is fed from offset next on.
func (p *Progress) BecomeStream(next uint64, now time.Time) {
	*p = Progress{State: Stream, Next: next, LastAck: now}
}

// Sent notes that bytes up to next are being handed to the connection. It comes before the write, for an ACK may overtake the
// return of that write.
func (p *Progress) Sent(next uint64) {
	if next > p.Next {
		p.Next = next
	}
}

// Acked takes a replica's ACK and FACK. Both only move forward. An offset that was never sent to it is ErrProtocol: the replica
// counts otherwise than we do, and anything it says from there on would be about other bytes.
func (p *Progress) Acked(ack, fack uint64, now time.Time) error {
	if p.State != Stream {
		return protocolErrorf("ACK %d from a replica that is not being fed", ack)
	}
	if ack > p.Next || fack > p.Next {
		return protocolErrorf("ACK %d FACK %d lies past %d, the last byte sent", ack, fack, p.Next)
	}
	p.Match = max(p.Match, ack)
	p.Fsynced = max(p.Fsynced, fack)
	p.LastAck = now
	return nil
}

// Heard refreshes the liveness of a replica that says something other than an ACK.
func (p *Progress) Heard(now time.Time) { p.LastAck = now }

// Lag is the time since the replica was last heard, 0 when it is not online.
func (p *Progress) Lag(now time.Time) time.Duration {
	if p.State != Stream {
		return 0
	}
	return max(now.Sub(p.LastAck), 0)
}

// String is for logs.
func (p *Progress) String() string {
	switch p.State {
	case Snapshot:
		return fmt.Sprintf("snapshot %s at %d", p.Snapshot, p.Next)
	case Stream:
		return fmt.Sprintf("stream match=%d next=%d fsynced=%d", p.Match, p.Next, p.Fsynced)
	case Probe:
	}
	return "probe"
}
