package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replogd/engine/resp"
)

// ErrWatchedChanged is returned by Transact when a watched key is not what it was: nothing has been run.
var ErrWatchedChanged = errors.New("engine: a watched key has changed")

// RefusedError is returned by Transact when writes are refused just now (another role, a failed log, too few replicas): nothing has been
// run. Its text is the reply for the client.
type RefusedError string

func (e RefusedError) Error() string { return string(e) }

// Transaction is a piece of MULTI ... EXEC in execution. It holds the sequencer: nobody sees a part of what it does, and it sees nothing
// of others. It belongs to the function that Transact has called.
type Transaction struct {
	e   *Engine
	s   *Session
	w   *resp.Writer
	ds  *dataset
	t   *tx // nil: nothing may be written here (a replica)
	err error
}

// Transact calls body, which runs commands through the Transaction it is given, as one unit: in memory, in the log and on every replica all
// of it happens or nothing. writes says whether there are writes among the commands: then it waits for room as Exec does, and is refused
// where writes are. watch may be nil. The replies that body has written must be held back until Backlog.Safe() has reached s.Need.
//
// An error other than RefusedError and ErrWatchedChanged means that the store could not be read or the log not be written: nothing of the
// transaction has happened, the replies from it are void, and ReplyTo words what to answer instead. body must not block: everybody waits.
func (e *Engine) Transact(ctx context.Context, s *Session, w *resp.Writer, writes bool, watch *Watch, body func(*Transaction)) error {
	if writes {
		if err := e.makeRoom(ctx); err != nil {
			return fmt.Errorf("transaction refused: %w", err)
		}
	}
	e.seq.Lock()
	defer e.seq.Unlock()
	ds := e.ds.Load()
	if watch != nil {
		if changed, err := watch.changedLocked(e, ds); err != nil {
			return err
		} else if changed {
			return ErrWatchedChanged
		}
	}
	refusal := e.refusalLocked()
	if refusal != "" && writes {
		return RefusedError(refusal)
	}
	x := &Transaction{e: e, s: s, w: w, ds: ds}
	if refusal == "" {
		x.t = &e.seq.tx
		x.t.reset(ds, &e.seq.state)
	}
	body(x)
	if x.t == nil {
		return x.err
	}
	if x.err == nil {
		x.t.endUnit()
		x.err = e.commitLocked(s)
	}
	if x.err != nil {
		e.seq.hints = placeHints{} // they were set by what has not happened
	}
	return x.err
}

// ReplyTo words an error of Transact for the client.
func (e *Engine) ReplyTo(err error) string { return e.storeError(err) }

// Run executes one command and appends its reply. After an error of the store everything else is passed over.
func (x *Transaction) Run(r Request) {
	if x.err != nil {
		return
	}
	start, mark := time.Now(), x.w.Len()
	x.err = x.e.runCall(x.s, x.ds, x.t, r, x.w, start.UnixMilli(), !r.Cmd.write)
	r.Cmd.done(start, x.w, mark)
}

// Propagate adds a command that is no keyspace command (PUBLISH) to the transaction's effects. On a replica it does nothing: what its
// master says comes through the stream.
func (x *Transaction) Propagate(args ...[]byte) {
	if x.t != nil && x.err == nil {
		x.t.addEffect(x.s.DB, args)
	}
}
