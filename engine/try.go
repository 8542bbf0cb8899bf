package engine

import (
	"context"
	"errors"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// TryExec is Exec for a caller that serves others too and must not be held up: it stops before the first request that might have to
// wait, and returns how many it has answered. What makes a request wait is a store or a log that is behind with its work, a row that may
// have to come from the disk, and a reply longer than w.Limit. The caller gives the rest to Exec, where waiting hurts nobody.
//
// It still takes the sequencer for writes, and what a request computes it computes: the caller keeps long-running commands away.
func (e *Engine) TryExec(ctx context.Context, s *Session, reqs []Request, w *resp.Writer) (answered int) {
	start := w.Len()
	for answered < len(reqs) {
		if w.Limit > 0 && w.Len()-start > w.Limit {
			return answered
		}
		run := writeRun(reqs[answered:])
		if len(run) == 0 {
			if !e.atHand(s, reqs[answered:answered+1]) || !e.tryRead(s, reqs[answered], w) {
				return answered
			}
			answered++
			continue
		}
		if e.behind() || !e.atHand(s, run) {
			return answered
		}
		answered += e.execWrites(ctx, s, run, w)
	}
	return answered
}

// tryRead is execRead; false: the reply grew too long and has been taken back.
func (e *Engine) tryRead(s *Session, r Request, w *resp.Writer) bool {
	return !errors.Is(e.execRead(s, r, w), resp.ErrLong)
}

// behind says whether a writer would have to wait before it may take the sequencer.
func (e *Engine) behind() bool {
	if e.throttle.delay.Load() != 0 || !e.o.Backlog.HasRoom() {
		return true
	}
	ds := e.acquire()
	defer ds.release()
	return ds.mem.full()
}

// atHand says whether what the requests look at is in memory, as far as that can be told quickly: the whole store is, be it in the system's
// page cache, or each request looks at rows of keys only and those are. It may be wrong about the page cache, above all after a start of the
// machine: then a request waits for the disk once.
func (e *Engine) atHand(s *Session, reqs []Request) bool {
	ds := e.acquire()
	defer ds.release()
	if ds.fileBytes.Load() <= e.o.PageCacheBytes {
		return true
	}
	all := true
	e.eachKeyRow(s, ds, reqs, func(row []byte, bare bool) bool {
		all = ds.atHand(row, bare)
		return all
	})
	for i := range reqs {
		all = all && reqs[i].Cmd.keyRowsOnly
	}
	return all
}

// resident says whether the store is small enough to stay in the block cache: a look-up then costs less than a look whether it would
// cost much.
func (e *Engine) resident(ds *dataset) bool { return ds.fileBytes.Load() <= e.o.BlockCacheBytes/2 }

// eachKeyRow calls visit with the row of every key that the requests name, and whether its command does without a string's value, until it returns
// false. The row is valid during the call.
func (e *Engine) eachKeyRow(s *Session, ds *dataset, reqs []Request, visit func(row []byte, bare bool) bool) {
	id := (*ds.dbIDs.Load())[s.DB]
	row := s.warmBuf
	defer func() { s.warmBuf = shrink(row) }()
	for i := range reqs {
		for at, end, step := reqs[i].keyRange(); at < end; at += step {
			row = keys.AppendKey(row[:0], id, reqs[i].Args[at])
			if !visit(row, reqs[i].Cmd.bare) {
				return
			}
		}
	}
}

// keyRange says which arguments are the request's keys: those from first on, by steps, before end.
func (r *Request) keyRange() (first, end, step int) {
	k := &r.Cmd.Spec.Keys
	end = k.Last + 1
	if k.Last < 0 {
		end += len(r.Args)
	}
	if k.First <= 0 {
		end = 0
	}
	return k.First, min(end, len(r.Args)), max(k.Step, 1)
}
