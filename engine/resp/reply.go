package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Reply is one reply of a peer.
type Reply struct {
	// Kind is the reply's first byte: '+', '-', ':', '$' or '*'.
	Kind byte
	// Str is the text of '+', '-' and '$'. An error's text has its code and no '-'.
	Str []byte
	// Int is the value of ':'.
	Int int64
	// Null marks $-1 and *-1.
	Null bool
	// Elems are the elements of '*'.
	Elems []Reply
}

// ReadReply reads one RESP2 reply as a client does, for handshakes: simple
// string, error, integer, bulk string, or array, nested up to 8 deep. Bare line
// feeds before it, which a master sends to keep a waiting link alive, are skipped.
//
// maxBytes bounds the reply on the wire; a length over what is left of it fails
// with ErrReplyTooBig before anything is allocated for it. A breach of the protocol
// is a *ProtocolError; io.EOF means that the peer closed before the reply began,
// io.ErrUnexpectedEOF that it closed within it; other errors are the reader's.
//
// It blocks for as long as r does: deadlines are the caller's. Where each
// keep-alive is to extend the deadline, call SkipKeepAlives first. The reply is
// the caller's.
func ReadReply(r *bufio.Reader, maxBytes int) (Reply, error) {
	for {
		done, err := skipKeepAlive(r)
		if err != nil {
			return Reply{}, err
		}
		if done {
			break
		}
	}
	rr := replyReader{r: r, left: maxBytes}
	rep, err := rr.read(1)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return rep, err
}

// SkipKeepAlives waits for the first byte and, if it is a line feed, drops it and
// returns true: the peer is alive and has not answered yet. false means that a
// reply begins; nothing of it has been taken.
func SkipKeepAlives(r *bufio.Reader) (alive bool, err error) {
	done, err := skipKeepAlive(r)
	return err == nil && !done, err
}

func skipKeepAlive(r *bufio.Reader) (done bool, err error) {
	b, err := r.ReadByte()
	if err != nil {
		return false, err
	}
	if b == '\n' {
		return false, nil
	}
	return true, r.UnreadByte()
}

// replyReader reads one reply within a budget of bytes.
type replyReader struct {
	r    *bufio.Reader
	left int // bytes of the budget not yet spent
}

func (rr *replyReader) read(depth int) (Reply, error) {
	line, err := rr.line()
	if err != nil {
		return Reply{}, err
	}
	if len(line) == 0 {
		return Reply{}, &ProtocolError{"reply: empty line"}
	}
	rep := Reply{Kind: line[0]}
	body := line[1:]
	if rep.Kind == '+' || rep.Kind == '-' {
		rep.Str = body
		return rep, nil
	}
	if rep.Kind != ':' && rep.Kind != '$' && rep.Kind != '*' {
		return Reply{}, &ProtocolError{fmt.Sprintf("reply: unknown type byte %q", rep.Kind)}
	}
	n, ok := ParseInt(body)
	if !ok || (rep.Kind != ':' && n < -1) {
		return Reply{}, &ProtocolError{fmt.Sprintf("reply: invalid number %.40q", line)}
	}
	switch {
	case rep.Kind == ':':
		rep.Int = n
	case n < 0:
		rep.Null = true
	case rep.Kind == '$':
		rep.Str, err = rr.bulk(n)
	default:
		rep.Elems, err = rr.array(n, depth)
	}
	if err != nil {
		return Reply{}, err
	}
	return rep, nil
}

// line reads up to CRLF, which it drops. The bytes are a copy.
func (rr *replyReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := rr.r.ReadSlice('\n')
		if len(part) > rr.left {
			return nil, fmt.Errorf("read line of reply: %w", ErrReplyTooBig)
		}
		rr.left -= len(part)
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return nil, &ProtocolError{fmt.Sprintf("reply: line not ended by CRLF: %.40q", line)}
	}
	return line[: len(line)-2 : len(line)-2], nil
}

// bulk reads n bytes and CRLF. Memory grows with the bytes, not with n.
func (rr *replyReader) bulk(n int64) ([]byte, error) {
	if n > int64(rr.left)-2 {
		return nil, fmt.Errorf("read bulk string of %d bytes: %w", n, ErrReplyTooBig)
	}
	rr.left -= int(n) + 2
	buf := make([]byte, 0, min(n, replyChunk)+2)
	for want := int(n) + 2; len(buf) < want; {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		part := buf[len(buf):min(want, cap(buf))]
		if _, err := io.ReadFull(rr.r, part); err != nil {
			return nil, err
		}
		buf = buf[:len(buf)+len(part)]
	}
	if buf[n] != '\r' || buf[n+1] != '\n' {
		return nil, &ProtocolError{"reply: bulk string not ended by CRLF"}
	}
	return buf[:n:n], nil
}

// array reads n elements. Memory grows with the elements, not with n.
func (rr *replyReader) array(n int64, depth int) ([]Reply, error) {
	if depth >= maxReplyDepth && n > 0 {
		return nil, fmt.Errorf("read array nested %d deep: %w", depth+1, ErrReplyTooBig)
	}
	if n > int64(rr.left)/minReplyBytes {
		return nil, fmt.Errorf("read array of %d elements: %w", n, ErrReplyTooBig)
	}
	elems := []Reply{}
	for range n {
		e, err := rr.read(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, e)
	}
	return elems, nil
}
