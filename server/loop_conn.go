package server

import (
	"fmt"
	"syscall"

	"replogd/engine"
	"replogd/engine/command"
)

// loopCommands are commands that a loop runs although Redis does not call them fast: what they do grows with what the client has sent or
// with the reply, and both are bounded here.
var loopCommands = nameSet(
	"set", "setex", "psetex", "mset", "msetnx", "del", "lrange", "lindex", "lset", "hgetall", "hkeys", "hvals", "hmset", "smembers",
	"ping", "echo", "select", "auth", "hello", "client|setinfo", "client|setname", "client|getname", "client|id",
)

// longCommands are commands that Redis calls fast and that may take long here, whatever their reply: there is no index of ranks, so the one
// kind walks over members, or pending entries; the other reads or rewrites a string that may be large.
var longCommands = nameSet("zrank", "zrevrank", "zcount", "zlexcount", "xautoclaim", "strlen", "append")

// loopGroups are the groups of which a loop runs the commands that Redis calls fast. Of the others some touch the whole server.
var loopGroups = nameSet("string", "hash", "list", "set", "sorted-set", "generic", "stream")

func nameSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// loopable says whether a loop may run e.
func loopable(e *entry) bool {
	return loopCommands[e.name] ||
		e.keyspace != nil && e.has(command.Fast) && !e.has(command.Blocking) && loopGroups[e.spec.Group] && !longCommands[e.name]
}

// drainLooped runs every complete command at hand that a loop may run. false: the next one needs a goroutine; nothing of it has been done.
func (c *conn) drainLooped() (stays bool) {
	full, from := c.e == len(c.buf), c.r
	for {
		args, n, err := c.nextCommand()
		if err != nil {
			return c.endLooped(from, full, false)
		}
		if n == 0 {
			return c.endLooped(from, full, true)
		}
		if len(args) == 0 {
			c.r += n
			continue
		}
		e, refusal := c.srv.table.lookup(args)
		if e == nil || refusal != "" || !e.loops || len(args) > maxLoopArgs || c.tx.open || c.replySkip || c.admit(e) != "" {
			return c.endLooped(from, full, false)
		}
		if c.beginRun(); c.held(e) || (e.keyspace == nil && !c.runLooped()) {
			return c.endLooped(from, full, false)
		}
		c.lastCmd.Store(e)
		at := c.r
		c.r += n
		if e.keyspace == nil {
			c.runServer(e, args)
			continue
		}
		first := len(c.argv)
		c.argv = append(c.argv, args...)
		c.run = append(c.run, engine.Request{Cmd: e.keyspace, Args: c.argv[first:len(c.argv):len(c.argv)]})
		c.runAt = append(c.runAt, at)
		if len(c.run) >= c.runLimit && !c.runLooped() {
			return c.endLooped(from, full, false)
		}
	}
}

// endLooped runs what was collected and does what is due after a round.
func (c *conn) endLooped(from int, full, stays bool) bool {
	stays = c.runLooped() && stays && !c.closing
	c.publishCommands()
	c.notePartial(c.r > from)
	c.widen(full)
	return stays
}

// runLooped executes the collected commands. false: from some command on they need a goroutine; c.r is before that one again.
func (c *conn) runLooped() bool {
	defer c.endRun()
	n := len(c.run)
	if n == 0 {
		return true
	}
	start := c.w.Len()
	c.w.Limit = maxLoopReplies
	done := c.parts().engine.TryExec(c.ctx, &c.session, c.run, &c.w)
	c.w.Limit = 0
	if done < n {
		c.r = c.runAt[done]
		c.parser.Reset() // it may have seen the beginning of a later one
	}
	c.runAt = c.runAt[:0]
	c.executed(start, done)
	return done == n
}

// writeNow writes the replies as far as the peer takes them at once; the rest stays.
func (c *conn) writeNow() (whole bool, err error) {
	p := c.w.Bytes()
	c.measureReply(len(p))
	n, errno := c.line.write(p[c.sent:])
	if errno == syscall.EAGAIN {
		n, errno = 0, 0
	}
	if errno != 0 {
		return false, fmt.Errorf("write to client: %w", errno)
	}
	c.srv.stats.netOut.Add(uint64(n)) //nolint:gosec // never negative
	if c.sent += n; c.sent < len(p) {
		c.owed.Store(int64(len(p) - c.sent))
		return false, nil
	}
	c.srv.stats.writes.Add(1)
	c.written()
	return true, nil
}

// joinLoop gives a connection whose goroutine has had nothing but ordinary commands for a while to a loop; then the goroutine ends.
func (c *conn) joinLoop() bool {
	if c.calm++; c.calm < calmRounds {
		return false
	}
	c.calm = 0
	if c.closing || c.tx.open || c.out != nil || c.peer != nil || c.replySkip || c.replySkipNext || c.subs.subscribed() || c.killed() || c.e-c.r >= maxLoopInput {
		return false
	}
	return c.srv.takeIn(c)
}
