package server

import (
	"bytes"
	"errors"

	"replogd/engine"
	"replogd/engine/command"
)

// transaction is what a connection has queued since MULTI, and what it watches. It belongs to the connection's goroutine.
type transaction struct {
	open    bool // between MULTI and EXEC or DISCARD
	aborted bool // a command was refused when it was to be queued: EXEC will discard them all
	running bool // EXEC is at it: nothing may wait for others
	flags   command.Flags
	queue   []queued
	bytes   int64         // of the arguments in queue; client-query-buffer-limit bounds them
	watch   *engine.Watch // made by the first WATCH

	within   *engine.Transaction // while a stretch runs under the sequencer
	messages [][][]byte          // the PUBLISH commands of that stretch: subscribers hear of them when its writes show
}

// queued is one command that waits for EXEC. args are copies.
type queued struct {
	e    *entry
	args [][]byte
}

// neverQueued are the commands that run at once within MULTI.
var neverQueued = map[string]bool{"exec": true, "discard": true, "multi": true, "watch": true, "quit": true, "reset": true}

// queueable says whether e, which has been admitted, waits for EXEC.
func (c *conn) queueable(e *entry) bool { return c.tx.open && !neverQueued[e.name] }

// enqueue keeps a command for EXEC. A client whose commands pass client-query-buffer-limit is closed, as in Redis.
func (c *conn) enqueue(e *entry, args [][]byte) {
	size := argvBytes(args)
	if limit := c.srv.cfg.Current().ClientQueryBufferLimit; limit > 0 && c.tx.bytes+size > limit {
		c.srv.log.Warn("closing client whose transaction reached client-query-buffer-limit", "client", c.addr, "id", c.id, "bytes", c.tx.bytes)
		c.kill()
		return
	}
	copies := make([][]byte, len(args))
	for i, a := range args {
		copies[i] = bytes.Clone(a)
	}
	c.tx.queue = append(c.tx.queue, queued{e, copies})
	c.tx.bytes += size
	c.tx.flags |= e.spec.Flags
	c.publishTransaction()
	start := c.w.Len()
	c.w.Simple("QUEUED")
	c.settle(start)
}

// publishTransaction shows CLIENT LIST how far the transaction is.
func (c *conn) publishTransaction() {
	n := int64(-1)
	if c.tx.open {
		n = int64(len(c.tx.queue))
	}
	c.multi.Store(n)
	c.multiMem.Store(c.tx.bytes)
	c.setFlag(flagMulti, c.tx.open)
}

// discard ends the transaction and forgets what was watched.
func (c *conn) discard() {
	c.tx = transaction{watch: c.tx.watch}
	c.publishTransaction()
	c.unwatch()
}

func (c *conn) unwatch() {
	if p := c.parts(); p != nil && c.tx.watch != nil {
		p.engine.Unwatch(c.tx.watch)
	}
}

// underSequencer are the server commands that run within the keyspace's one hold of a transaction: they neither wait nor take locks of the
// engine. All other server commands end the stretch before them, so what stands before and behind one of these (a change of role, CONFIG
// SET, INFO, CLIENT PAUSE) is atomic each for itself.
var underSequencer = map[string]bool{
	"ping": true, "echo": true, "select": true, "time": true, "publish": true, "spublish": true, "unwatch": true,
	"client|id": true, "client|getname": true, "client|setname": true, "client|setinfo": true, "client|info": true, "client|reply": true,
	"client|no-evict": true,
}

// exec runs the queue and writes one array of replies. Nobody else's command comes between those of a stretch, and no reader, replica or
// crash sees a part of it. What the first stretch meets decides about the whole: nothing has been run by then.
func (c *conn) exec() {
	queue, mark := c.tx.queue, c.w.Len()
	c.w.Array(len(queue))
	c.tx.running = true
	n := stretch(queue)
	err := c.execStretch(queue[:n], c.tx.watch)
	var refused engine.RefusedError
	switch {
	case errors.Is(err, engine.ErrWatchedChanged):
		c.w.Truncate(mark)
		c.w.NullArray()
		return
	case errors.As(err, &refused): // it was a good moment when EXEC was admitted
		c.w.Truncate(mark)
		c.execAbort(string(refused))
		return
	}
	for queue = queue[n:]; len(queue) > 0; queue = queue[n:] {
		c.execAlone(queue[0])
		queue = queue[1:]
		n = stretch(queue)
		_ = c.execStretch(queue[:n], nil) // an error is what its commands are answered with
	}
}

// stretch is how many commands at the beginning of queue run in one hold of the sequencer.
func stretch(queue []queued) int {
	for i, q := range queue {
		if q.e.keyspace == nil && !underSequencer[q.e.name] {
			return i
		}
	}
	return len(queue)
}

// execStretch runs commands as one. When nothing of it has happened, each of them is answered with the error, which is returned too.
func (c *conn) execStretch(queue []queued, watch *engine.Watch) error {
	if len(queue) == 0 && watch == nil {
		return nil
	}
	p := c.parts()
	if p == nil { // loading: none of them is a keyspace command
		for _, q := range queue {
			c.runQueued(q)
		}
		return nil
	}
	mark := c.w.Len()
	err := p.engine.Transact(c.ctx, &c.session, &c.w, hasWrite(queue), watch, func(x *engine.Transaction) {
		c.tx.within = x
		defer func() { c.tx.within = nil }()
		for _, q := range queue {
			if q.e.keyspace == nil {
				c.runQueued(q)
				continue
			}
			start := c.w.Len()
			x.Run(engine.Request{Cmd: q.e.keyspace, Args: q.args})
			c.commands++
			c.countFailed(start)
		}
	})
	messages := c.tx.messages
	c.tx.messages = nil
	if err == nil {
		for _, m := range messages {
			c.srv.hub.publish(isShardPublish(m[0]), m[1], m[2])
		}
		return nil
	}
	if errors.Is(err, engine.ErrWatchedChanged) {
		return err
	}
	c.w.Truncate(mark)
	var refused engine.RefusedError
	text := err.Error()
	if !errors.As(err, &refused) {
		text = p.engine.ReplyTo(err)
	}
	for range queue {
		c.w.Error(text)
	}
	return err
}

func hasWrite(queue []queued) bool {
	for _, q := range queue {
		if q.e.has(command.Write) {
			return true
		}
	}
	return false
}

// execAlone runs a server command outside the sequencer. It may wait for writes that others have begun, so this connection counts as idle
// meanwhile (pause.go).
func (c *conn) execAlone(q queued) {
	c.endRun()
	c.runQueued(q)
	c.beginRun()
}

// runQueued runs one server command of a transaction.
func (c *conn) runQueued(q queued) {
	start := c.w.Len()
	c.callHandler(q.e, q.args)
	if start = min(start, c.w.Len()); c.countFailed(start) {
		q.e.failed.Add(1)
	}
}

// countFailed counts the reply from start on if it is an error.
func (c *conn) countFailed(start int) bool {
	out := c.w.Since(start)
	if len(out) == 0 || out[0] != '-' {
		return false
	}
	c.srv.stats.countError(out)
	return true
}

// execAbort discards the transaction for a reason that holds for all of it.
func (c *conn) execAbort(reason string) {
	c.discard()
	c.w.Error("EXECABORT Transaction discarded because of: " + reason)
}
