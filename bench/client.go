package bench

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	clientBuffer = 64 << 10
	// replyWithin bounds the wait for one reply.
	replyWithin = 2 * time.Minute
)

// Client is a connection. One goroutine uses it.
type Client struct {
	nc net.Conn
	r  *bufio.Reader
	w  []byte
}

// Dial connects.
func Dial(ctx context.Context, addr string) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Client{nc: nc, r: bufio.NewReaderSize(nc, clientBuffer)}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.nc.Close() } // nothing depends on how it ends

// queue appends a command to what Flush sends.
func (c *Client) queue(args ...string) {
	c.w = append(c.w, '*')
	c.w = strconv.AppendInt(c.w, int64(len(args)), 10)
	c.w = append(c.w, "\r\n"...)
	for _, a := range args {
		c.w = append(c.w, '$')
		c.w = strconv.AppendInt(c.w, int64(len(a)), 10)
		c.w = append(c.w, "\r\n"...)
		c.w = append(c.w, a...)
		c.w = append(c.w, "\r\n"...)
	}
}

// flush sends what is queued.
func (c *Client) flush() error {
	if err := c.nc.SetDeadline(time.Now().Add(replyWithin)); err != nil {
		return err
	}
	_, err := c.nc.Write(c.w)
	c.w = c.w[:0]
	return err
}

// errReply is an error reply of the server.
type errReply string

func (e errReply) Error() string { return string(e) }

// errBadReply is an answer that is no RESP2.
var errBadReply = errors.New("bench: the server answers with something that is no reply")

// skip reads one reply and forgets it, unless it is an error.
func (c *Client) skip() error {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 3 {
		return errBadReply
	}
	switch line[0] {
	case '+', ':':
		return nil
	case '-':
		return errReply(strings.TrimSpace(string(line[1:])))
	}
	n, err := strconv.Atoi(string(line[1 : len(line)-2]))
	if err != nil {
		return errBadReply
	}
	if line[0] == '$' {
		if n >= 0 {
			_, err = c.r.Discard(n + 2)
		}
		return err
	}
	for range max(n, 0) {
		if err := c.skip(); err != nil {
			return err
		}
	}
	return nil
}

// text reads a reply that is one string or number.
func (c *Client) text() (string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errBadReply
	}
	switch line[0] {
	case '+', ':':
		return line[1:], nil
	case '-':
		return "", errReply(line[1:])
	case '$':
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		body := make([]byte, n+2)
		_, err = io.ReadFull(c.r, body)
		return string(body[:n]), err
	}
	return "", errBadReply
}

// Do runs one command and returns its reply's text.
func (c *Client) Do(args ...string) (string, error) {
	c.queue(args...)
	if err := c.flush(); err != nil {
		return "", err
	}
	return c.text()
}

// Info is INFO's fields.
func (c *Client) Info() (map[string]string, error) {
	text, err := c.Do("INFO")
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}
