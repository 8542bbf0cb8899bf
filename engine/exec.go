package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replogd/engine/resp"
	"replogd/wal"
)

// Session is the engine's part of one connection. It belongs to the connection's goroutine.
type Session struct {
	DB        int    // selected database
	Need      uint64 // replies written so far may be sent once Backlog.Safe() has reached this offset
	LastWrite uint64 // offset behind this client's last write, for WAIT; 0: it has written nothing

	call    call   // reused from command to command
	warmBuf []byte // reused by warm
}

// Request is one keyspace command of a client. Args[0] is the name; the arity has been checked. Args may alias the connection's
// buffer: the engine keeps nothing of them.
type Request struct {
	Cmd  *Command
	Args [][]byte
}

// consistentTries is how often a read of several keys is tried beside the writers before it takes their lock.
const consistentTries = 3

// Exec runs requests in order and appends exactly one reply each. Runs of writes share one hold of the sequencer, one record of
// the log and one batch of the store. The replies must be held back until Backlog.Safe() has reached s.Need: it covers the
// client's own writes and every write of others that a reply shows. Exec itself does no I/O on the log; ctx ends a wait for a
// store that is behind with its work (the requests are then refused, not half-done).
func (e *Engine) Exec(ctx context.Context, s *Session, reqs []Request, w *resp.Writer) {
	for len(reqs) > 0 {
		n, mark := 1, w.Len()
		if run := writeRun(reqs); len(run) > 0 {
			e.warm(s, run)
			n = e.execWrites(ctx, s, run, w)
		} else {
			_ = e.execRead(s, reqs[0], w) // answered, or nobody reads on
			if s.call.again {
				e.execAgain(ctx, s, reqs[0], w, mark)
			}
		}
		reqs = reqs[n:]
	}
}

// writeRun returns the writes that reqs begin with, at most maxRunCommands.
func writeRun(reqs []Request) []Request {
	n := 0
	for n < len(reqs) && n < maxRunCommands && reqs[n].Cmd.write {
		n++
	}
	return reqs[:n]
}

// execRead runs one read beside the writers. It returns ErrUnread or resp.ErrLong if the reply was not finished, else nil.
func (e *Engine) execRead(s *Session, r Request, w *resp.Writer) error {
	start := time.Now()
	ds := e.acquire()
	defer ds.release()
	mark := w.Len()
	err := e.runCall(s, ds, nil, r, w, start.UnixMilli(), true)
	if err != nil {
		w.Truncate(mark)
		switch {
		case errors.Is(err, resp.ErrLong):
			return err // it will be run again, and counted then
		case errors.Is(err, ErrUnread):
		default:
			w.Error(e.storeError(err))
			err = nil
		}
	}
	r.Cmd.done(start, w, mark)
	return err
}

// execAgain runs a read that has something to store under the sequencer. Where writes are refused, on a replica above all, the reply it has
// given from mark on stands, and nothing is stored.
func (e *Engine) execAgain(ctx context.Context, s *Session, r Request, w *resp.Writer, mark int) {
	if e.makeRoom(ctx) != nil {
		return
	}
	e.seq.Lock()
	defer e.seq.Unlock()
	if e.refusalLocked() != "" {
		return
	}
	w.Truncate(mark)
	_, err := e.runWritesLocked(s, []Request{r}, w)
	if err == nil {
		err = e.commitLocked(s)
	}
	if err != nil {
		w.Truncate(mark)
		w.Error(e.storeError(err))
	}
}

// runCall executes one command; see call for t and looks.
func (e *Engine) runCall(s *Session, ds *dataset, t *tx, r Request, w *resp.Writer, nowMs int64, looks bool) error {
	c := &s.call
	c.next(call{e: e, ds: ds, tx: t, s: s, w: w, args: r.Args, db: s.DB, now: nowMs, looks: looks, bare: r.Cmd.bare})
	err := r.Cmd.run(c)
	c.args, c.ds = nil, nil // an idle connection must not hold its last command's buffer or a replaced dataset
	return err
}

// execWrites runs a run of writes under the sequencer and returns how many of them it answered.
func (e *Engine) execWrites(ctx context.Context, s *Session, reqs []Request, w *resp.Writer) int {
	if err := e.makeRoom(ctx); err != nil {
		text := e.storeError(fmt.Errorf("write refused: %w", err))
		for range reqs {
			w.Error(text)
		}
		return len(reqs)
	}
	e.seq.Lock()
	defer e.seq.Unlock()
	mark := w.Len()
	if refusal := e.refusalLocked(); refusal != "" {
		for range reqs {
			w.Error(refusal)
		}
		return len(reqs)
	}
	n, err := e.runWritesLocked(s, reqs, w)
	if err == nil {
		err = e.commitLocked(s)
	}
	if err != nil {
		// Nothing of the run has been logged or stored: every command of it is answered alike.
		e.seq.hints = placeHints{}
		w.Truncate(mark)
		text := e.storeError(err)
		for range n {
			w.Error(text)
		}
	}
	return n
}

// warm fetches the rows that a run is going to look at into the row cache, beside the other writers: a miss under the sequencer
// makes everybody wait for the store. Only a hint: the run itself looks again, and finds what was written meanwhile. While the whole
// store fits in the block cache a miss costs less than looking twice.
func (e *Engine) warm(s *Session, reqs []Request) {
	if e.o.RowCacheBytes <= 0 {
		return
	}
	ds := e.acquire()
	defer ds.release()
	if e.resident(ds) {
		return
	}
	e.eachKeyRow(s, ds, reqs, func(row []byte, bare bool) bool {
		return ds.warm(row, bare) == nil // the run will meet an error again, and answer it
	})
}

// makeRoom slows a writer down, before it takes the sequencer, while the store or the log is behind.
func (e *Engine) makeRoom(ctx context.Context) error {
	if err := e.waitStore(ctx); err != nil {
		return err
	}
	return e.o.Backlog.WaitRoom(ctx)
}

// waitStore waits while the store is behind with its work.
func (e *Engine) waitStore(ctx context.Context) error {
	if err := e.throttle.wait(ctx); err != nil {
		return err
	}
	ds := e.acquire()
	defer ds.release()
	return ds.mem.waitRoom(ctx)
}

// runWritesLocked executes the run into the tx until its bounds are reached.
func (e *Engine) runWritesLocked(s *Session, reqs []Request, w *resp.Writer) (n int, err error) {
	t := &e.seq.tx
	t.reset(e.ds.Load(), &e.seq.state)
	start := time.Now()
	nowMs := start.UnixMilli()
	touched, id := 0, t.state.dbs[s.DB].id
	for n < len(reqs) && len(t.effects) < maxRunBytes {
		if n == touched {
			touched += e.seq.toucher.run(id, t.ds, reqs[n:])
		}
		r := reqs[n]
		n++
		mark := w.Len()
		if err := e.runCall(s, t.ds, t, r, w, nowMs, false); err != nil {
			return n, err
		}
		t.endUnit()
		start = r.Cmd.done(start, w, mark)
	}
	return n, nil
}

// commitLocked logs the run's effects, then commits its rows.
func (e *Engine) commitLocked(s *Session) error {
	t := &e.seq.tx
	if !t.dirty() {
		return nil
	}
	if len(t.effects) == 0 {
		return fmt.Errorf("BUG: a command changed rows and left no effect")
	}
	end, err := e.o.Backlog.Append(wal.KindData, t.effects)
	if err != nil {
		return err
	}
	t.state.applied = end
	for i := range t.touched {
		e.dirty.raise(t.touched[i].hash, end)
	}
	if t.all {
		e.dirty.raiseAll(end)
	}
	e.commitRows(t)
	if s != nil {
		s.Need, s.LastWrite = max(s.Need, end), end
	}
	e.writes.Add(1)
	return nil
}

// refusalLocked returns the error for every client write just now, or "".
func (e *Engine) refusalLocked() string {
	switch e.seq.role {
	case roleFollower:
		return "READONLY You can't write against a read only replica."
	case roleClosed:
		return "ERR server is shutting down"
	case roleStarting:
		return "LOADING Redis is loading the dataset in memory"
	case roleLeader:
	}
	if err := e.o.Backlog.Health(); err != nil {
		return misconf(err)
	}
	return e.o.WriteGuard()
}

// misconf is the answer to writes while the log cannot take them.
func misconf(err error) string {
	return "MISCONF Errors writing to the log: " + err.Error() + ". Commands that may modify the data set are disabled; reads go on."
}

// storeError words an error that is not the client's.
func (e *Engine) storeError(err error) string {
	if e.o.Backlog.Health() != nil {
		return misconf(err)
	}
	e.o.Logger.Error("command failed: the keyspace could not be read or written", "err", err)
	return "ERR " + err.Error()
}

// AppendNoop puts stream bytes that change no key (PING, REPLCONF GETACK) into the log and returns the offset behind them. Memory
// only. Only a leader originates them: ErrNotLeading.
func (e *Engine) AppendNoop(payload []byte) (end uint64, err error) {
	e.seq.Lock()
	defer e.seq.Unlock()
	if e.seq.role != roleLeader {
		return 0, ErrNotLeading
	}
	if end, err = e.o.Backlog.Append(wal.KindNoop, payload); err != nil {
		return 0, err
	}
	e.seq.state.applied = end
	e.advance(end)
	return end, nil
}
