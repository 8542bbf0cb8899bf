package replica

import (
	"net"
	"sync/atomic"
	"time"
)

// timedConn gives every read and write of a link its own deadline, so that only silence ends it, and keeps count.
type timedConn struct {
	net.Conn
	timeout func() time.Duration
	lastIO  *atomic.Int64  // unix ns of the last byte received
	in      *atomic.Uint64 // bytes received
}

// Read waits for at most the timeout.
func (c *timedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout())); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.lastIO.Store(time.Now().UnixNano())
		c.in.Add(uint64(n))
	}
	return n, err
}

// Write waits for at most the timeout.
func (c *timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout())); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
