package server

import (
	"bytes"
	"strings"
	"time"

	"replogd/engine"
	"replogd/engine/command"
)

// handlers are the commands that the server runs itself, by full name.
var handlers = merge(
	connectionCommands, clientCommands, configCommands, commandCommands, serverCommands, replicationCommands, failoverCommands,
	persistenceCommands, transactionCommands, pubSubCommands, scriptCommands, debugCommands,
)

func merge(families ...map[string]handler) map[string]handler {
	all := map[string]handler{}
	for _, family := range families {
		for name, h := range family {
			if all[name] != nil {
				panic("BUG: server: two handlers for " + name)
			}
			all[name] = h
		}
	}
	return all
}

// dispatch admits one command and runs it, or adds it to the run of keyspace commands.
func (c *conn) dispatch(args [][]byte) {
	e, refusal := c.srv.table.lookup(args)
	if e == nil && c.crossProtocol(args[0]) {
		return
	}
	if e != nil {
		c.lastCmd.Store(e)
	}
	if e == nil || !e.loops {
		c.calm = 0
	}
	if e == nil || e.keyspace == nil || c.tx.open {
		c.runKeyspace()
	}
	if refusal == "" {
		refusal = c.admit(e)
	}
	c.beginRun()
	for refusal == "" && c.held(e) {
		c.runKeyspace()
		if !c.waitPause(e) {
			return
		}
		refusal = c.admit(e) // the role, for one, may have changed meanwhile
		c.beginRun()
	}
	if refusal != "" {
		c.runKeyspace()
		c.refuse(e, refusal)
		return
	}
	switch {
	case c.closing:
		c.runKeyspace()
	case c.queueable(e):
		c.endRun()
		c.enqueue(e, args)
	case e.keyspace != nil:
		c.addToRun(e, args)
	case e.name == "exec":
		c.runServer(e, args)
		c.endRun() // not before: a pause waits for what was admitted
	default:
		c.runKeyspace()
		c.runServer(e, args)
	}
}

// held says whether e has to wait for the end of a pause.
func (c *conn) held(e *entry) bool { return c.srv.pause.applies(c.flagsOf(e)) }

// flagsOf are e's, and for EXEC also those of the commands that it will run.
func (c *conn) flagsOf(e *entry) command.Flags {
	if c.tx.open && e.name == "exec" {
		return e.spec.Flags | c.tx.flags
	}
	return e.spec.Flags
}

// crossProtocol closes a connection that speaks HTTP: a browser made to talk to us by a hostile page.
func (c *conn) crossProtocol(name []byte) bool {
	if !bytes.EqualFold(name, []byte("post")) && !bytes.EqualFold(name, []byte("host:")) {
		return false
	}
	c.srv.log.Warn("possible attack: a client sends HTTP (POST or Host:), perhaps cross-protocol scripting; connection aborted", "client", c.addr)
	c.runKeyspace()
	c.closeAfterReply()
	return true
}

// refuse answers a command that was not run.
func (c *conn) refuse(e *entry, refusal string) {
	if e != nil {
		e.rejected.Add(1)
	}
	start := c.w.Len()
	if e != nil && e.name == "exec" {
		c.execAbort(strings.TrimPrefix(refusal, "ERR "))
	} else {
		c.tx.aborted = c.tx.open
		c.w.Error(refusal)
	}
	c.srv.stats.countError(c.w.Since(start))
	c.settle(start)
}

// addToRun queues a keyspace command until the run is full or something else comes.
func (c *conn) addToRun(e *entry, args [][]byte) {
	from := len(c.argv)
	c.argv = append(c.argv, args...)
	c.run = append(c.run, engine.Request{Cmd: e.keyspace, Args: c.argv[from:len(c.argv):len(c.argv)]})
	if len(c.run) >= c.runLimit || c.replySkip {
		c.runKeyspace()
	}
}

// runKeyspace executes the queued keyspace commands in one call of the engine.
func (c *conn) runKeyspace() {
	defer c.endRun()
	n := len(c.run)
	if n == 0 {
		return
	}
	start := c.w.Len()
	c.streamReplies()
	c.parts().engine.Exec(c.ctx, &c.session, c.run, &c.w)
	c.w.HandOut = nil
	c.executed(start, n)
}

// executed is what follows upon the execution of the first n commands of a run, whose replies begin at start; the others are forgotten.
func (c *conn) executed(start, n int) {
	c.commands += uint64(n) //nolint:gosec // a count
	replies := c.w.Since(start)
	c.srv.stats.countErrors(replies)
	if len(replies) > maxRunReplies {
		c.runLimit = 1
	} else if n == c.runLimit {
		c.runLimit = min(max(2*c.runLimit, minRun), maxRun)
	}
	c.settle(start)
	clear(c.run)
	c.run = c.run[:0]
	clear(c.argv)
	c.argv = c.argv[:0]
	if cap(c.argv) > maxKeptArgv {
		c.argv = nil
	}
	c.checkOutputLimit()
}

// runServer executes a server command and counts it.
func (c *conn) runServer(e *entry, args [][]byte) {
	start := c.w.Len()
	c.argvMem.Store(argvBytes(args))
	c.callHandler(e, args)
	c.argvMem.Store(0)
	start = min(start, c.w.Len()) // a command that waited has flushed what stood before its reply
	if out := c.w.Since(start); len(out) > 0 && out[0] == '-' {
		e.failed.Add(1)
		c.srv.stats.countError(out)
	}
	c.settle(start)
	c.checkOutputLimit()
}

// callHandler runs a handler of the server and counts the call.
func (c *conn) callHandler(e *entry, args [][]byte) {
	began := time.Now()
	e.handle(c, args)
	e.nanos.Add(uint64(time.Since(began))) //nolint:gosec // monotonic: never negative
	e.calls.Add(1)
	c.commands++
}

// settle applies CLIENT REPLY to what was written from start on, and moves SKIP one command further.
func (c *conn) settle(start int) {
	if c.replyOff || c.replySkip {
		c.w.Truncate(start)
	}
	c.replySkip, c.replySkipNext = c.replySkipNext, false
	if c.commands >= maxRun {
		c.publishCommands()
	}
}

func (c *conn) publishCommands() {
	if c.commands > 0 {
		c.srv.stats.commands.Add(c.commands)
		c.commands = 0
	}
}

// checkOutputLimit closes a client whose unsent replies pass the hard limit of client-output-buffer-limit normal. The soft limit is
// the housekeeper's.
func (c *conn) checkOutputLimit() {
	limit := c.srv.cfg.Current().ClientOutputBufferLimit.Normal.Hard
	if limit <= 0 || int64(len(c.w.Bytes())) <= limit {
		return
	}
	c.srv.log.Warn("closing client over client-output-buffer-limit", "client", c.addr, "id", c.id, "owed", len(c.w.Bytes()), "limit", limit)
	c.kill()
}

func argvBytes(args [][]byte) int64 {
	n := 0
	for _, a := range args {
		n += len(a)
	}
	return int64(n)
}

func (c *conn) lastCommandName() string {
	if e := c.lastCmd.Load(); e != nil {
		return e.name
	}
	return "NULL"
}
