package wal

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	// ErrTrimmed is returned for an offset before Start: its bytes were dropped by DropBefore, or the whole log was replaced
	// by Reset. It never means that the bytes will come back.
	ErrTrimmed = errors.New("wal: offset is before the first retained byte")
	// ErrNotYet is returned by NewReader for an offset after Written. It does not mean that the offset is wrong.
	ErrNotYet = errors.New("wal: offset is past the end of the log")
	// ErrDiskFull is wrapped by Health and Append while the disk is full or the quota is used up. It is transient: the queued
	// bytes are kept and written again, with back-off, until there is space.
	ErrDiskFull = errors.New("wal: no space left on device")
	// ErrFailed is wrapped by everything after a failed fsync, or a failed write for another reason than space. It is final:
	// only a restart, which reads again what the disk really holds, ends it.
	ErrFailed = errors.New("wal: log has failed; restart the server")
	// ErrCorrupt is what every *CorruptionError Is. Neither a torn tail nor an unknown format version is corruption.
	ErrCorrupt = errors.New("wal: corrupt")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("wal: closed")
	// ErrVersion is wrapped when a file or record was written by a later version of the format. The data is not damaged.
	ErrVersion = errors.New("wal: unsupported format version")
	// ErrGeneration is wrapped by Open when the directory holds segments of a later dataset generation than Options.Generation.
	ErrGeneration = errors.New("wal: segments of a later generation")
	// ErrBusy is returned by Append when the callers ignored WaitRoom for so long that hardPendingFactor times
	// Options.MaxPendingBytes are waiting to be written. Nothing was queued.
	ErrBusy = errors.New("wal: too many bytes wait to be written")
	// ErrReadOnly is returned by the changing methods of a log opened with Options.ReadOnly.
	ErrReadOnly = errors.New("wal: opened read-only")
)

// CorruptionError says that bytes which had been safely stored are not what was written. It Is ErrCorrupt.
type CorruptionError struct {
	File   string // path of the segment
	Offset int64  // position in the file
	Stream uint64 // stream offset that should begin there, as far as it is known
	Err    error  // what is wrong
}

// Error names the file, the place, the cause and the remedy.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: corrupt: %s at file position %d (stream offset %d): %v; nothing was changed: "+
		"restore the file from a copy, or move the data directory away and let this node resynchronise from another",
		e.File, e.Offset, e.Stream, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptionError) Unwrap() error { return e.Err }

// Is reports true for ErrCorrupt.
func (e *CorruptionError) Is(target error) bool { return target == ErrCorrupt }

// isSpaceError tells the write errors that end by themselves from those that do not. A quota is space too.
func isSpaceError(err error) bool {
	return vfs.IsNoSpaceError(err) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
