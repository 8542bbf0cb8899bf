package wal

import (
	"errors"
	"fmt"
)

// group is a run of appended records, encoded one after another, that is written together.
type group struct {
	buf    []byte
	epochs []epochChange // ascending by at
}

// epochChange says that the records from buffer position at on belong to another epoch.
type epochChange struct {
	at      int
	epoch   uint32
	history HistoryID
}

// Append queues one record in memory and assigns its offset; it never does I/O and never blocks on any. payload, 1 to
// MaxPayload bytes, is copied. It returns the offset after the record: the record is as safe as the policy says once
// WaitWritten or WaitSynced of that offset have returned.
//
// When the log is unhealthy it queues nothing and returns what Health returns; after Close it returns ErrClosed; when callers
// do not throttle (see WaitRoom), ErrBusy.
//
// Callers serialise Append. If the record is what some sleeping waiter waits for and nobody writes, that waiter is woken to
// write it; otherwise it is written by whoever waits for it next, or within a second.
func (l *Log) Append(kind Kind, timeMs int64, payload []byte) (end uint64, err error) {
	switch {
	case kind != KindData && kind != KindNoop:
		return 0, fmt.Errorf("append record: invalid kind %d", kind)
	case len(payload) == 0:
		return 0, errors.New("append record: empty payload")
	case len(payload) > MaxPayload:
		return 0, fmt.Errorf("append record: payload of %d bytes is larger than %d", len(payload), MaxPayload)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.ReadOnly {
		return 0, ErrReadOnly
	}
	if err := l.unhealthyLocked(); err != nil {
		return 0, err
	}
	if l.pending.Load() >= hardPendingFactor*max(l.o.MaxPendingBytes, 1) {
		return 0, ErrBusy
	}
	start := l.end.Load()
	h := recordHeader{start: start, timeMs: uint64(timeMs), epoch: l.mu.epoch, kind: kind}
	l.mu.pend.buf = appendRecord(l.mu.pend.buf, h, payload)
	end = start + uint64(len(payload))
	l.pending.Add(recordHeaderSize + int64(len(payload)))
	l.count.records.Add(1)
	l.count.bytes.Add(uint64(len(payload)))
	l.end.Store(end)
	l.electLocked()
	return end, nil
}

// SetEpoch makes the records appended from now on belong to history id, tagged epoch: they begin a new segment whose header
// carries both. Memory only; serialised with Append by the caller. Open continues with the last segment's epoch.
//
// A crash before the next record is written leaves no trace of it: the caller sets it again.
func (l *Log) SetEpoch(epoch uint32, id HistoryID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.epoch == epoch && l.mu.history == id {
		return
	}
	l.mu.epoch, l.mu.history = epoch, id
	change := epochChange{at: len(l.mu.pend.buf), epoch: epoch, history: id}
	if n := len(l.mu.pend.epochs); n > 0 && l.mu.pend.epochs[n-1].at == change.at {
		l.mu.pend.epochs[n-1] = change
		return
	}
	l.mu.pend.epochs = append(l.mu.pend.epochs, change)
}
