package engine

import (
	"context"
	"errors"
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
		FlushBegin: func(pebble.FlushInfo) { e.gate.flushBegin() },
		FlushEnd: func(info pebble.FlushInfo) { // Pebble's lock is held: only kick
			if len(info.Output) > 0 {
				kick(e.flushed)
			}
		},
		BackgroundError: func(err error) {
			scheduler.pause(backgroundErrorPause)
			if times, now := limit.count(); now && !errors.Is(err, errGateClosed) {
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
// It also flushes a store whose memtable never fills, so that neither the log nor a restart grows without bound.
func (e *Engine) watchStore(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	lastFlush := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.flushed:
			lastFlush = time.Now()
			e.withDataset(func(ds *dataset) error { return e.noteDurable(ds) })
		case <-tick.C:
			e.withDataset(e.throttle.sample)
			behind := e.committing.Load() - min(e.durable.Load(), e.committing.Load())
			if since := time.Since(lastFlush); behind > flushLogBytes && since > flushPause || behind > 0 && since > flushEvery {
				lastFlush = time.Now()
				e.withDataset(func(ds *dataset) error {
					_, err := ds.db.AsyncFlush()
					return err
				})
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

// noteDurable tells retention which part of the log the store no longer needs.
func (e *Engine) noteDurable(ds *dataset) error {
	off, err := ds.durableApplied()
	if err != nil {
		return err
	}
	if ds == e.ds.Load() {
		e.durable.Store(off)
		e.o.Backlog.SetDurableAppliedOf(ds.generation, off)
	}
	return nil
}

// pebbleLogger hands Pebble's messages to the server's log.
type pebbleLogger struct{ e *Engine }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.e.o.Logger.Debug("keyspace: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.e.o.Logger.Error("keyspace: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble calls it when its MANIFEST can no longer be written. After the gate has closed that is how a
// flush ends that must not happen any more, and no reason to exit: the goroutine ends.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	if l.e.gate.ctx.Err() == nil {
		l.e.o.Fatal(fmt.Errorf("keyspace: "+format, args...))
	}
	runtime.Goexit()
}
