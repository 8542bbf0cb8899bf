package wal

import (
	"context"
	"fmt"
	"sync"
)

// level is how safe bytes are.
type level uint8

const (
	levelWritten level = iota // handed to the operating system
	levelSynced               // fsynced
)

// grant is what a sleeping waiter is woken for.
type grant uint8

const (
	grantCheck  grant = iota // something final or the awaited offset: look again
	grantWriter              // the writer role is yours already: write, then look again
	grantSyncer              // the sync role is yours already: fsync, then look again
)

// waiter is one sleeping goroutine. Between push and the one grant it gets, it is in exactly one heap; whoever takes it out
// sends that one grant, so the channel's single slot never blocks the sender.
type waiter struct {
	off  uint64
	slot int // place in the heap, -1 outside
	ch   chan grant
}

var waiterPool = sync.Pool{New: func() any { return &waiter{slot: -1, ch: make(chan grant, 1)} }}

// waiterHeap is a binary min-heap by offset that knows where each waiter is, for removal when a context ends.
type waiterHeap []*waiter

func (h *waiterHeap) push(w *waiter) {
	w.slot = len(*h)
	*h = append(*h, w)
	h.up(w.slot)
}

func (h *waiterHeap) remove(w *waiter) {
	s := *h
	i, last := w.slot, len(s)-1
	if i != last {
		s[i] = s[last]
		s[i].slot = i
	}
	s[last] = nil
	*h = s[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
	w.slot = -1
}

func (h *waiterHeap) up(i int) {
	s := *h
	for i > 0 {
		p := (i - 1) / 2
		if s[p].off <= s[i].off {
			return
		}
		s[p], s[i] = s[i], s[p]
		s[p].slot, s[i].slot = p, i
		i = p
	}
}

func (h *waiterHeap) down(i int) {
	s := *h
	for {
		c := 2*i + 1
		if c >= len(s) {
			return
		}
		if c+1 < len(s) && s[c+1].off < s[c].off {
			c++
		}
		if s[i].off <= s[c].off {
			return
		}
		s[c], s[i] = s[i], s[c]
		s[c].slot, s[i].slot = c, i
		i = c
	}
}

// wake takes out and grants g to every waiter for an offset up to off.
func (h *waiterHeap) wake(off uint64, g grant) {
	for len(*h) > 0 && (*h)[0].off <= off {
		h.grant((*h)[0], g)
	}
}

// wakeAll takes out every waiter.
func (h *waiterHeap) wakeAll() { h.wake(^uint64(0), grantCheck) }

// grant takes w out and sends it g.
func (h *waiterHeap) grant(w *waiter, g grant) {
	h.remove(w)
	w.ch <- g
}

// WaitWritten returns when the log is written to the operating system up to offset off (survives kill -9, not power loss).
// off may lie past End: it then waits for the Append too. It returns ctx's error when that ends first, an error wrapping
// ErrFailed when the log has failed (whatever had been written before), ErrTrimmed when Reset has replaced the log, and
// ErrClosed when Close came before the offset. While the disk is full it keeps waiting.
//
// The caller may be made to write, on behalf of all that wait: it must hold no lock that Append's callers need.
func (l *Log) WaitWritten(ctx context.Context, off uint64) error {
	return l.wait(ctx, off, levelWritten)
}

// WaitSynced is WaitWritten for "fsynced" (survives power loss). Under the policies other than SyncAlways it starts an fsync
// as soon as the offset is written, or joins one.
func (l *Log) WaitSynced(ctx context.Context, off uint64) error {
	return l.wait(ctx, off, levelSynced)
}

// wait implements both. Why no wake-up is lost and nobody spins:
//
//  1. A waiter goes to sleep under mu, after it has seen under the same hold of mu that its offset is not reached, that it
//     may not take a role, and that the log is alive.
//  2. Everything that could change one of these (Append moves End; a writer or syncer publishes and gives its role back; the
//     disk has space again; failure, Reset, Close) happens under mu, and whoever does it calls wakeLocked, electLocked or
//     wakeAllLocked before it releases mu.
//  3. electLocked gives a free role to one waiter that needs it, so as long as some sleeping waiter's offset is at most End,
//     either a role is held by somebody who will come back to 2, or the disk is full and the retry goroutine holds the writer role.
//  4. A woken waiter whose context has ended in the same moment gives the role back (2 again) before it leaves.
//
// A waiter whose offset is past End is never granted a role, hence sleeps; one grant wakes one goroutine, hence no herd.
func (l *Log) wait(ctx context.Context, off uint64, need level) error {
	if l.reached(off, need) && !l.failed.Load() {
		return nil
	}
	var w *waiter
	gen := l.generation.Load()
	for {
		done, err := l.step(off, need, gen, &w)
		if done || err != nil {
			if w != nil {
				waiterPool.Put(w)
			}
			return err
		}
		if w == nil {
			continue // it wrote or fsynced itself
		}
		var g grant
		select {
		case g = <-w.ch:
		case <-ctx.Done():
			l.abandon(w, need)
			waiterPool.Put(w)
			return ctx.Err()
		}
		switch g {
		case grantWriter:
			l.writeGroup()
		case grantSyncer:
			l.syncOnce()
		case grantCheck:
		}
		waiterPool.Put(w)
		w = nil
	}
}

// reached reports whether off is as safe as need asks.
func (l *Log) reached(off uint64, need level) bool {
	if need == levelSynced {
		return l.synced.Load() >= off
	}
	return l.written.Load() >= off
}

// step looks once: it finds the wait over, or does the work itself, or puts a waiter to sleep in *w.
func (l *Log) step(off uint64, need level, gen uint64, w **waiter) (done bool, err error) {
	l.mu.Lock()
	switch {
	case l.mu.failed != nil:
		defer l.mu.Unlock()
		return false, l.mu.failed
	case l.generation.Load() != gen:
		defer l.mu.Unlock()
		return false, fmt.Errorf("wait for log offset %d: the log was reset: %w", off, ErrTrimmed)
	case l.reached(off, need):
		defer l.mu.Unlock()
		return true, nil
	case l.mu.closed:
		defer l.mu.Unlock()
		return false, ErrClosed
	case l.written.Load() < off && off <= l.end.Load() && l.writerFreeLocked():
		l.mu.writing = true
		l.mu.Unlock()
		l.writeGroup()
		return false, nil
	case need == levelSynced && off <= l.written.Load() && l.syncerFreeLocked():
		l.mu.syncing = true
		l.mu.Unlock()
		l.syncOnce()
		return false, nil
	}
	defer l.mu.Unlock()
	*w = waiterPool.Get().(*waiter)
	(*w).off = off
	l.waitersLocked(need).push(*w)
	return false, nil
}

// abandon ends the sleep of a waiter whose context is done. If it has been granted a role meanwhile, the role goes on.
func (l *Log) abandon(w *waiter, need level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.slot >= 0 {
		l.waitersLocked(need).remove(w)
		return
	}
	switch <-w.ch {
	case grantWriter:
		l.releaseWriterLocked()
	case grantSyncer:
		l.releaseSyncerLocked()
	case grantCheck:
	}
}

func (l *Log) waitersLocked(need level) *waiterHeap {
	if need == levelSynced {
		return &l.mu.syncWaiters
	}
	return &l.mu.writeWaiters
}

// writerFreeLocked and syncerFreeLocked report whether a waiter may take the role. Reset, Close and a writer that has to
// fsync at the end of a segment take precedence (rolesWanted), else they might never find a role free.
func (l *Log) writerFreeLocked() bool {
	return !l.mu.writing && l.mu.writerWanted == 0 && l.mu.failed == nil && !l.mu.closed
}

func (l *Log) syncerFreeLocked() bool {
	return !l.mu.syncing && l.mu.syncerWanted == 0 && l.mu.failed == nil && !l.mu.closed
}

// electLocked hands free roles to sleeping waiters that need them.
func (l *Log) electLocked() {
	if l.writerFreeLocked() && len(l.mu.pend.buf) > 0 {
		if h, w := l.writerCandidateLocked(); w != nil {
			l.mu.writing = true
			h.grant(w, grantWriter)
		}
	}
	if h := &l.mu.syncWaiters; len(*h) > 0 && (*h)[0].off <= l.written.Load() && l.syncerFreeLocked() {
		l.mu.syncing = true
		h.grant((*h)[0], grantSyncer)
	}
}

// writerCandidateLocked finds a sleeping waiter that needs pending bytes to be written.
func (l *Log) writerCandidateLocked() (*waiterHeap, *waiter) {
	end := l.end.Load()
	if h := &l.mu.writeWaiters; len(*h) > 0 && (*h)[0].off <= end {
		return h, (*h)[0]
	}
	h := &l.mu.syncWaiters
	if len(*h) > 0 && (*h)[0].off <= end {
		// The first ones may only wait for an fsync in flight; a later one can need the write. Rare: the scan is short.
		for _, w := range *h {
			if w.off > l.written.Load() && w.off <= end {
				return h, w
			}
		}
	}
	if h := &l.mu.roomWaiters; len(*h) > 0 {
		return h, (*h)[0]
	}
	return nil, nil
}

// wakeLocked wakes the waiters whose offsets are reached.
func (l *Log) wakeLocked() {
	l.mu.writeWaiters.wake(l.written.Load(), grantCheck)
	l.mu.syncWaiters.wake(l.synced.Load(), grantCheck)
	if l.pending.Load() <= l.o.MaxPendingBytes {
		l.mu.roomWaiters.wakeAll()
	}
}

// wakeAllLocked wakes everybody: the log has failed, was reset or is closed.
func (l *Log) wakeAllLocked() {
	l.mu.writeWaiters.wakeAll()
	l.mu.syncWaiters.wakeAll()
	l.mu.roomWaiters.wakeAll()
	l.mu.rolesFree.Broadcast()
}

// releaseWriterLocked gives the writer role back.
func (l *Log) releaseWriterLocked() {
	l.mu.writing = false
	l.mu.rolesFree.Broadcast()
	l.electLocked()
}

// releaseSyncerLocked gives the sync role back.
func (l *Log) releaseSyncerLocked() {
	l.mu.syncing = false
	l.mu.rolesFree.Broadcast()
	l.electLocked()
}

// takeWriterLocked waits for the writer role, ahead of all waiters. It releases mu while it waits. While the disk is full the
// role belongs to the retry goroutine between two attempts; it is taken from there.
func (l *Log) takeWriterLocked() {
	l.mu.writerWanted++
	for l.mu.writing && !l.mu.retrying {
		l.mu.rolesFree.Wait()
	}
	l.mu.writerWanted--
	l.mu.writing, l.mu.retrying = true, false
}

// takeSyncerLocked is takeWriterLocked for the sync role.
func (l *Log) takeSyncerLocked() {
	l.mu.syncerWanted++
	for l.mu.syncing {
		l.mu.rolesFree.Wait()
	}
	l.mu.syncerWanted--
	l.mu.syncing = true
}

// WaitRoom blocks while more than Options.MaxPendingBytes are appended and unwritten; if nobody writes, it writes itself.
// Callers throttle with it before they take the lock under which they Append. It returns ctx's error, or what Health would
// return when the log is unhealthy (so that a full disk does not hold callers that could be told), or ErrClosed if it would have to wait after Close.
//
// The rule of back-pressure: Append itself never blocks and is accepted above the limit, because a caller that got through
// WaitRoom together with others must be able to finish. It is refused with ErrBusy only at four times the limit, which means
// that callers do not throttle.
func (l *Log) WaitRoom(ctx context.Context) error {
	if l.pending.Load() <= l.o.MaxPendingBytes && l.Health() == nil {
		return nil
	}
	for {
		l.mu.Lock()
		switch {
		case l.unhealthyLocked() != nil:
			defer l.mu.Unlock()
			return l.unhealthyLocked()
		case l.pending.Load() <= l.o.MaxPendingBytes:
			l.mu.Unlock()
			return nil
		case l.writerFreeLocked():
			l.mu.writing = true
			l.mu.Unlock()
			l.writeGroup()
			continue
		}
		w := waiterPool.Get().(*waiter)
		w.off = 0
		l.mu.roomWaiters.push(w)
		l.mu.Unlock()
		select {
		case g := <-w.ch:
			waiterPool.Put(w)
			if g == grantWriter {
				l.writeGroup()
			}
		case <-ctx.Done():
			l.abandonRoom(w)
			waiterPool.Put(w)
			return ctx.Err()
		}
	}
}

// abandonRoom is abandon for WaitRoom.
func (l *Log) abandonRoom(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.slot >= 0 {
		l.mu.roomWaiters.remove(w)
		return
	}
	if <-w.ch == grantWriter {
		l.releaseWriterLocked()
	}
}

// HasRoom says whether WaitRoom would return at once, with or without an error.
func (l *Log) HasRoom() bool { return l.pending.Load() <= l.o.MaxPendingBytes || l.Health() != nil }
