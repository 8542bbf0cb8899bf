package replica

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"replogd/backlog"
	"replogd/engine/resp"
)

// forcedOffset asks a replogd for the whole data set; a stock master sees just another position it does not know.
const forcedOffset = -2

// errLineage has the link try again at once with fresh answers: the master changed between two of them.
var errLineage = errors.New("the master's history changed during the handshake")

// reply reads one reply of the master.
func (s *session) reply(most int) (resp.Reply, error) {
	r, err := resp.ReadReply(s.r, most)
	var pe *resp.ProtocolError
	if errors.As(err, &pe) || errors.Is(err, resp.ErrReplyTooBig) {
		return r, protocolErrorf("%v", err)
	}
	return r, err
}

// handshake introduces this node: PING, then everything else in one packet. A master that does not know an option answers it with
// an error, which means nothing but that.
func (s *session) handshake() error {
	if _, err := s.conn.Write(resp.AppendCommandStrings(nil, "PING")); err != nil {
		return fmt.Errorf("send PING: %w", err)
	}
	r, err := s.reply(maxMasterReply)
	if err != nil {
		return fmt.Errorf("read the answer to PING: %w", err)
	}
	set := s.n.settings()
	if err := checkPong(r, set.MasterAuth != ""); err != nil {
		return err
	}
	steps := s.introduction(set)
	var out []byte
	for _, st := range steps {
		out = resp.AppendCommandStrings(out, st.args...)
	}
	if _, err := s.conn.Write(out); err != nil {
		return fmt.Errorf("send handshake: %w", err)
	}
	for _, st := range steps {
		most := maxMasterReply
		if st.lineage {
			most = maxLineageBytes + 64
		}
		r, err := s.reply(most)
		if err != nil {
			return fmt.Errorf("read the answer to %s: %w", st.name, err)
		}
		if err := s.takeStep(st, r); err != nil {
			return err
		}
	}
	return nil
}

// checkPong accepts what Redis' replica does: any "+", and errors that an AUTH may cure, if there is one to send.
func checkPong(r resp.Reply, canAuth bool) error {
	text := string(r.Str)
	switch {
	case r.Kind == '+':
		return nil
	case r.Kind != '-':
		return protocolErrorf("master answers PING with %q", r.Kind)
	case strings.HasPrefix(text, "NOAUTH"), strings.HasPrefix(text, "NOPERM"), strings.HasPrefix(text, "ERR operation not permitted"):
		if canAuth {
			return nil
		}
		return fmt.Errorf("%w: set masterauth (and masteruser) here", masterError{"PING", printable(text)})
	}
	return masterError{"PING", printable(text)}
}

// step is one command of the handshake.
type step struct {
	name    string
	args    []string
	auth    bool // an error is final for this try
	lineage bool // the answer is a replogd's lineage
}

func (s *session) introduction(set Settings) []step {
	var steps []step
	if set.MasterAuth != "" {
		args := []string{"AUTH", set.MasterAuth}
		if set.MasterUser != "" {
			args = []string{"AUTH", set.MasterUser, set.MasterAuth}
		}
		steps = append(steps, step{name: "AUTH", args: args, auth: true})
	}
	option := func(words ...string) {
		steps = append(steps, step{name: "REPLCONF " + words[0], args: append([]string{"REPLCONF"}, words...)})
	}
	port := set.AnnouncePort
	if port == 0 {
		port = s.n.o.ListenPort()
	}
	option("listening-port", strconv.Itoa(port))
	if set.AnnounceIP != "" {
		option("ip-address", set.AnnounceIP)
	}
	option("capa", "eof", "capa", "psync2", "capa", "replogd")
	option("node-id", s.n.o.Backlog.NodeID())
	if id := s.n.resumable(); id != "" {
		option("snapshot", id)
	}
	option("lineage", strconv.Itoa(nativeVersion))
	steps[len(steps)-1].lineage = true
	return steps
}

func (s *session) takeStep(st step, r resp.Reply) error {
	text := printable(string(r.Str))
	switch {
	case st.auth && r.Kind == '-':
		return fmt.Errorf("%w: check masterauth (and masteruser) here", masterError{"AUTH", text})
	case r.Kind == '-' && strings.HasPrefix(text, "NOAUTH"):
		return fmt.Errorf("%w: set masterauth (and masteruser) here", masterError{st.name, text})
	case r.Kind == '-':
		s.n.log.Debug("master does not know an option of the handshake", "option", st.name, "answer", text)
		return nil
	case st.lineage && r.Kind == '$' && !r.Null:
		return s.takeLineage(r.Str)
	case r.Kind == '+' && !st.lineage:
		return nil
	}
	return protocolErrorf("master answers %s with %q", st.name, r.Kind)
}

// takeLineage: the master is a replogd.
func (s *session) takeLineage(text []byte) error {
	l, err := parseLineage(text)
	if err != nil {
		return err
	}
	if slices.Contains(l.path, s.n.o.Backlog.NodeID()) && !s.l.takeOver.pending.Load() { // who takes over from us still follows us
		return fmt.Errorf("%w: %s", ErrSelf, addr(s.l.host, s.l.port))
	}
	s.native, s.lineage = true, &l
	s.l.setPathAbove(l.path)
	return nil
}

// position is what to ask for. Only a node that never had a data set has none: not one byte in the log, never a full sync, and a history
// that the master does not know (it does when it was our replica, and we had written nothing yet).
func (s *session) position() psyncRequest {
	b := s.n.o.Backlog
	end := b.End()
	var theirs []backlog.History
	if s.lineage != nil {
		theirs = s.lineage.histories
	}
	switch {
	case s.l.takeOver.pending.Load(): // our own history is what both share
		return psyncRequest{id: b.Current().ID, offset: int64(end) + 1} // #nosec G115 -- offsets stay below 2^63
	case s.l.force && s.native:
		return psyncRequest{id: "?", offset: forcedOffset}
	case s.l.force, end == 0 && b.Generation() == firstGeneration && !onLineage(theirs, b.Current().ID, 0):
		return psyncRequest{id: "?", offset: -1}
	}
	return psyncRequest{id: askID(b.Histories(), end, theirs), offset: int64(end) + 1} // #nosec G115 -- offsets stay below 2^63
}

// firstGeneration is the data set a directory is born with.
const firstGeneration = 1

// answer to PSYNC: continue under the history id, a checkpoint, or an RDB.
type answer struct {
	asked      psyncRequest
	id         string // +CONTINUE: the current history's id; the asked one if the master does not say
	checkpoint string // +CHECKPOINT: its id
	rdb        bool   // +FULLRESYNC
	replid     string // of the checkpoint or the RDB, and its offset
	offset     uint64
}

// psync asks and reads the answer, however long the master takes to make it: each of its keep-alives starts the deadline anew.
func (s *session) psync(req psyncRequest) (answer, error) {
	args := []string{"PSYNC", req.id, strconv.FormatInt(req.offset, 10)}
	repeated := false
	if s.l.takeOver.pending.Load() {
		args = append(args, "FAILOVER")
		repeated = s.l.takeOver.asked.Swap(true)
	}
	if _, err := s.conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		return answer{}, fmt.Errorf("send PSYNC: %w", err)
	}
	r, err := s.reply(maxMasterReply)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer to PSYNC: %w", err)
	}
	a, err := parseAnswer(req, r, s.native)
	s.settleTakeOver(err, repeated)
	return a, err
}

// parseAnswer judges the answer against what was asked: a +CONTINUE nobody asked for would put bytes at the wrong offsets.
func parseAnswer(req psyncRequest, r resp.Reply, native bool) (answer, error) {
	text := printable(string(r.Str))
	words := strings.Split(text, " ")
	a := answer{asked: req}
	switch {
	case r.Kind == '-':
		return a, masterError{"PSYNC", text}
	case r.Kind != '+':
		return a, protocolErrorf("master answers PSYNC with %q", r.Kind)
	case words[0] == "FULLRESYNC" && len(words) == 3 && !native:
		off, err := parseOffset(words[2])
		if err != nil || !validHexID(strings.ToLower(words[1])) {
			return a, protocolErrorf("bad answer to PSYNC: %q", clip(text))
		}
		a.rdb, a.replid, a.offset = true, strings.ToLower(words[1]), off
		return a, nil
	case words[0] == "CONTINUE" && req.id == "?":
		return a, protocolErrorf("master continues a stream that was not asked for")
	case words[0] == "CONTINUE" && len(words) == 1 && !native:
		a.id = req.id
		return a, nil
	case words[0] == "CONTINUE" && len(words) == 2 && validHexID(strings.ToLower(words[1])):
		a.id = strings.ToLower(words[1])
		return a, nil
	case words[0] == "CHECKPOINT" && len(words) == 4 && native:
		off, err := parseOffset(words[3])
		if err != nil || !validSnapshotID(words[1]) || !validHexID(words[2]) {
			return a, protocolErrorf("bad answer to PSYNC: %q", clip(text))
		}
		a.checkpoint, a.replid, a.offset = words[1], words[2], off
		return a, nil
	}
	return a, protocolErrorf("bad answer to PSYNC: %q", clip(text))
}

// adoptLineage makes the master's histories ours, durably, before the first byte of its stream is appended. When our replid changes
// with that, our own replicas are sent away to learn it; they come back with a partial sync.
//
// Crash argument. Before the commit: our old list, which accepted names of this position; we ask again. After: the master's list, on
// which our log lies as a whole, for the master has accepted its end.
func (s *session) adoptLineage(a answer) error {
	b := s.n.o.Backlog
	ours, end := b.Histories(), b.End()
	var next []backlog.History
	switch {
	case !s.native:
		if a.id == ours[len(ours)-1].ID {
			return nil
		}
		next = succeedLineage(ours, a.id, end)
	case a.id != s.lineage.histories[len(s.lineage.histories)-1].ID:
		return errLineage
	case !onLineage(s.lineage.histories, a.asked.id, end):
		return protocolErrorf("master continues %s at %d, which is not on the lineage it has sent", a.asked.id, end)
	default:
		next = s.lineage.histories
	}
	if err := b.AdoptHistories(next); err != nil {
		return fmt.Errorf("adopt the master's histories: %w", err)
	}
	if was, is := ours[len(ours)-1].ID, b.Current().ID; was != is {
		s.n.log.Info("new replid", "was", was, "is", is, "offset", end)
		s.n.feeds.interruptAll(errInterrupted{"the master's replid has changed: come back for the new one"})
	}
	return nil
}
