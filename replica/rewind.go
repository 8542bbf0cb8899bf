package replica

import (
	"errors"
	"fmt"
	"io"

	"replogd/backlog"
	"replogd/wal"
)

// maxRewindBytes bounds the tail that is looked through for data. A day of PINGs every second is 1.2 MB.
const maxRewindBytes = 64 << 20

// rewind gives up a tail of our log that the master does not have, if it holds nothing but PINGs, GETACKs and messages: a former master
// that went on by itself for a while after another node was promoted, or a replica that heard more of it than the promoted one. What
// follows on the master's lineage is then continued; with data in the tail nothing is touched, and the answer to PSYNC will be a full sync.
//
// Crash argument: Engine.Rewind's.
func (s *session) rewind() error {
	b := s.n.o.Backlog
	ours, end := b.Histories(), b.End()
	if !s.native || s.l.force {
		return nil
	}
	fork, hs := commonPoint(ours, end, s.lineage.histories)
	if len(hs) == 0 || fork >= end || fork < b.Start() || end-fork > maxRewindBytes {
		return nil
	}
	if err := b.WaitSynced(s.ctx, end); err != nil { // what is not yet written cannot be judged
		return fmt.Errorf("write the log's tail: %w", err)
	}
	idle, err := onlyNoops(b.Log(), fork, end)
	if err != nil {
		return fmt.Errorf("look at the log's tail from offset %d: %w", fork, err)
	}
	if !idle {
		return nil
	}
	s.n.log.Info("rewinding: the master's history went another way, and nothing but no-ops was written here since", "offset", end, "to", fork)
	s.n.adopting.Store(true)
	defer s.n.adopting.Store(false)
	if err := s.n.feeds.drain(s.ctx, errInterrupted{"this node rewinds to its master's history"}); err != nil {
		return err
	}
	return s.n.o.Engine.Rewind(s.ctx, fork, hs)
}

// commonPoint is the last offset that both lineages share, and our histories up to there; none if they share no history. Two nodes that
// know a history by one id have the same bytes on it, and before it.
func commonPoint(ours []backlog.History, end uint64, theirs []backlog.History) (fork uint64, hs []backlog.History) {
	for i := len(ours) - 1; i >= 0; i-- {
		for j := range theirs {
			if theirs[j].ID != ours[i].ID {
				continue
			}
			fork = end
			if next, bounded := reach(ours, i); bounded {
				fork = min(fork, next)
			}
			if next, bounded := reach(theirs, j); bounded {
				fork = min(fork, next)
			}
			return fork, append([]backlog.History(nil), ours[:i+1]...)
		}
	}
	return 0, nil
}

// onlyNoops reports whether the log from one offset to another consists of records that change no key.
func onlyNoops(log *wal.Log, from, to uint64) (bool, error) {
	r, err := log.NewReader(from)
	if err != nil {
		if errors.Is(err, wal.ErrTrimmed) {
			return false, nil
		}
		return false, err
	}
	defer func() { _ = r.Close() }() // nothing was written through it
	for at := from; at < to; {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return false, fmt.Errorf("the log ends at %d, but is written up to %d", at, to)
		}
		if err != nil {
			return false, err
		}
		if rec.Start != at || rec.Kind != wal.KindNoop {
			return false, nil
		}
		at = rec.Start + uint64(len(rec.Payload))
	}
	return true, nil
}
