package backlog

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by every operation that changes something after Close.
	ErrClosed = errors.New("backlog: closed")

	// ErrReadOnly is returned by every operation that changes something on a backlog opened with Options.ReadOnly.
	ErrReadOnly = errors.New("backlog: opened read-only")

	// ErrMetaMissing means that log segments or data generations exist but meta.db, which names their history, does not. It
	// does not mean that the log is damaged.
	ErrMetaMissing = errors.New("backlog: meta.db is missing")

	// ErrLogShort means that the recovered log ends before an offset that was known to be fsynced: durable data is gone.
	ErrLogShort = errors.New("backlog: the log ends before its fsynced end")

	// ErrMetaStale means that log segments belong to histories that meta.db does not know: it is older than the log, or
	// another node's.
	ErrMetaStale = errors.New("backlog: meta.db does not belong to this log")

	// ErrHistories means that a list of histories breaks a rule (format of an id, order, a repeated id), or that it has
	// nothing in common with the log's own lineage. The list in effect stays in effect.
	ErrHistories = errors.New("backlog: bad list of histories")

	// ErrUnsupported means that meta.db was written by a newer version. It is not damaged.
	ErrUnsupported = errors.New("backlog: unsupported format version")
)

// LockedError says that another process, or another Backlog of this process, has the directory open.
type LockedError struct {
	PID int    // 0: the holder could not be told
	Dir string // the directory of meta.db
}

// Error names the directory and the process that uses it.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("open backlog: data directory %s is in use by another process; stop it first or use another directory", e.Dir)
	}
	return fmt.Sprintf("open backlog: data directory %s is in use by process %d; stop it first or use another directory", e.Dir, e.PID)
}

// MetaError says that meta.db could not be read or written. Err is the cause.
type MetaError struct {
	Path   string
	Op     string // what was attempted, as "verb noun"
	Remedy string
	Err    error
}

// Error names the file, what was attempted, the cause and what to do.
func (e *MetaError) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns the cause.
func (e *MetaError) Unwrap() error { return e.Err }

// Remedies name what an operator can do; they are sentences at the end of an error.
const (
	remedyDamaged = "the file is damaged: restore it from a backup, or, on a replica, move the whole directory away and start " +
		"again for a full sync; the log and the keyspace beside it are not touched"
	remedyWrite = "check free space, permissions and the health of the disk, then restart the server"
	remedyStale = "put back the meta.db that belongs to this log, or, on a replica, move the whole directory away and start again " +
		"for a full sync"
	remedyNewer = "start the version that wrote it, or a newer one"
)
