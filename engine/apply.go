package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"replogd/engine/resp"
)

// applier brings the keyspace to the end of the log: at recovery, and for as long as the node follows a master whose stream the
// link appends. It reads the log through a cursor like any replica, so its memory is one buffer however far it lags.
type applier struct {
	e       *Engine
	ctx     context.Context
	cursor  logCursor
	scanner *resp.UnitScanner
	buf     []byte
	group   unitGroup
	session Session
	w       resp.Writer // replies nobody reads
	warmer  *rowWarmer  // of a replay, whose caches are cold; nil otherwise

	live      bool       // following, not recovering: subscribers are told what is published
	published [][][]byte // by the present batch; told once it shows

	cancel context.CancelFunc
	done   chan struct{}
}

// logCursor is what the applier needs of a backlog.Cursor.
type logCursor interface {
	Read(ctx context.Context, p []byte) (int, error)
	Close()
}

const applierBuffer = 256 << 10

func (e *Engine) newApplier(ctx context.Context, from uint64) (*applier, error) {
	cursor, err := e.o.Backlog.OpenCursor("keyspace", from)
	if err != nil {
		return nil, fmt.Errorf("read the log from offset %d: %w", from, err)
	}
	return &applier{e: e, ctx: ctx, cursor: cursor, scanner: resp.NewUnitScanner(maxUnitBytes), buf: make([]byte, applierBuffer)}, nil
}

// startApplierLocked follows the log from where the keyspace stands. The caller holds roles.
func (e *Engine) startApplierLocked() error {
	ctx, cancel := context.WithCancel(context.Background())
	a, err := e.newApplier(ctx, e.Applied())
	if err != nil {
		cancel()
		return err
	}
	a.cancel, a.done, a.live = cancel, make(chan struct{}), true
	e.failure.Store(nil)
	e.roles.applier = a
	go a.run()
	return nil
}

// stopApplierLocked ends it between two batches. The caller holds roles.
func (e *Engine) stopApplierLocked() {
	a := e.roles.applier
	a.cancel()
	<-a.done
	e.roles.applier = nil
}

func (a *applier) run() {
	defer close(a.done)
	defer a.cursor.Close()
	for {
		err := a.step()
		if err == nil {
			continue
		}
		if a.ctx.Err() == nil {
			err = fmt.Errorf("%w at offset %d: %w", ErrApply, a.e.Applied(), err)
			a.e.o.Logger.Error("the keyspace stands still: the stream could not be applied", "offset", a.e.Applied(), "err", err)
			a.e.failure.Store(&err)
			a.e.advanced.wake()
		}
		return
	}
}

// step reads a piece of the log and applies the units it completes.
func (a *applier) step() error {
	n, err := a.cursor.Read(a.ctx, a.buf)
	if err != nil {
		return err
	}
	a.scanner.Feed(a.buf[:n])
	if a.warmer != nil {
		a.warmer.warm(a.buf[:n])
	}
	for more := true; more; {
		if err := a.e.waitStore(a.ctx); err != nil {
			return err
		}
		more, err = a.applyBatch()
		a.tellPublished()
		if err != nil {
			return err
		}
	}
	return nil
}

// applyBatch applies whole units up to a batch's bounds; more is false when no whole unit is left.
func (a *applier) applyBatch() (more bool, err error) {
	e := a.e
	e.seq.Lock()
	defer e.seq.Unlock()
	defer func() {
		if err != nil {
			e.seq.hints = placeHints{} // they were set by what has not happened
		}
	}()
	t := &e.seq.tx
	t.reset(e.ds.Load(), &e.seq.state)
	nowMs := time.Now().UnixMilli()
	more = true
	for more && len(t.rows) < maxApplyRows && t.rowBytes < maxApplyBytes {
		reqs, size, ok := a.nextUnit(t)
		if !ok {
			if a.group.err != nil {
				return false, a.group.err
			}
			more = false
			break
		}
		for _, r := range reqs {
			if err := a.applyCommand(t, r, nowMs); err != nil {
				return false, fmt.Errorf("offset %d, %s: %w", t.state.applied, quoteCommand(r.Args), err)
			}
		}
		t.state.applied += uint64(size)
	}
	if t.state.applied == e.seq.state.applied {
		return more, nil
	}
	e.commitRows(t)
	return more, nil
}

// nextUnit returns the commands of the next unit and its length; ok is false when no whole one is left. The rows of several are touched at a time.
func (a *applier) nextUnit(t *tx) (reqs []Request, bytes int, ok bool) {
	if reqs, bytes, ok = a.group.take(); ok {
		return reqs, bytes, true
	}
	a.group.fill(a.scanner)
	if reqs := a.group.reqs; len(reqs) > 0 {
		a.e.seq.toucher.run(t.state.dbs[t.state.streamDB].id, t.ds, reqs)
	}
	return a.group.take()
}

// applyCommand executes one command of the stream. A command that changes no key may be passed over only if it is known to.
func (a *applier) applyCommand(t *tx, r Request, nowMs int64) error {
	cmd, args := r.Cmd, r.Args
	if cmd == nil {
		return a.applySpecial(t, args)
	}
	if !cmd.Spec.ArityOK(len(args)) {
		return errors.New("wrong number of arguments")
	}
	c := &a.session.call
	c.next(call{e: a.e, ds: t.ds, tx: t, s: &a.session, w: &a.w, args: args, db: t.state.streamDB, now: nowMs, replay: true, bare: cmd.bare})
	a.w.Reset()
	if err := cmd.run(c); err != nil {
		return err
	}
	// An effect that fails here did not fail where it comes from: the two keyspaces differ, and would go on to.
	if reply := a.w.Bytes(); len(reply) > 0 && reply[0] == '-' {
		return fmt.Errorf("it is answered with %q here, but succeeded on the master", bytes.TrimSpace(reply[1:]))
	}
	return nil
}

// applySpecial executes what is in the stream but is no keyspace write.
func (a *applier) applySpecial(t *tx, args [][]byte) error {
	switch strings.ToLower(string(args[0])) {
	case "select":
		return applySelect(t, args)
	case "ping", "replconf":
		return nil
	case "function":
		c := &a.session.call
		c.next(call{e: a.e, ds: t.ds, tx: t, s: &a.session, w: &a.w, db: t.state.streamDB, replay: true})
		return libraries{c}.apply(args)
	case "publish", "spublish":
		if a.live && len(args) == 3 {
			a.published = append(a.published, [][]byte{bytes.Clone(args[0]), bytes.Clone(args[1]), bytes.Clone(args[2])})
		}
		return nil
	}
	return errors.New("unknown command: this version cannot apply it, and passing over it would lose data; run a version that can, or follow another master")
}

// tellPublished hands on what the batch has published, outside of all locks.
func (a *applier) tellPublished() {
	for _, args := range a.published {
		if a.e.o.Published != nil {
			a.e.o.Published(len(args[0]) == len("spublish"), args[1], args[2])
		}
	}
	clear(a.published)
	a.published = a.published[:0]
}

func applySelect(t *tx, args [][]byte) error {
	if len(args) != 2 {
		return errors.New("wrong number of arguments")
	}
	db, err := strconv.Atoi(string(args[1]))
	if err != nil || db < 0 || db >= len(t.state.dbs) {
		return fmt.Errorf("no such database here (databases is %d): raise the directive to the master's value", len(t.state.dbs))
	}
	t.state.streamDB = db
	return nil
}

// quoteCommand shows a command's beginning in an error.
func quoteCommand(args [][]byte) string {
	const maxArgs, maxLen = 4, 40
	var b strings.Builder
	for i, arg := range args {
		if i == maxArgs {
			b.WriteString(" ...")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if len(arg) > maxLen {
			arg = arg[:maxLen]
		}
		b.WriteString(strconv.Quote(string(arg)))
	}
	return b.String()
}
