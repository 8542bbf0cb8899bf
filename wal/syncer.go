package wal

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// syncOnce fsyncs the live segment and publishes what had been written when the fsync began. The caller has been given the
// sync role and loses it here. Older segments need no thought: rotate fsyncs each before the next one exists.
func (l *Log) syncOnce() {
	defer l.reportFailure()
	l.mu.Lock()
	if l.mu.failed != nil {
		l.releaseSyncerLocked()
		l.mu.Unlock()
		return
	}
	target := l.written.Load()
	need := target > l.synced.Load()
	s := l.mu.segs[len(l.mu.segs)-1]
	f := l.writer.sync // only replaced by a holder of the sync role too
	l.mu.Unlock()

	var err error
	if need {
		err = l.syncData(f, s)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failLocked(err)
	} else if l.mu.failed == nil {
		l.synced.Store(max(l.synced.Load(), target))
		l.wakeLocked()
	}
	l.releaseSyncerLocked()
}

// syncData is the one place where record bytes are fsynced.
func (l *Log) syncData(f vfs.File, s *segment) error {
	begin := time.Now()
	err := f.SyncData()
	l.count.syncs.Add(1)
	l.count.syncNanos.Add(uint64(time.Since(begin)))
	if err != nil {
		return &syncError{fmt.Errorf("fsync segment %s: %w", s.path, err)}
	}
	return nil
}

// RequestSync starts, in the background, the write and fsync of all bytes up to off (at most End); it never blocks.
func (l *Log) RequestSync(off uint64) {
	if l.synced.Load() >= off || l.o.ReadOnly {
		return
	}
	l.mu.Lock()
	l.mu.syncRequest = max(l.mu.syncRequest, min(off, l.end.Load()))
	l.mu.Unlock()
	signal(l.background.flush)
}

// flushLoop is the goroutine that makes sure of bytes nobody waits for: it writes them within a second, fsyncs them unless
// the policy is SyncNo, and serves RequestSync. It does so as any waiter does.
func (l *Log) flushLoop() {
	defer l.background.Done()
	tick := time.NewTicker(l.o.flushIntervalForTesting)
	defer tick.Stop()
	ctx := l.background.ctx
	for {
		var off uint64
		need := levelWritten
		select {
		case <-ctx.Done():
			return
		case <-l.background.flush:
			l.mu.Lock()
			off, need = l.mu.syncRequest, levelSynced
			l.mu.Unlock()
		case <-tick.C:
			off = l.End()
			if l.o.Policy() != SyncNo {
				need = levelSynced
			}
		}
		// An error is a failure that Health shows, a reset that made the offset meaningless, or the end of ctx.
		_ = l.wait(ctx, off, need)
	}
}

// retryLoop is the goroutine that writes again, with growing delay, while the disk is full. It has the writer role from
// writeFailedLocked until a write succeeds or Close or Reset take it away.
func (l *Log) retryLoop() {
	defer l.background.Done()
	ctx := l.background.ctx
	delay := l.o.retryDelayForTesting
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.background.retry:
		}
		cause := l.Health()
		if cause == nil {
			continue
		}
		l.logger.Warn("the log cannot be written, the disk is full; writes are refused and tried again",
			"err", cause, "retry_in", delay, "pending_bytes", l.PendingBytes())
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if !l.takeRetry() {
			continue
		}
		l.writeGroup()
		if l.Health() == nil {
			l.logger.Info("the log can be written again", "written", l.Written())
			delay = l.o.retryDelayForTesting
		} else {
			delay = min(2*delay, retryDelayMax)
		}
	}
}

// takeRetry takes the writer role for a retry; false if Reset has taken it away.
func (l *Log) takeRetry() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mu.retrying {
		return false
	}
	l.mu.retrying = false
	return true
}
