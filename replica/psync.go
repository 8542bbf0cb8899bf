package replica

import (
	"context"
	"errors"
	"fmt"
	"io"

	"replogd/backlog"
	"replogd/engine/resp"
	"replogd/wal"
)

// Reasons of refusals beyond the backlog's own.
const (
	reasonForced      = "forced"              // the replica asks for everything on purpose
	reasonBoundary    = "not a unit boundary" // it counted otherwise than we do
	reasonBadPosition = "bad position"        // not an id and an offset
)

// notMyMaster is the answer to "not now": stock replicas come again within a second and keep what they have. An -ERR would make them
// fall back to SYNC and drop their position.
const notMyMaster = "-NOMASTERLINK Can't SYNC while not connected with my master"

// psyncRequest is what a replica asks. offset is as on the wire: the number, counted from 1, of the first byte it lacks; -1
// without a position, -2 (replogd only) to be given everything although it has one.
type psyncRequest struct {
	id              string
	offset          int64
	sync            bool // SYNC
	afterCheckpoint bool // on the connection that has just brought a checkpoint
}

// verdict is the answer: exactly one of err, cursor (+CONTINUE), line (an error reply that means "later") or, with none of them,
// a full sync for reason.
type verdict struct {
	err    error
	cursor *backlog.Cursor
	line   string
	reason string // bounded set, counted
	detail string // a sentence for the log
}

func later(detail string) verdict { return verdict{line: notMyMaster, detail: detail} }

// judge applies the acceptance rule. What is accepted is pinned by the cursor it returns.
func (n *Node) judge(ctx context.Context, f *feed, req psyncRequest) verdict {
	if n.adopting.Load() {
		return later("this node's own full sync is being installed")
	}
	v := n.position(ctx, f, req)
	if v.cursor != nil || v.line != "" || v.err != nil {
		return v
	}
	if outdated(f.p, v.reason, n.o.Backlog.Current().ID) {
		return later(fmt.Sprintf("%s; it does not know yet that this node's history has changed", v.detail))
	}
	if l := n.link(); l != nil {
		switch {
		case !l.up():
			return later(fmt.Sprintf("needs a full sync (%s), but this node's own link is down", v.detail))
		case v.reason == backlog.Ahead.String() && l.upFor() < aheadGrace:
			// This node lost a tail in a crash and is fetching it again: the replica is not wrong, we are late.
			return later(fmt.Sprintf("%s; this node is catching up", v.detail))
		}
	}
	n.counts.refused(v, req)
	return v
}

// outdated says that what a replica asks for rests on a lineage of ours that is no more: told of the present one, it may find that all it has to
// give up is a tail of no-ops (rewind.go), and need no full sync.
func outdated(p *Peer, reason, replid string) bool {
	return p.toldID != "" && p.toldID != replid && reason != backlog.FirstSync.String() && reason != reasonForced
}

// position judges the position alone.
func (n *Node) position(ctx context.Context, f *feed, req psyncRequest) verdict {
	switch {
	case req.sync:
		return verdict{reason: backlog.FirstSync.String(), detail: "SYNC asks for the whole data set"}
	case req.id == "?" && req.offset == forcedOffset:
		return verdict{reason: reasonForced, detail: "the replica asks for the whole data set on purpose"}
	case req.id == "?":
		return verdict{reason: backlog.FirstSync.String(), detail: "the replica has no position yet"}
	case req.offset < 1:
		return verdict{reason: reasonBadPosition, detail: fmt.Sprintf("PSYNC with offset %d", req.offset)}
	}
	pos := backlog.Pos{ID: req.id, Offset: uint64(req.offset - 1)} // #nosec G115 -- at least 0
	b := n.o.Backlog
	if r, detail := b.Check(pos); r == backlog.Accepted && pos.Offset > b.Safe() {
		// Bytes it has already, we have not yet written: it was here before a crash. They are being written just now.
		ctx, cancel := context.WithTimeout(ctx, boundaryWait)
		err := b.WaitSafe(ctx, pos.Offset)
		cancel()
		if err != nil {
			return verdict{line: notMyMaster, detail: fmt.Sprintf("%s; the log is not written that far yet: %v", detail, err)}
		}
	}
	c, r, detail, err := b.Continue(f.name, pos)
	switch {
	case err != nil:
		return verdict{err: fmt.Errorf("open log for replica at offset %d: %w", pos.Offset, err)}
	case r != backlog.Accepted:
		return verdict{reason: r.String(), detail: detail}
	}
	ok, err := n.unitBoundary(pos.Offset, !f.p.CapaReplogd)
	switch {
	case err == nil && ok:
		return verdict{cursor: c, detail: detail}
	case err != nil && !errors.Is(err, wal.ErrTrimmed):
		c.Close()
		return verdict{line: notMyMaster, err: nil, detail: fmt.Sprintf("cannot read the log around offset %d: %v", pos.Offset, err)}
	}
	c.Close()
	return verdict{reason: reasonBoundary, detail: fmt.Sprintf("offset %d lies within a unit of history %s", pos.Offset, req.id)}
}

// unitBoundary reports whether a unit ends at off, which a cursor pins. Records hold whole units, so it is enough to cut the record
// that holds off. A reader opened at any byte is aligned from its second record on; where that is not before off, it is opened
// further back, at the latest at the beginning of the segment, which is a record's.
//
// afterSelect accepts a point behind a unit's leading SELECT too: a stock replica counts commands, and keeps the database it has
// selected with its position.
func (n *Node) unitBoundary(off uint64, afterSelect bool) (bool, error) {
	if off == n.o.Backlog.End() {
		return true, nil
	}
	log := n.o.Backlog.Log()
	floor := n.o.Backlog.Start()
	for _, s := range log.Segments() {
		if s.Start <= off && s.Start > floor {
			floor = s.Start
		}
	}
	for step := uint64(maxRecordBytes); ; step *= 4 {
		from := floor
		if off-floor > step {
			from = off - step
		}
		found, ok, err := boundaryFrom(log, from, from == floor, off, afterSelect)
		if err != nil || found {
			return ok, err
		}
		if from == floor {
			return false, fmt.Errorf("BUG: no record holds offset %d, which the log retains", off)
		}
	}
}

// boundaryFrom reads records from a point on. found is false when off lies in the first one and that was entered in its middle.
func boundaryFrom(log *wal.Log, from uint64, aligned bool, off uint64, afterSelect bool) (found, ok bool, err error) {
	r, err := log.NewReader(from)
	if err != nil {
		return false, false, err
	}
	defer func() { _ = r.Close() }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			// The written end: off, which lies within the written log, is it.
			return true, r.Offset() == off, nil
		}
		if err != nil {
			return false, false, err
		}
		end := rec.Start + uint64(len(rec.Payload))
		switch {
		case off == rec.Start && aligned, off == end:
			return true, true, nil
		case off < end && !aligned:
			return false, false, nil
		case off < end:
			ok, err := cutsAt(rec.Payload, off-rec.Start, afterSelect)
			return true, ok, err
		}
		aligned = true
	}
}

// cutsAt reports whether a unit of payload, which begins with one, ends at byte at.
func cutsAt(payload []byte, at uint64, afterSelect bool) (bool, error) {
	u := resp.NewUnitScanner(max(maxUnitBytes, len(payload)))
	u.Feed(payload)
	var pos uint64
	for pos < at {
		unit, ok, err := u.Next()
		if err != nil || !ok {
			return false, err
		}
		if afterSelect && leadingSelects(unit, at-pos) {
			return true, nil
		}
		pos += uint64(len(unit.Raw))
	}
	return pos == at, nil
}

// leadingSelects: byte at of the unit lies right behind one of the SELECTs it begins with.
func leadingSelects(unit resp.Unit, at uint64) bool {
	var pos uint64
	for _, args := range unit.Commands {
		frame := resp.AppendCommand(nil, args...)
		if !isCommand(args, "select") || !hasPrefixAt(unit.Raw, pos, frame) {
			return false
		}
		if pos += uint64(len(frame)); pos >= at {
			return pos == at
		}
	}
	return false
}

func hasPrefixAt(raw []byte, pos uint64, frame []byte) bool {
	return uint64(len(raw)) >= pos+uint64(len(frame)) && string(raw[pos:pos+uint64(len(frame))]) == string(frame)
}
