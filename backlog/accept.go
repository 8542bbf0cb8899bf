package backlog

import (
	"fmt"
	"strings"
)

// Refusal says why a position cannot be continued from; its String is the reason code of log and INFO.
type Refusal uint8

// The outcomes of Check.
const (
	Accepted  Refusal = iota
	FirstSync         // the replica asked with "?": it has no position yet
	UnknownID         // the id is in no history we know
	Trimmed           // the bytes after the offset are no longer retained
	Ahead             // the offset is on our lineage but past the end of our log
	Forked            // the offset lies past the point where our lineage left the id's history
)

// String is the reason code: stable, lower case, fit for a log field or INFO.
func (r Refusal) String() string {
	switch r {
	case Accepted:
		return "accepted"
	case FirstSync:
		return "first sync"
	case UnknownID:
		return "id unknown"
	case Trimmed:
		return "offset trimmed"
	case Ahead:
		return "offset ahead"
	case Forked:
		return "histories fork"
	default:
		return fmt.Sprintf("refusal %d", uint8(r))
	}
}

// accept is the acceptance rule as a pure function of the lineage and the log's reach [start, end].
//
// A position (id, offset) is accepted if and only if the first offset bytes of the stream that id names are also the first
// offset bytes of ours, and all bytes after them are retained. A history's reach goes up to where our lineage left it: the
// next history's start when the log has got there, else the log's end. An offset before the history's own start is on its
// lineage as well: the bytes there are those of the histories before it, and all of them are common.
func (l *lineage) accept(p Pos, start, end uint64) (Refusal, string) {
	if p.ID == "?" {
		return FirstSync, "the replica has no position yet"
	}
	i := l.index(strings.ToLower(p.ID))
	if i < 0 {
		return UnknownID, fmt.Sprintf("history %.60q is not among our %d, the current one is %s", p.ID, len(l.hs), l.current().ID)
	}
	if i+1 < len(l.hs) && p.Offset > l.hs[i+1].Start {
		return Forked, fmt.Sprintf("our lineage left history %s at offset %d, the replica went on to %d", l.hs[i].ID, l.hs[i+1].Start, p.Offset)
	}
	if p.Offset < start {
		return Trimmed, fmt.Sprintf("the log is retained from offset %d on, the replica needs it from %d", start, p.Offset)
	}
	if p.Offset > end {
		return Ahead, fmt.Sprintf("the log of history %s ends at offset %d, the replica is at %d", l.hs[i].ID, end, p.Offset)
	}
	return Accepted, fmt.Sprintf("continues history %s at offset %d, %d bytes to send", l.hs[i].ID, p.Offset, end-p.Offset)
}

// Check is the acceptance rule of PSYNC: p.ID (compared without regard to case) is in our lineage, p.Offset lies within that
// history's reach (up to the next history's start, or End for the last) and is retained. p.Offset == End is accepted: nothing
// was missed. detail is a sentence for the log, also when accepted. Lock-free.
//
// The answer may be out of date at once, as retention and role changes go on: to serve a replica use Continue.
func (b *Backlog) Check(p Pos) (r Refusal, detail string) {
	return b.lineage.Load().accept(p, b.Start(), b.End())
}

// Continue is Check and OpenCursor as one step: the cursor it returns delivers exactly the bytes that follow p, or, once a
// generation switch or retention has come in between, wal.ErrTrimmed. The cursor is nil unless r is Accepted. err is only
// about the cursor (wal.ErrClosed).
func (b *Backlog) Continue(name string, p Pos) (c *Cursor, r Refusal, detail string, err error) {
	if r, detail = b.Check(p); r != Accepted {
		return nil, r, detail, nil
	}
	c, err = b.OpenCursor(name, p.Offset)
	if err != nil && !isTrimmed(err) {
		return nil, Accepted, detail, err
	}
	// Once more now that the cursor pins the log of one generation: what is accepted now is what the cursor reads, as a later
	// switch marks the cursor as lost.
	if r, detail = b.Check(p); r != Accepted {
		if c != nil {
			c.Close()
		}
		return nil, r, detail, nil
	}
	if err != nil {
		return nil, Trimmed, err.Error(), nil
	}
	return c, Accepted, detail, nil
}
