package server

import (
	"context"
	"strings"
	"time"

	"replogd/engine/resp"
)

// maxPause bounds CLIENT PAUSE; Redis' longest is 292 million years.
const maxPause = 100 * 365 * 24 * time.Hour

// cmdClientPause is CLIENT PAUSE timeout [WRITE|ALL], ALL by default. It answers when the writes (all keyspace commands) that other
// clients were in the middle of are done: after the OK, the log grows by no client's write until the pause ends, so that an operator
// can wait for a replica to reach master_repl_offset and promote it. A second pause can make the first longer and stronger, not
// shorter or weaker (measured on 7.0.15).
func cmdClientPause(c *conn, args [][]byte) {
	if len(args) > 4 {
		c.w.Error(clientSyntax(args))
		return
	}
	mode := pauseAll
	if len(args) == 4 {
		switch strings.ToLower(string(args[3])) {
		case "write":
			mode = pauseWrites
		case "all":
		default:
			c.w.Error("ERR CLIENT PAUSE mode must be WRITE or ALL")
			return
		}
	}
	ms, ok := resp.ParseInt(args[2])
	switch {
	case !ok:
		c.w.Error("ERR timeout is not an integer or out of range")
		return
	case ms < 0:
		c.w.Error("ERR timeout is negative")
		return
	}
	length := maxPause
	if ms < maxPause.Milliseconds() {
		length = time.Duration(ms) * time.Millisecond
	}
	end := time.Now().Add(length)
	c.srv.pause.extend(pauseClients, mode, end)
	ctx, cancel := context.WithDeadline(c.ctx, end)
	defer cancel()
	c.srv.waitForRuns(ctx)
	c.w.OK()
}

// cmdClientUnpause ends CLIENT PAUSE. As in Redis, a pause of ALL holds this command back too: only WRITE can be called off.
func cmdClientUnpause(c *conn, _ [][]byte) {
	c.srv.pause.set(pauseClients, pauseNone, time.Time{})
	c.w.OK()
}

// cmdClientUnblock is CLIENT UNBLOCK id [TIMEOUT|ERROR]: the wait of a blocking command ends as if its time were up, or with an
// error. A client that a pause holds back is not unblocked: the answer is 0 (Redis 7.0.15 crashes).
func cmdClientUnblock(c *conn, args [][]byte) {
	if len(args) > 4 {
		c.w.Error(clientSyntax(args))
		return
	}
	reason := errUnblockedAsTimeout
	if len(args) == 4 {
		switch strings.ToLower(string(args[3])) {
		case "timeout":
		case "error":
			reason = errUnblockedAsError
		default:
			c.w.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	}
	id, ok := resp.ParseInt(args[2])
	if !ok {
		c.w.Error(errNotInteger)
		return
	}
	if other := c.srv.clients.find(id); other != nil && other.unblock(reason) {
		c.w.Int(1)
		return
	}
	c.w.Int(0)
}

// clientSyntax is the error for a subcommand of CLIENT with arguments that it does not take.
func clientSyntax(args [][]byte) string {
	return "ERR unknown subcommand or wrong number of arguments for '" + shown(args[1], maxUnknownArgs) + "'. Try CLIENT HELP."
}
