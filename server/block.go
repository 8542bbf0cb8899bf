package server

import (
	"context"
	"errors"
	"time"
)

// Why a wait ended before its time: the cause of its context.
var (
	errRoleChanged        = errors.New("unblocked by a change of role")
	errUnblockedAsTimeout = errors.New("unblocked by CLIENT UNBLOCK, as if its time were up")
	errUnblockedAsError   = errors.New("unblocked by CLIENT UNBLOCK, with an error")
)

// blocked is a wait that others may end.
type blocked struct {
	cancel context.CancelCauseFunc
}

// block runs wait with a context that ends after timeout (0: never), when the client is killed or gone, or (if unblockable)
// when the node's role changes or CLIENT UNBLOCK says so. What is owed to the client is written first. It returns the reason for an early end: nil
// when wait came to its end or timed out, the context's cause otherwise. gone is true when nobody is left to answer.
func (c *conn) block(timeout time.Duration, unblockable bool, wait func(context.Context)) (gone bool, reason error) {
	if !c.flush() {
		c.closing = true
		return true, nil
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	timed := ctx
	if timeout > 0 {
		var stop context.CancelFunc
		timed, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	if unblockable {
		c.setBlocked(&blocked{cancel: cancel})
	}
	c.setFlag(flagBlocked, true)
	c.waiting.Store(time.Now().UnixNano())
	wait(timed)
	c.setBlocked(nil) // before the look at ctx: an unblock that says it worked has worked
	c.waiting.Store(0)
	c.setFlag(flagBlocked, false)
	c.lastActive.Store(time.Now().UnixNano())
	if c.ctx.Err() != nil {
		c.closing = true
		return true, nil
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return false, nil
}

func (c *conn) setBlocked(b *blocked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.blocked = b
}

// unblock ends the connection's wait, if it is in one that may be ended.
func (c *conn) unblock(cause error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.blocked == nil {
		return false
	}
	c.mu.blocked.cancel(cause)
	c.mu.blocked = nil
	return true
}
