package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
)

const clientTimeout = 30 * time.Second

func init() { redis.SetLogger(quiet{}) } // the pool's opinion on killed servers is not news here

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func clientOptions(addr, pass string, connections int) *redis.Options {
	return &redis.Options{
		Addr:                     addr,
		Password:                 pass,
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		MaxRetries:               -1,
		DialerRetries:            1,
		PoolSize:                 connections,
		DialTimeout:              clientTimeout,
		ReadTimeout:              clientTimeout,
		WriteTimeout:             clientTimeout,
		ContextTimeoutEnabled:    true, // a shorter one of a context counts
	}
}

// isErrorReply: the server answered, with an error. It did not execute the command then, and the outcome is known.
func isErrorReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, redis.Nil)
}

// rawConn speaks bytes, for frames that no client library would send.
type rawConn struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (n *node) dial() *rawConn {
	n.t.Helper()
	c, err := net.DialTimeout("tcp", n.addr(), clientTimeout)
	require.NoError(n.t, err)
	n.t.Cleanup(func() { c.Close() })
	require.NoError(n.t, c.SetDeadline(time.Now().Add(clientTimeout)))
	return &rawConn{t: n.t, Conn: c, r: bufio.NewReader(c)}
}

// send writes bytes; a peer that has already hung up is no failure here: what it said before is what counts.
func (c *rawConn) send(format string, args ...any) *rawConn {
	_, _ = fmt.Fprintf(c, format, args...)
	return c
}

// line reads one line of a reply.
func (c *rawConn) line() string {
	c.t.Helper()
	s, err := c.r.ReadString('\n')
	require.NoError(c.t, err, "read a reply, got %q so far", s)
	return strings.TrimRight(s, "\r\n")
}

// ends fails unless the peer closes the connection, without another byte, in time.
func (c *rawConn) ends(within time.Duration) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	rest, err := io.ReadAll(io.LimitReader(c.r, 1<<16))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatalf("the connection is still open after %v, having said %q", within, rest)
	}
	require.Empty(c.t, string(rest), "bytes before the connection's end")
}
