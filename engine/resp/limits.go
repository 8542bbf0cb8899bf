package resp

import "math"

// Defaults and fixed bounds of the protocol.
const (
	// DefaultMaxArgs is the highest argument count of one command: what a signed
	// 32-bit number holds, as in Redis 7.0.15.
	DefaultMaxArgs = math.MaxInt32
	// DefaultMaxBulk is Redis' default proto-max-bulk-len, 512 MiB.
	DefaultMaxBulk = 512 << 20
	// DefaultMaxInline is the longest inline command and the longest length line.
	DefaultMaxInline = 64 << 10

	// maxBulkBound keeps sums of a position and a length within int64.
	maxBulkBound = 1 << 62

	// UnauthenticatedMaxArgs and UnauthenticatedMaxBulk bound commands of a client
	// that has not passed AUTH where a password is required.
	UnauthenticatedMaxArgs = 10
	UnauthenticatedMaxBulk = 16384

	// maxKeptArgs is how many argument slots a Parser keeps between commands.
	maxKeptArgs = 4096
	// largeBuffer is the size from which a caller may want its read buffer back.
	largeBuffer = 64 << 10
	// maxKeptInline is how many bytes of unescaped inline text a Parser keeps.
	maxKeptInline = 4096
	// maxKeptReply is how many bytes of capacity Writer.Reset keeps.
	maxKeptReply = 64 << 10
	// maxKeptUnit is how many bytes of capacity an emptied UnitScanner keeps.
	maxKeptUnit = 1 << 20
	// maxKeptUnitArgs and maxKeptUnitCommands bound its slices of slices.
	maxKeptUnitArgs     = 64 << 10
	maxKeptUnitCommands = 16 << 10

	// maxStreamLine is the longest length line in a replication stream.
	maxStreamLine = 64

	// minArgBytes is the size of the shortest argument on the wire: $0 CRLF CRLF.
	minArgBytes = 6
	// maxReplyDepth is how deep ReadReply follows nested arrays.
	maxReplyDepth = 8
	// replyChunk is how much ReadReply allocates ahead of the bytes of a bulk.
	replyChunk = 32 << 10
	// minReplyBytes is the size of the shortest reply on the wire: + CRLF.
	minReplyBytes = 3
)

// Limits bound one command of a peer. Zero fields mean the defaults above.
type Limits struct {
	// MaxArgs is the highest argument count, name included. A count costs nothing
	// until the arguments have arrived; then each takes 24 bytes beside its own, so
	// the bound on a connection's read buffer bounds that too.
	MaxArgs int
	// MaxBulk is the longest argument in bytes (proto-max-bulk-len).
	MaxBulk int64
	// MaxInline is the longest inline command, and the longest line that holds a
	// length, in bytes before the line end.
	MaxInline int
	// Unauthenticated adds Redis' bounds for clients that still have to pass
	// AUTH: 10 arguments, 16384 bytes each. They do not apply to inline commands.
	Unauthenticated bool
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	if l.MaxArgs <= 0 {
		l.MaxArgs = DefaultMaxArgs
	}
	if l.MaxBulk <= 0 {
		l.MaxBulk = DefaultMaxBulk
	}
	l.MaxBulk = min(l.MaxBulk, maxBulkBound)
	if l.MaxInline <= 0 {
		l.MaxInline = DefaultMaxInline
	}
	return l
}
