package server

import (
	"errors"
	"os"
	"time"

	"replogd/engine"
)

// A long reply (HGETALL, LRANGE ... of a large collection) is sent while it is read, so that it takes no memory. The read stands on a view of
// the keyspace, which keeps memtables and files from being given back: a client that does not take its reply in time gets the rest into
// its buffer, where client-output-buffer-limit counts it, and the view ends.
const (
	// streamPatience is how long a portion may take before the rest of the replies is buffered.
	streamPatience = 500 * time.Millisecond
	// streamLimit is how long all portions of a run of commands may take.
	streamLimit = 10 * time.Second
)

// streamReplies has the replies of the run that follows sent in portions, unless they are not to be sent at all.
func (c *conn) streamReplies() {
	if c.replyOff || c.replySkip || c.out != nil {
		return
	}
	if c.handOut == nil { // made once: a closure per run would be an allocation
		c.handOut = c.sendPortion
	}
	c.streamUntil = time.Time{}
	c.w.HandOut = c.handOut
}

// sendPortion is the connection's resp.Writer.HandOut.
func (c *conn) sendPortion(p []byte) (taken int, more bool, err error) {
	if !c.makeSafe() {
		return 0, false, engine.ErrUnread
	}
	now := time.Now()
	if c.streamUntil.IsZero() {
		c.streamUntil = now.Add(streamLimit)
	}
	if now.After(c.streamUntil) {
		return 0, false, nil
	}
	c.publishReply(len(p))
	c.writeDeadline = time.Time{} // the next whole write sets its own
	if c.nc.SetWriteDeadline(now.Add(streamPatience)) != nil {
		return 0, false, engine.ErrUnread
	}
	taken, err = c.sock.write(p)
	c.srv.stats.netOut.Add(uint64(taken)) //nolint:gosec // never negative
	switch {
	case err == nil:
		c.srv.stats.writes.Add(1)
		return taken, true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return taken, false, nil
	default:
		return taken, false, engine.ErrUnread
	}
}
