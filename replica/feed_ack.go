package replica

import (
	"fmt"
	"strings"
	"time"

	"replogd/engine/resp"
)

// ackLine is a decoded REPLCONF ACK.
type ackLine struct{ ack, fack uint64 }

// parseAck decodes "REPLCONF ACK off [FACK off]"; ok is false for any other REPLCONF.
func parseAck(args [][]byte) (a ackLine, ok bool, err error) {
	if len(args) < 3 || !strings.EqualFold(string(args[1]), "ack") {
		return a, false, nil
	}
	if a.ack, err = parseOffset(string(args[2])); err != nil {
		return a, false, err
	}
	if len(args) == 5 && strings.EqualFold(string(args[3]), "fack") {
		if a.fack, err = parseOffset(string(args[4])); err != nil {
			return a, false, err
		}
	}
	return a, true, nil
}

// readAcks reads what an online replica says, until the connection ends or says what no replica does. Every ACK refreshes the
// time-out, and so does a bare line feed, which stock replicas send while they are busy.
func (f *feed) readAcks() error {
	for {
		args, err := f.readCommand(func() { f.heard() })
		if err != nil {
			return fmt.Errorf("read ACK of replica: %w", err)
		}
		switch strings.ToLower(string(args[0])) {
		case "replconf":
			a, ok, err := parseAck(args)
			if err != nil {
				return err
			}
			if !ok {
				continue // an option sent late changes nothing any more
			}
			if err := f.acked(a); err != nil {
				return err
			}
		case "ping":
			f.heard()
		default:
			return protocolErrorf("replica sends %q on its link", clip(string(args[0])))
		}
	}
}

// readCommand reads one command of the replica. touch is called for each keep-alive before it; each one, and each call,
// starts the deadline anew. Only arrays of bulk strings are commands here.
func (f *feed) readCommand(touch func()) ([][]byte, error) {
	for {
		var deadline time.Time
		if !f.silent.Load() {
			deadline = time.Now().Add(f.n.timeout())
		}
		if err := f.p.Conn.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		alive, err := resp.SkipKeepAlives(f.p.Reader)
		if err != nil {
			return nil, err
		}
		if !alive {
			break
		}
		touch()
	}
	rep, err := resp.ReadReply(f.p.Reader, maxReplicaLine)
	if err != nil {
		return nil, err
	}
	if rep.Kind != '*' || rep.Null || len(rep.Elems) == 0 {
		return nil, protocolErrorf("replica sends something other than a command")
	}
	args := make([][]byte, len(rep.Elems))
	for i, e := range rep.Elems {
		if e.Kind != '$' || e.Null {
			return nil, protocolErrorf("replica sends a command whose words are not bulk strings")
		}
		args[i] = e.Str
	}
	return args, nil
}

func (f *feed) heard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.pr.Heard(time.Now())
}

func (f *feed) acked(a ackLine) error {
	now := time.Now()
	f.mu.Lock()
	if f.mu.pr.State == Snapshot && f.awaiting.Load() {
		f.mu.pr.BecomeStream(f.mu.pr.Next, now)
	}
	err := f.mu.pr.Acked(a.ack, a.fack, now)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	f.ackOnce.Do(func() { close(f.firstAck) })
	f.n.countGoodReplicas(now)
	f.n.acks.wake()
	f.n.noteReplica(f, false)
	return nil
}

// noteReplica has the backlog remember a named replica's position, so that the log is kept for it while it is away. Not more
// often than once a second, except for the last word.
func (n *Node) noteReplica(f *feed, last bool) {
	if f.p.NodeID == "" {
		return
	}
	now := time.Now().UnixMilli()
	if before := f.lastNote.Load(); !last && now-before < replicaNotePeriod.Milliseconds() {
		return
	}
	f.lastNote.Store(now)
	pr := f.progress()
	switch pr.State {
	case Stream:
		if pr.Match > 0 {
			n.o.Backlog.NoteReplica(f.p.NodeID, addr(f.host, f.port), pr.Match)
		}
	case Snapshot:
		n.o.Backlog.NoteReplica(f.p.NodeID, addr(f.host, f.port), pr.Next)
	case Probe:
	}
}
