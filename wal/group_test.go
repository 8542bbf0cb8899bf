package wal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// gate makes the operations that match wait until they are let through, and tells when one has arrived.
type gate struct {
	match   func(errorfs.Op) bool
	on      atomic.Bool
	arrived chan struct{}
	pass    chan struct{}
}

func newGate(match func(errorfs.Op) bool) *gate {
	return &gate{match: match, arrived: make(chan struct{}, 100), pass: make(chan struct{})}
}

func (g *gate) String() string { return "gate" }

func (g *gate) MaybeError(op errorfs.Op) error {
	if g.on.Load() && g.match(op) {
		g.arrived <- struct{}{}
		<-g.pass
	}
	return nil
}

func onLogWrite(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWriteAt }
func onDataSync(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSyncData }

// TestAppendDoesNotBlock: while a write and then an fsync hang, Append works, and what it queued becomes one group.
func TestAppendDoesNotBlock(t *testing.T) {
	g := newGate(func(op errorfs.Op) bool { return onLogWrite(op) || onDataSync(op) })
	l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), g), SyncAlways))
	require.NoError(t, err)
	g.on.Store(true)
	first := appendN(t, l, 10)
	done := make(chan error, 20)
	go func() { done <- l.WaitSynced(deadline(t), first) }()
	<-g.arrived // in the write
	for range 10 {
		off := appendN(t, l, 10)
		go func() { done <- l.WaitSynced(deadline(t), off) }()
	}
	require.Zero(t, l.Written())
	g.pass <- struct{}{}
	<-g.arrived // in the zero-fill
	g.pass <- struct{}{}
	<-g.arrived // in the fsync
	require.Equal(t, first, l.Written())
	require.Zero(t, l.Synced())
	appendN(t, l, 10)
	awaitSleepers(t, l, 10)
	g.on.Store(false)
	g.pass <- struct{}{}
	for range 11 {
		require.NoError(t, <-done)
	}
	st := l.Stats()
	require.EqualValues(t, 2, st.Groups, "eleven waiting records were one group")
	require.EqualValues(t, 2, st.Syncs)
	require.EqualValues(t, 12, st.Records)
	require.EqualValues(t, 120, st.Bytes)
	require.EqualValues(t, 11*(recordHeaderSize+10), st.MaxGroup)
	require.NoError(t, l.Close())
}

// TestSyncOverlapsWrites: under everysec an fsync in flight stops neither writing nor waiting for "written"; who waits for
// "synced" joins one fsync, the next one.
func TestSyncOverlapsWrites(t *testing.T) {
	g := newGate(onDataSync)
	l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), g), SyncEverySecond))
	require.NoError(t, err)
	g.on.Store(true)
	a := appendN(t, l, 10)
	done := make(chan error, 20)
	go func() { done <- l.WaitSynced(deadline(t), a) }()
	<-g.arrived
	for range 5 {
		off := appendN(t, l, 10)
		require.NoError(t, l.WaitWritten(deadline(t), off))
		go func() { done <- l.WaitSynced(deadline(t), off) }()
	}
	awaitSleepers(t, l, 5)
	g.on.Store(false)
	g.pass <- struct{}{}
	for range 6 {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 2, l.Stats().Syncs)
	require.NoError(t, l.Close())
}

// TestSyncClaimsOnlyWhatWasWrittenBefore: bytes written while an fsync runs are not synced by it.
func TestSyncClaimsOnlyWhatWasWrittenBefore(t *testing.T) {
	g := newGate(onDataSync)
	l, err := Open(quiet(errorfs.Wrap(vfs.NewMem(), g), SyncNo))
	require.NoError(t, err)
	g.on.Store(true)
	a := appendN(t, l, 10)
	l.RequestSync(a)
	<-g.arrived
	b := appendN(t, l, 10)
	require.NoError(t, l.WaitWritten(deadline(t), b))
	g.on.Store(false)
	g.pass <- struct{}{}
	require.NoError(t, l.WaitSynced(deadline(t), a))
	require.Equal(t, a, l.Synced())
	require.NoError(t, l.Close())
	require.Equal(t, b, l.Synced())
}

// TestWaiterForTheFuture: a waiter past End sleeps, and the Append it waits for makes it write, although nobody else waits.
func TestWaiterForTheFuture(t *testing.T) {
	for _, need := range []level{levelWritten, levelSynced} {
		for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond, SyncNo} {
			l, err := Open(quiet(vfs.NewMem(), policy))
			require.NoError(t, err)
			done := make(chan error, 2)
			go func() { done <- l.wait(deadline(t), 10, need) }()
			go func() { done <- l.wait(deadline(t), 25, need) }()
			awaitSleepers(t, l, 2)
			appendN(t, l, 9)
			require.Zero(t, l.Written(), "nobody needs it yet")
			appendN(t, l, 9)
			require.NoError(t, <-done)
			require.EqualValues(t, 18, l.Written())
			awaitSleepers(t, l, 1)
			appendN(t, l, 9)
			require.NoError(t, <-done)
			require.NoError(t, l.Close())
		}
	}
}

// TestBackgroundFlush: bytes that nobody waits for are written, and fsynced unless the policy is no.
func TestBackgroundFlush(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond, SyncNo} {
		o := quiet(vfs.NewMem(), policy)
		o.flushIntervalForTesting = time.Millisecond
		l, err := Open(o)
		require.NoError(t, err)
		off := appendN(t, l, 10)
		require.Eventually(t, func() bool { return l.Written() == off }, waitLimit, pollEvery)
		if policy != SyncNo {
			require.Eventually(t, func() bool { return l.Synced() == off }, waitLimit, pollEvery)
		}
		require.NoError(t, l.Close())
	}
}

// TestMuchUnsyncedIsSynced: under no, the background goroutine keeps the unsynced bytes bounded, so that the fsync at the end of a
// segment is short.
func TestMuchUnsyncedIsSynced(t *testing.T) {
	o := quiet(vfs.NewMem(), SyncNo)
	o.SegmentSize = DefaultSegmentSize
	l, err := Open(o)
	require.NoError(t, err)
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, unsyncedSoftLimit)))
	require.Zero(t, l.Stats().Syncs)
	off := appendN(t, l, 1)
	require.NoError(t, l.WaitWritten(deadline(t), off))
	require.Eventually(t, func() bool { return l.Synced() == off }, waitLimit, pollEvery)
	require.NoError(t, l.Close())
}

// TestPolicyChange: the policy is asked for every group.
func TestPolicyChange(t *testing.T) {
	var policy atomic.Uint32
	o := quiet(vfs.NewMem(), SyncNo)
	o.Policy = func() SyncPolicy { return SyncPolicy(policy.Load()) }
	l, err := Open(o)
	require.NoError(t, err)
	policy.Store(uint32(SyncNo))
	a := appendN(t, l, 10)
	require.NoError(t, l.WaitWritten(deadline(t), a))
	require.Zero(t, l.Synced())
	policy.Store(uint32(SyncAlways))
	b := appendN(t, l, 10)
	require.NoError(t, l.WaitWritten(deadline(t), b))
	require.NoError(t, l.WaitSynced(deadline(t), b))
	require.EqualValues(t, 1, l.Stats().Syncs)
	require.NoError(t, l.Close())
}

// TestCancelledWaiters: a context that ends at any moment, also while a role is being handed over, leaves nobody asleep.
func TestCancelledWaiters(t *testing.T) {
	l, err := Open(quiet(vfs.NewMem(), SyncAlways))
	require.NoError(t, err)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := newRNG(uint64(i))
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(300))*time.Microsecond)
				err := l.wait(ctx, l.End()+uint64(rng.IntN(30)), level(rng.IntN(2)))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("wait: %v", err)
					return
				}
			}
		}()
	}
	for i := range 3000 {
		off := appendN(t, l, 10)
		if i%3 == 0 {
			require.NoError(t, l.WaitSynced(deadline(t), off))
		}
	}
	close(stop)
	wg.Wait()
	awaitSleepers(t, l, 0)
	require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 1)))
	require.NoError(t, l.Close())
}

// TestAbandonedRolesGoOn: a waiter whose context ends in the moment in which it is handed a role gives it to the next.
func TestAbandonedRolesGoOn(t *testing.T) {
	for _, need := range []level{levelWritten, levelSynced} {
		l, err := Open(quiet(vfs.NewMem(), SyncNo))
		require.NoError(t, err)
		gone := &waiter{off: 5, slot: -1, ch: make(chan grant, 1)}
		l.mu.Lock()
		l.waitersLocked(need).push(gone)
		l.mu.Unlock()
		done := make(chan error, 1)
		go func() { done <- l.wait(deadline(t), 10, need) }()
		awaitSleepers(t, l, 2)
		appendN(t, l, 10) // grants the writer role to the smallest offset
		require.Equal(t, -1, gone.slot)
		l.abandon(gone, need)
		require.NoError(t, <-done)
		require.NoError(t, l.Close())
	}

	l, err := Open(quiet(vfs.NewMem(), SyncNo))
	require.NoError(t, err)
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 10)))
	gone := &waiter{off: 5, slot: -1, ch: make(chan grant, 1)}
	l.mu.Lock()
	l.mu.syncWaiters.push(gone)
	l.electLocked()
	syncing := l.mu.syncing
	l.mu.Unlock()
	require.True(t, syncing)
	l.abandon(gone, levelSynced)
	require.NoError(t, l.WaitSynced(deadline(t), 10))
	require.NoError(t, l.Close())
}

// TestGroupCommit: many goroutines append and wait at every level while others read, drop and request fsyncs.
func TestGroupCommit(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond, SyncNo} {
		t.Run(policy.String(), func(t *testing.T) {
			o := quiet(vfs.NewMem(), policy)
			o.SegmentSize = 32 << 10
			o.MaxPendingBytes = 2000
			o.flushIntervalForTesting = time.Millisecond
			l, err := Open(o)
			require.NoError(t, err)
			var appendMu sync.Mutex
			var wg sync.WaitGroup
			const workers, rounds = 16, 150
			for i := range workers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					rng := newRNG(uint64(i))
					for range rounds {
						if err := l.WaitRoom(deadline(t)); err != nil {
							t.Errorf("room: %v", err)
							return
						}
						appendMu.Lock()
						start := l.End()
						off, err := l.Append(KindData, 1, payloadAt(start, 1+rng.IntN(400)))
						appendMu.Unlock()
						if err == nil {
							err = l.wait(deadline(t), off, level(rng.IntN(2)))
						}
						if err != nil {
							t.Errorf("append: %v", err)
							return
						}
						if rng.IntN(10) == 0 {
							l.RequestSync(off + 1000)
						}
					}
				}()
			}
			wg.Wait()
			require.EqualValues(t, workers*rounds, l.Stats().Records)
			require.NoError(t, l.WaitSynced(deadline(t), l.End()))
			require.Equal(t, l.End(), l.Synced())
			require.Zero(t, l.PendingBytes())
			end, err := readAll(t, l, 0)
			require.NoError(t, err)
			require.Equal(t, l.End(), end)
			require.NoError(t, l.Close())
		})
	}
}

// TestWaitRoom: above the limit callers wait, or write themselves; Append refuses only far above it.
func TestWaitRoom(t *testing.T) {
	g := newGate(onLogWrite)
	o := quiet(errorfs.Wrap(vfs.NewMem(), g), SyncNo)
	o.MaxPendingBytes = 1000
	l, err := Open(o)
	require.NoError(t, err)
	require.NoError(t, l.WaitRoom(deadline(t)))
	appendN(t, l, 2000)
	require.NoError(t, l.WaitRoom(deadline(t)), "it wrote itself")
	require.EqualValues(t, 2000, l.Written())

	g.on.Store(true)
	off := appendN(t, l, 3000)
	done := make(chan error, 3)
	go func() { done <- l.WaitWritten(deadline(t), off) }()
	<-g.arrived
	go func() { done <- l.WaitRoom(deadline(t)) }()
	ctx, cancel := context.WithCancel(context.Background())
	cancelled := make(chan error, 1)
	go func() { cancelled <- l.WaitRoom(ctx) }()
	awaitSleepers(t, l, 2)
	cancel()
	require.ErrorIs(t, <-cancelled, context.Canceled)
	appendN(t, l, 2000)
	_, err = l.Append(KindData, 0, []byte("x"))
	require.ErrorIs(t, err, ErrBusy)
	g.on.Store(false)
	g.pass <- struct{}{}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.LessOrEqual(t, l.PendingBytes(), int64(1000))
	require.NoError(t, l.Close())
}

// TestCloseEndsWaits: Close makes everything safe first; who waits for more gets ErrClosed.
func TestCloseEndsWaits(t *testing.T) {
	l, err := Open(quiet(vfs.NewMem(), SyncEverySecond))
	require.NoError(t, err)
	off := appendN(t, l, 10)
	done := make(chan error, 2)
	go func() { done <- l.WaitSynced(deadline(t), off+1) }()
	go func() { done <- l.WaitWritten(deadline(t), off+1) }()
	awaitSleepers(t, l, 2)
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-done, ErrClosed)
	require.ErrorIs(t, <-done, ErrClosed)
	require.NoError(t, l.WaitSynced(deadline(t), off))
	_, err = l.Append(KindData, 0, []byte("x"))
	require.ErrorIs(t, err, ErrClosed)
}

func TestAppendRejects(t *testing.T) {
	l, err := Open(quiet(vfs.NewMem(), SyncNo))
	require.NoError(t, err)
	for _, k := range []Kind{0, kindMark, 9} {
		_, err = l.Append(k, 0, []byte("x"))
		require.ErrorContains(t, err, "invalid kind")
	}
	_, err = l.Append(KindData, 0, nil)
	require.ErrorContains(t, err, "empty payload")
	require.Zero(t, l.End())
	require.NoError(t, l.Close())
}

// TestGroupBuffersAreBounded: after a burst the two group buffers are small again, and small groups reuse theirs.
func TestGroupBuffersAreBounded(t *testing.T) {
	o := quiet(vfs.NewMem(), SyncNo)
	o.SegmentSize = DefaultSegmentSize
	l, err := Open(o)
	require.NoError(t, err)
	require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, maxRetainedBuffer+1)))
	require.LessOrEqual(t, cap(l.mu.pend.buf)+cap(l.mu.spare), maxRetainedBuffer)
	payload := make([]byte, 100)
	allocs := testing.AllocsPerRun(2000, func() {
		off, _ := l.Append(KindData, 0, payload)
		_ = l.WaitWritten(context.Background(), off)
	})
	require.Less(t, allocs, 1.0)
	require.NoError(t, l.Close())
}
