package wal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// SyncPolicy says when the log is fsynced (Redis' appendfsync).
type SyncPolicy uint8

// The three policies of appendfsync.
const (
	// SyncEverySecond fsyncs in the background once a second.
	SyncEverySecond SyncPolicy = iota
	// SyncAlways fsyncs every group as soon as it is written.
	SyncAlways
	// SyncNo fsyncs only when asked to, at the end of a segment, when much is unsynced, and at Close.
	SyncNo
)

// String returns the word that appendfsync uses for the policy.
func (p SyncPolicy) String() string {
	switch p {
	case SyncEverySecond:
		return "everysec"
	case SyncAlways:
		return "always"
	case SyncNo:
		return "no"
	default:
		return fmt.Sprintf("SyncPolicy(%d)", uint8(p))
	}
}

// Limits. Sizes are bytes.
const (
	// MaxPayload is the largest payload of one record.
	MaxPayload = 1 << 30
	// DefaultSegmentSize and MinSegmentSize bound Options.SegmentSize from below.
	DefaultSegmentSize = 64 << 20
	MinSegmentSize     = 1 << 10
	// DefaultMaxPendingBytes is the default of Options.MaxPendingBytes.
	DefaultMaxPendingBytes = 64 << 20
	// DefaultReadBuffer is the buffer of one Reader; it grows for one record that is larger and shrinks after it.
	DefaultReadBuffer = 256 << 10

	hardPendingFactor = 4        // Append refuses above this many times MaxPendingBytes
	maxRetainedBuffer = 8 << 20  // a group buffer that grew beyond it is given back
	indexInterval     = 64 << 10 // file bytes between two index entries
	zeroStepMin       = 64 << 10 // zero-filling ahead, see extend
	zeroStepMax       = 1 << 20
	unsyncedSoftLimit = 16 << 20 // background fsync when so much is written and not fsynced
	flushInterval     = time.Second
	retryDelayMin     = 100 * time.Millisecond // after a full disk
	retryDelayMax     = 5 * time.Second
)

// Options configures Open. The zero value of every field but FS and Dir is its default.
type Options struct {
	// FS is where the log lives. nil means vfs.Default.
	FS vfs.FS
	// Dir is the directory of the segments; it is created when missing, and its entry in its parent made durable. The
	// durability of the parent is the caller's business.
	Dir string
	// SegmentSize is the size in bytes at which the next segment is begun. 0 means DefaultSegmentSize; a record that is larger
	// than a segment gets one of its own.
	SegmentSize int64
	// Generation is the dataset generation that the log belongs to. Open removes segments of a lower one (a full sync has
	// superseded them) and refuses to work beside those of a higher one. With ReadOnly, 0 means the highest that is found.
	Generation uint64
	// StartOffset is where a log without segments begins.
	StartOffset uint64
	// Policy is asked before every group, so that it may change at run time. nil means SyncEverySecond.
	Policy func() SyncPolicy
	// MaxPendingBytes is the number of appended, unwritten bytes above which WaitRoom blocks. 0 means
	// DefaultMaxPendingBytes.
	MaxPendingBytes int64
	// ReadOnly is for looking at a log, also at that of a running server: nothing is cut, created or removed, and what is
	// visible is what was there at Open.
	ReadOnly bool
	// Logger gets recovery decisions and changes of health. nil discards them.
	Logger *slog.Logger

	flushIntervalForTesting time.Duration
	retryDelayForTesting    time.Duration
}

// ensureDefaults fills in what was left zero.
func (o *Options) ensureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Policy == nil {
		o.Policy = func() SyncPolicy { return SyncEverySecond }
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = DefaultMaxPendingBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.flushIntervalForTesting == 0 {
		o.flushIntervalForTesting = flushInterval
	}
	if o.retryDelayForTesting == 0 {
		o.retryDelayForTesting = retryDelayMin
	}
}

// validate reports every rule that the options break.
func (o *Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("wal: open: no directory given"))
	}
	if o.SegmentSize < MinSegmentSize {
		errs = append(errs, fmt.Errorf("wal: open: segment size %d is below the minimum of %d", o.SegmentSize, MinSegmentSize))
	}
	if o.MaxPendingBytes < 0 {
		errs = append(errs, fmt.Errorf("wal: open: negative limit of pending bytes %d", o.MaxPendingBytes))
	}
	return errors.Join(errs...)
}
