package server

import (
	"sync"
	"time"
)

// outbox is how others write to a client: a subscriber's goroutine waits for commands while publishers have messages for it. From its first
// subscription on, a connection's replies go through the outbox too, so that messages and replies come in one order and never into each
// other. A goroutine of its own writes what is there. The queue is bounded: messages by client-output-buffer-limit pubsub, which closes the
// client, replies by replyPortion, beyond which the client's own commands wait.
type outbox struct {
	c       *conn
	kick    chan struct{} // there is something to write, or the end
	written chan struct{} // something has been written
	done    chan struct{} // the goroutine has ended

	mu struct {
		sync.Mutex
		buf   []byte
		ended bool // nothing may be added any more
	}
}

func newOutbox(c *conn) *outbox {
	o := &outbox{c: c, kick: make(chan struct{}, 1), written: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// run writes until the end, or until the connection is dead.
func (o *outbox) run() {
	defer close(o.done)
	var spare []byte
	for {
		select {
		case <-o.kick:
		case <-o.c.ctx.Done():
			return
		}
		for {
			b, ended := o.take(spare)
			if len(b) == 0 {
				if ended {
					return
				}
				break
			}
			if !o.write(b) {
				o.c.kill()
				return
			}
			if spare = b; cap(spare) > keepReadBuffer {
				spare = nil
			}
			o.c.queued.Add(-int64(len(b)))
			signal(o.written)
		}
	}
}

// take exchanges the buffer for spare, unless there is nothing in it.
func (o *outbox) take(spare []byte) (b []byte, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.mu.buf) == 0 {
		return nil, o.mu.ended
	}
	b, o.mu.buf = o.mu.buf, spare[:0]
	return b, o.mu.ended
}

// write writes b; each chunk has writeTimeout.
func (o *outbox) write(b []byte) bool {
	c := o.c
	for len(b) > 0 {
		chunk := b[:min(len(b), writeChunk)]
		if c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return false
		}
		n, err := c.nc.Write(chunk)
		c.srv.stats.netOut.Add(uint64(n)) //nolint:gosec // never negative
		if err != nil {
			return false
		}
		b = b[n:]
	}
	c.srv.stats.writes.Add(1)
	return true
}

// add queues b, which is copied. false: the connection is about to end.
func (o *outbox) add(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.ended {
		return false
	}
	o.mu.buf = append(o.mu.buf, b...)
	o.c.queued.Add(int64(len(b)))
	signal(o.kick)
	return true
}

// message queues a published message. A client that does not keep up is closed, as client-output-buffer-limit says.
func (o *outbox) message(b []byte) {
	c := o.c
	if limit := c.srv.cfg.Current().ClientOutputBufferLimit.PubSub.Hard; limit > 0 && c.queued.Load()+int64(len(b)) > limit {
		if !c.killed() {
			c.srv.log.Warn("closing subscriber over client-output-buffer-limit", "client", c.addr, "id", c.id, "owed", c.queued.Load(), "limit", limit)
		}
		c.kill()
		return
	}
	o.add(b)
}

// reply queues the client's own replies and waits while too much is queued. false: the connection is dead.
func (o *outbox) reply(b []byte) bool {
	if !o.add(b) {
		return false
	}
	for o.c.queued.Load() > replyPortion {
		select {
		case <-o.written:
		case <-o.done:
			return false
		}
	}
	return true
}

// end has the goroutine write what is queued, unless the connection is dead, and waits for it.
func (o *outbox) end() {
	o.mu.Lock()
	o.mu.ended = true
	o.mu.Unlock()
	signal(o.kick)
	<-o.done
}

// signal sets a flag that somebody waits for; a channel of one slot.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
