package resp

import "errors"

// ProtocolError is a breach of the protocol by the peer. The connection cannot
// be used any more: where the next frame begins is unknown.
type ProtocolError struct {
	// Text is what Redis sends after "-ERR ", for example
	// "Protocol error: invalid bulk length".
	Text string
}

// Error returns Text.
func (e *ProtocolError) Error() string { return e.Text }

// ErrReplyTooBig is wrapped by ReadReply's error when a reply is larger or deeper
// than the caller allows. It says nothing about the reply being well-formed.
var ErrReplyTooBig = errors.New("reply over the limit")

// The errors of the client side of the protocol, in Redis' words.
var (
	errMultibulkLength = &ProtocolError{"Protocol error: invalid multibulk length"}
	errMultibulkUnauth = &ProtocolError{"Protocol error: unauthenticated multibulk length"}
	errMultibulkLine   = &ProtocolError{"Protocol error: too big mbulk count string"}
	errBulkLength      = &ProtocolError{"Protocol error: invalid bulk length"}
	errBulkUnauth      = &ProtocolError{"Protocol error: unauthenticated bulk length"}
	errBulkLine        = &ProtocolError{"Protocol error: too big bulk count string"}
	errInlineTooBig    = &ProtocolError{"Protocol error: too big inline request"}
	errInlineQuotes    = &ProtocolError{"Protocol error: unbalanced quotes in request"}
)

// errExpectedBulk says which byte stands where a '$' has to. The byte goes into
// the text as it is, like C's %c.
func errExpectedBulk(got byte) *ProtocolError {
	return &ProtocolError{"Protocol error: expected '$', got '" + string([]byte{got}) + "'"}
}

// The errors of a replication stream. They are for the log of this node; the
// sender never sees them.
var (
	errStreamInline  = &ProtocolError{"replication stream: not an array of bulk strings"}
	errStreamLineEnd = &ProtocolError{"replication stream: line or bulk string not ended by CRLF"}
	errStreamEmpty   = &ProtocolError{"replication stream: command without arguments"}
	errStreamTooBig  = &ProtocolError{"replication stream: unit over the size limit"}
	errStreamNested  = &ProtocolError{"replication stream: MULTI inside MULTI"}
	errStreamNoMulti = &ProtocolError{"replication stream: EXEC without MULTI"}
	errStreamDiscard = &ProtocolError{"replication stream: DISCARD cannot be replicated"}
)
