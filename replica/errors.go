package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Errors of this package. All of them reach callers wrapped with what was being done; compare with errors.Is.
var (
	// ErrClosed is returned by every method of a Node after Close.
	ErrClosed = errors.New("replica: node is closed")
	// ErrNotStarted is returned before Start has given the node its role. Replicas are told -LOADING meanwhile.
	ErrNotStarted = errors.New("replica: node has no role yet")
	// ErrRDBTransfer says that the RDB which a stock master has sent cannot be loaded. The data at hand stays as it is.
	ErrRDBTransfer = errors.New("the master's RDB cannot be loaded; the data here is kept")
	// ErrProtocol marks bytes of a peer that no correct peer sends. The link is dropped; nothing of what was refused is kept.
	ErrProtocol = errors.New("replica: protocol violation")
	// ErrTransfer marks a checkpoint transfer whose bytes do not match their checksums.
	ErrTransfer = errors.New("replica: damaged checkpoint transfer")
	// ErrSelf says that following this master would make a loop of nodes that wait for each other.
	ErrSelf = errors.New("the master is this very node, or follows it")
)

// raiseBacklogMax tells the operators of both sides why a full sync came to nothing, and what to do.
const raiseBacklogMax = "repl-backlog-max-size took the log the replica would need: raise it"

// errLogTaken: the log behind a checkpoint is gone, so nobody could continue from it.
var errLogTaken = errors.New(raiseBacklogMax)

// errGivenUp: the master cannot complete the full sync; what was received of it is of no use.
var errGivenUp = errors.New("the master gives the full sync up")

// errInterrupted ends a feed or a link on purpose: its text is the reason the log shows.
type errInterrupted struct{ reason string }

func (e errInterrupted) Error() string { return e.reason }

func protocolErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// ReplyError is an error whose text is a whole error reply for the client.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// masterError is an error reply of the master. Retrying may help (a password is set, a load ends), so it never ends a link for good.
type masterError struct {
	step string // what we had sent
	text string // the reply, without the '-'
}

func (e masterError) Error() string { return fmt.Sprintf("master answers %s with: %s", e.step, e.text) }

// describe gives an error's text without what changes from try to try (ephemeral ports), so that "log once per change" works.
func describe(err error) string {
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, os.ErrDeadlineExceeded):
		return prefixOf(err, &op) + "timed out: the peer was silent for repl-timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the peer closed the connection"
	case errors.As(err, &op):
		return prefixOf(err, &op) + op.Err.Error()
	}
	return err.Error()
}

func prefixOf(err error, op **net.OpError) string {
	if errors.As(err, op) {
		return (*op).Op + ": "
	}
	return ""
}

// causeOf prefers the reason a context was cancelled with over the I/O error that the cancelling provoked.
func causeOf(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}
