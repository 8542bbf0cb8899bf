package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// flushEvery and flushLogBytes bound how much log lies behind the store's files, and so what a restart replays.
	flushEvery    = 5 * time.Minute
	flushLogBytes = 256 << 20
	flushPause    = time.Second // between flushes asked for

	watchEvery = 100 * time.Millisecond

	// backgroundErrorPause is how long compactions rest after an error: the store would try again at once, for ever.
	// backgroundErrorLog is how often such errors are worth a line.
	backgroundErrorPause = time.Second
	backgroundErrorLog   = 5 * time.Second
)

// pebbleEvents are the events of one store. They are called with the store's locks held: nothing in them may block.
func (e *Engine) pebbleEvents(scheduler *compactions) *pebble.EventListener {
	var limit errorLimit
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			scheduler.pause(backgroundErrorPause)
			if times, now := limit.count(); now {
				e.o.Logger.Error("keyspace background work failed; it is tried again", "err", err, "times", times)
			}
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			e.o.Logger.Warn("keyspace stalls writers", "reason", info.Reason)
		},
		DataCorruption: e.reportDamage,
	}
}

// reportDamage replaces Pebble's own answer to a damaged file, which is to end the process: reads of other files go on.
func (e *Engine) reportDamage(info pebble.DataCorruptionInfo) {
	e.o.Logger.Error("keyspace file is damaged: stop the server, run replogd check on the data directory, then restore a copy or sync from a master anew",
		"file", info.Path, "err", info.Details)
}

// errorLimit thins out the reports of an error that comes back.
type errorLimit struct {
	mu struct {
		sync.Mutex
		last  time.Time
		times int
	}
}

// count notes an error. now says that it should be reported, as so many times.
func (l *errorLimit) count() (times int, now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.times++
	if time.Since(l.mu.last) < backgroundErrorLog {
		return 0, false
	}
	times, l.mu.times, l.mu.last = l.mu.times, 0, time.Now()
	return times, true
}

func kick(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// watchStore keeps what others read cheaply up to date: how far the store is durable, and how far writers have to be slowed down.
// It also flushes a memtable that never fills, so that neither the log nor a restart grows without bound.
func (e *Engine) watchStore(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	lastFlush, flushed := time.Now(), e.flushes.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.withDataset(e.throttle.sample)
			if n := e.flushes.Load(); n != flushed {
				lastFlush, flushed = time.Now(), n
			}
			behind := e.committing.Load() - min(e.durable.Load(), e.committing.Load())
			if since := time.Since(lastFlush); behind > flushLogBytes && since > flushPause || behind > 0 && since > flushEvery {
				lastFlush = time.Now()
				e.seq.Lock()
				e.freezeLocked(e.ds.Load())
				e.seq.Unlock()
			}
		}
	}
}

func (e *Engine) withDataset(fn func(*dataset) error) {
	ds := e.acquire()
	defer ds.release()
	if err := fn(ds); err != nil {
		e.o.Logger.Error("keyspace upkeep failed", "err", err)
	}
}

// noteDurable tells who waits for it, and retention, which part of the log the files hold.
func (e *Engine) noteDurable(ds *dataset, off uint64) {
	if ds == e.ds.Load() {
		e.durable.Store(off)
		e.o.Backlog.SetDurableAppliedOf(ds.generation, off)
	}
	ds.filed.Store(off)
	ds.mem.drained.wake()
}

// pebbleLogger hands Pebble's messages to the server's log.
type pebbleLogger struct{ e *Engine }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.e.o.Logger.Debug("keyspace: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.e.o.Logger.Error("keyspace: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it when its MANIFEST can no longer be written.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.e.o.Fatal(fmt.Errorf("keyspace: "+format, args...))
	runtime.Goexit()
}
