package backlog

import (
	"log/slog"
	"time"

	"replogd/wal"
)

// limits are the settings of one retention pass, read once.
type limits struct {
	minBytes, maxBytes int64
	maxAge             time.Duration
	now                time.Time
}

// plan decides up to which offset the log is dropped, as a pure function: the end of the last segment that may go, or from
// (the retained start) when none may. Segments go whole and oldest first, up to the first that has to stay; the last one
// always stays.
//
// A segment may go if and only if
//   - its end is at or below applied (the keyspace is durable up to there without it), and
//   - at least minBytes of log lie after it, and
//   - either its last record is older than maxAge and no hold needs a byte of it,
//   - or, with a limit, the files from it on are larger than maxBytes in all.
//
// holds are the offsets that pins and named replicas need the log from.
func plan(segs []wal.SegmentInfo, from, end, applied uint64, l limits, holds []uint64) (dropTo uint64) {
	var disk int64
	for i := range segs {
		disk += segs[i].FileBytes
	}
	lowest := unbounded
	for _, h := range holds {
		if h >= from { // one that lies before it was lost already
			lowest = min(lowest, h)
		}
	}
	dropTo = from
	for i := range segs {
		s := &segs[i]
		if i == len(segs)-1 || s.End > applied || end-s.End < uint64(max(l.minBytes, 0)) {
			break
		}
		aged := l.now.UnixMilli()-s.LastTimeMs >= l.maxAge.Milliseconds()
		tooLarge := l.maxBytes > 0 && disk > l.maxBytes
		if (!aged || lowest < s.End) && !tooLarge {
			break
		}
		dropTo = max(dropTo, s.End)
		disk -= s.FileBytes
	}
	return dropTo
}

// lostHold is one that MaxBytes took the log from.
type lostHold struct {
	what, name string
	off        uint64
}

// retain is one retention pass: decide under the pins' lock, remove files outside it. Passes do not overlap (keeper.pass).
//
// Crash within: segments are removed oldest first, so what is left is a shorter log without a hole.
func (b *Backlog) retain() {
	b.keeper.pass.Lock()
	defer b.keeper.pass.Unlock()
	l := limits{minBytes: b.o.MinBytes(), maxBytes: b.o.MaxBytes(), maxAge: b.o.MaxAge(), now: b.o.nowForTesting()}
	segs := b.log.Segments()
	if len(segs) < 2 {
		return
	}
	dropTo, lost := b.decide(segs, l)
	for _, h := range lost {
		b.logger.Warn("log dropped although it is still needed: a partial sync from there is no longer possible",
			"holder", h.what, "name", h.name, "offset", h.off, "start", dropTo,
			"reason", "repl-backlog-max-size", "limit", l.maxBytes)
	}
	if dropTo <= segs[0].Start {
		return
	}
	dropped, err := b.log.DropBefore(dropTo)
	if err != nil {
		b.logger.Error("could not remove old log segments, will be tried again", "before", dropTo, "err", err)
	}
	if len(dropped) > 0 {
		b.logger.Info("dropped old log segments", "count", len(dropped), "start", b.Start(),
			slog.Group("last", "path", dropped[len(dropped)-1].Path, "end", dropped[len(dropped)-1].End))
	}
}

// decide fixes the new floor and marks the pins that it leaves behind, all under the pins' lock.
func (b *Backlog) decide(segs []wal.SegmentInfo, l limits) (dropTo uint64, lost []lostHold) {
	away := b.replicas.holds(l)
	ps := &b.pins
	ps.mu.Lock()
	defer ps.mu.Unlock()
	holds := away
	for p := range ps.mu.set {
		if !p.lost.Load() {
			holds = append(holds, p.off.Load())
		}
	}
	from := max(segs[0].Start, ps.floor.Load())
	dropTo = plan(segs, from, b.End(), b.applied.Load().off, l, holds)
	if dropTo <= from {
		// The floor may be ahead of the files when an earlier removal failed.
		return from, nil
	}
	ps.floor.Store(dropTo)
	for p := range ps.mu.set {
		if off := p.off.Load(); off < dropTo && !p.lost.Swap(true) {
			lost = append(lost, lostHold{"pin", p.name, off})
		}
	}
	lost = append(lost, b.replicas.loseBefore(from, dropTo, l)...)
	ps.mu.lost += uint64(len(lost))
	return dropTo, lost
}

// holds are the acks of the named replicas that were seen within maxAge.
func (n *replicaNotes) holds(l limits) []uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []uint64
	for _, r := range n.mu.byID {
		if l.now.Sub(r.LastSeen) < l.maxAge {
			out = append(out, r.Ack)
		}
	}
	return out
}

// loseBefore returns, once each, the replicas seen within maxAge that lose their log as it is dropped from offset from to
// offset to. One that needs log before from has nothing to lose. Lock order: pins, then replicas.
func (n *replicaNotes) loseBefore(from, to uint64, l limits) (lost []lostHold) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.mu.byID {
		if r.Ack >= from && r.Ack < to && l.now.Sub(r.LastSeen) < l.maxAge {
			lost = append(lost, lostHold{"replica", r.ID, r.Ack})
		}
	}
	return lost
}
