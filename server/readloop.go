package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"time"

	"replogd/backlog"
	"replogd/engine/resp"
)

// serve is the goroutine of a connection that no loop has. It begins with what the loop has left unread, undone and unsent, and ends
// with the connection, or when a loop takes it.
func (c *conn) serve() {
	joined := false
	defer c.srv.wg.Done()
	defer func() {
		if !joined {
			c.finish()
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			c.srv.log.Error("BUG: a command panicked; its connection is closed", "client", c.addr, "id", c.id,
				"command", c.lastCommandName(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	for c.drain() && c.flush() && !c.closing {
		if joined = c.joinLoop(); joined || !c.fill() {
			return
		}
	}
}

// finish releases everything the connection holds.
func (c *conn) finish() {
	c.leaveHub()
	c.endOutbox()
	c.cancel()
	c.unwatch()
	c.endRun() // what a panic or a dead peer left unexecuted stays so
	c.srv.stats.commands.Add(c.commands)
	c.srv.clients.remove(c) // before the peer can know: CLIENT LIST has no client that has seen its connection closed
	c.closeEnd()
}

// endOutbox has the outbox write the rest, unless the connection is dead.
func (c *conn) endOutbox() {
	if c.out != nil {
		c.out.end()
		c.out = nil
	}
}

// fill reads once. false ends the connection.
func (c *conn) fill() bool {
	if !c.makeRoom() {
		return false
	}
	n, err := c.sock.read(c.buf[c.e:])
	if n > 0 {
		c.received(n)
		return true
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !c.killed() {
		c.srv.log.Debug("read from client", "client", c.addr, "err", err)
	}
	return false
}

// received counts n bytes that a read has put behind the others.
func (c *conn) received(n int) {
	c.e += n
	c.queryLen.Store(int64(c.e - c.r))
	c.queryCap.Store(int64(cap(c.buf)))
	c.lastActive.Store(time.Now().UnixNano())
	c.srv.stats.netIn.Add(uint64(n)) //nolint:gosec // never negative
	c.srv.stats.reads.Add(1)
	c.srv.stats.maxQuery.see(int64(c.e - c.r))
}

// makeRoom sees to it that the next read has space. The buffer grows with what has arrived: a client that announces a large bulk
// string and sends nothing costs nothing.
func (c *conn) makeRoom() bool {
	held := c.e - c.r
	if limit := c.srv.cfg.Current().ClientQueryBufferLimit; limit > 0 && int64(held) > limit {
		c.srv.log.Warn("closing client that reached client-query-buffer-limit", "client", c.addr, "id", c.id, "bytes", held)
		return false
	}
	if c.r > 0 {
		copy(c.buf, c.buf[c.r:c.e])
		c.r, c.e = 0, held
	}
	size := cap(c.buf)
	switch {
	case size == 0:
		size = minReadBuffer
	case held == 0 && size > keepReadBuffer:
		size = pipelineReadBuffer
	case held < size:
		return true
	default:
		size = max(min(c.parser.Need(), readBufferGrowth*held), 2*held)
	}
	next := make([]byte, size)
	copy(next, c.buf[:held])
	c.buf = next
	return true
}

// drain parses and runs every complete command at hand. false ends the connection at once.
func (c *conn) drain() bool {
	full, from := c.e > 0 && c.e == len(c.buf), c.r
	for !c.closing {
		args, n, err := c.nextCommand()
		if err != nil {
			return c.protocolError(err)
		}
		if n == 0 {
			break
		}
		c.r += n
		if len(args) == 0 {
			continue
		}
		c.dispatch(args)
		if len(c.w.Bytes()) >= replyPortion && !c.flush() {
			return false
		}
	}
	c.runKeyspace()
	if c.killed() {
		return false
	}
	c.publishCommands()
	c.notePartial(c.r > from)
	c.widen(full)
	return true
}

// nextCommand parses the command at c.r, which it does not move; n is its length, 0 if it is not there yet.
func (c *conn) nextCommand() (args [][]byte, n int, err error) {
	args, n, err = c.parser.Next(c.buf[c.r:c.e], c.limits())
	if len(args) > 0 && c.buf[c.r] != '*' { // inline: these alias the parser, which the next command overwrites while a run is collected
		for i, a := range args {
			args[i] = bytes.Clone(a)
		}
	}
	return args, n, err
}

// widen gives a client whose last read has filled the buffer, as one that pipelines does, a larger one.
func (c *conn) widen(full bool) {
	if full && len(c.buf) < pipelineReadBuffer && c.r == c.e {
		c.buf = make([]byte, pipelineReadBuffer)
		c.r, c.e = 0, 0
	}
}

// limits are those of the next command.
func (c *conn) limits() resp.Limits {
	return resp.Limits{MaxBulk: c.srv.cfg.Current().ProtoMaxBulkLen, Unauthenticated: c.authRequired()}
}

// notePartial tells the housekeeper about an unfinished command of a client that has not authenticated.
func (c *conn) notePartial(progress bool) {
	switch {
	case c.r == c.e || !c.authRequired():
		if c.partial.Load() != 0 {
			c.partial.Store(0)
		}
	case progress || c.partial.Load() == 0:
		c.partial.Store(time.Now().UnixNano())
	}
}

// protocolError answers what came before, then the error, and closes.
func (c *conn) protocolError(err error) bool {
	c.runKeyspace()
	c.srv.log.Debug("protocol error from client", "client", c.addr, "id", c.id, "err", err)
	start := c.w.Len()
	c.w.Error("ERR " + err.Error())
	c.srv.stats.countError(c.w.Since(start))
	if c.replyOff || c.replySkip {
		c.w.Truncate(start)
	}
	if c.flush() {
		lingerRead(c.nc)
	}
	return false
}

// lingerRead tells the peer that no more will be written and swallows what it still sends, within bounds: closing with unread
// bytes would reset the connection, and the error text would be lost.
func lingerRead(nc net.Conn) {
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		if cw.CloseWrite() != nil {
			return
		}
	}
	if nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, nc, lingerBytes) // whatever ends it, the connection is closed next
}

// flush makes sure that the log is as safe as appendfsync demands for what the replies say, and writes them. false ends the
// connection: the peer is gone, or the log has failed and what happened to its writes is unknown, so nothing is said.
func (c *conn) flush() bool {
	if c.w.Torn() {
		return false
	}
	if len(c.w.Bytes()) == 0 {
		c.written() // what was sent in portions had been counted
		return true
	}
	if !c.makeSafe() {
		return false
	}
	ok := c.write(c.w.Bytes()[c.sent:])
	c.written()
	return ok
}

// written forgets replies that have been sent.
func (c *conn) written() {
	c.w.Reset()
	c.sent = 0
	c.owed.Store(0)
}

// makeSafe waits until the log is as safe as appendfsync demands for the replies so far.
func (c *conn) makeSafe() bool {
	if p := c.parts(); p != nil && c.session.Need > p.backlog.Safe() {
		if !c.waitSafe(p.backlog) {
			return false
		}
	}
	c.session.Need = 0
	return true
}

func (c *conn) waitSafe(b *backlog.Backlog) bool {
	c.owed.Store(int64(len(c.w.Bytes())))
	c.waiting.Store(time.Now().UnixNano())
	err := b.WaitSafe(c.ctx, c.session.Need)
	c.waiting.Store(0)
	if err == nil {
		return true
	}
	if c.ctx.Err() == nil {
		c.srv.log.Error("replies withheld: the log could not be made safe; closing the client", "client", c.addr, "id", c.id, "err", err)
	}
	return false
}

// write sends b. Each chunk has writeTimeout: a slow peer may take its time, one that takes nothing is closed.
func (c *conn) write(b []byte) bool {
	c.publishReply(len(b))
	if c.out != nil {
		return c.out.reply(b)
	}
	for len(b) > 0 {
		chunk := b[:min(len(b), writeChunk)]
		c.armWriteDeadline()
		n, err := c.sock.write(chunk)
		c.srv.stats.netOut.Add(uint64(n)) //nolint:gosec // never negative
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.srv.log.Warn("closing client that takes no replies", "client", c.addr, "id", c.id, "owed", len(b), "for", writeTimeout)
			}
			return false
		}
		b = b[len(chunk):]
		c.owed.Store(int64(len(b)))
	}
	c.srv.stats.writes.Add(1)
	return true
}

// armWriteDeadline renews the deadline once a good part of it is used up; setting it for every reply would cost a timer each.
func (c *conn) armWriteDeadline() {
	now := time.Now()
	if c.writeDeadline.Sub(now) > writeTimeout-writeDeadlineSlack {
		return
	}
	c.writeDeadline = now.Add(writeTimeout)
	_ = c.nc.SetWriteDeadline(c.writeDeadline) // fails only on a closed connection, as the write will
}

func (c *conn) publishReply(n int) {
	c.owed.Store(int64(n))
	c.measureReply(n)
}

// measureReply keeps the figures of CLIENT LIST and INFO about replies.
func (c *conn) measureReply(n int) {
	size := int64(cap(c.w.Bytes()))
	c.replyCap.Store(size)
	if int64(n) > c.replyPeak.Load() {
		c.replyPeak.Store(int64(n))
	}
	c.srv.stats.maxReply.see(int64(n))
}
