package engine

import "errors"

var (
	// ErrCorrupt means that rows or files of the keyspace are damaged. Nothing is skipped or repaired: the remedy is to remove
	// the data directory's generation and sync from a master again, or to restore a copy.
	ErrCorrupt = errors.New("engine: keyspace is corrupt")

	// ErrLogGap means that the log does not reach back to where the keyspace stands, or ends before it: the two do not
	// belong together.
	ErrLogGap = errors.New("engine: log and keyspace do not meet")

	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("engine: closed")

	// ErrNotLeading is returned for what only a leader may do.
	ErrNotLeading = errors.New("engine: not a leader")

	// ErrApply means that the stream held something that cannot be applied, so the keyspace stands still at the offset named.
	ErrApply = errors.New("engine: cannot apply the stream")
)

// ErrUnread is what a Writer's HandOut returns when nobody reads the reply any more: the command ends, and the store is not to blame.
var ErrUnread = errors.New("engine: nobody reads the reply")
