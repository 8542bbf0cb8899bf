package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"replogd/engine/memtable"
)

// Draining brings full memtables into the store's files. The store never runs ahead of the log: that is the WAL rule, kept here and
// nowhere else, since rows come into the store in no other way.
//
// Steps for one frozen table, and what a crash leaves:
//  1. Wait until the log is fsynced up to the table's last row. A crash leaves the old files; the log replays the rest.
//  2. Write the table's rows to new files in a folder of their own, the state row to another, and fsync them. A crash leaves
//     the old files and strays, which the next start removes.
//  3. Have the store take all of them in one version edit, fsynced. A crash leaves the old version (and strays), or the new
//     one, which holds exactly the log up to the state row's offset.
//  4. Forget the table, and tell retention. A crash leaves the new version; nothing else was durable.
//
// A step that fails is tried again after a pause, for as long as the dataset is in use: the table stays in memory meanwhile, and
// readers find its rows there. When the log has failed for good, step 1 never ends and the files stay as they are.
const (
	drainDir = "drain"

	// drainFileBytes is about the size of one file of a drained table: small ones let the store compact a part of the
	// keyspace without the rest.
	drainFileBytes = 4 << 20

	// drainWorkers is how many files are written at a time; most of the time they take turns (drain_turn.go).
	drainWorkers = 3

	// drainRetry is the pause after a failure.
	drainRetry = time.Second
)

// runDrain drains frozen tables until ctx ends.
func (e *Engine) runDrain(ctx context.Context) {
	var limit errorLimit
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.frozen:
		}
		for {
			ds := e.acquire()
			worked, err := e.drainOldest(ctx, ds)
			given := ds.ctx.Err() != nil
			ds.release()
			if ctx.Err() != nil || !worked && err == nil {
				break
			}
			if err == nil || given {
				continue
			}
			if times, now := limit.count(); now {
				e.o.Logger.Error("the keyspace's memory could not be written to disk; it is tried again", "err", err, "times", times)
			}
			if !pauseFor(ctx, drainRetry) {
				return
			}
		}
	}
}

// pauseFor waits; false: ctx has ended.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drainOldest drains one table; worked is false if there was none.
func (e *Engine) drainOldest(running context.Context, ds *dataset) (worked bool, err error) {
	f := ds.mem.oldestFrozen()
	if f == nil {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ds.ctx)
	defer cancel()
	defer context.AfterFunc(running, cancel)()

	e.o.Backlog.RequestSync(f.end)
	if err := e.o.Backlog.WaitSynced(ctx, f.end); err != nil {
		if ctx.Err() == nil {
			<-ctx.Done() // the log has failed for good
		}
		return true, err
	}
	began := time.Now()
	files, err := e.writeFiles(ctx, ds, f)
	if err != nil {
		return true, err
	}
	if err := ds.db.Ingest(ctx, files); err != nil {
		return true, fmt.Errorf("take drained rows into the keyspace: %w", err)
	}
	ds.compactions.drained()
	ds.filedUID.Store(f.nextUID)
	ds.fileVersion.Add(1)
	ds.mem.dropFrozen()
	e.flushes.Add(1)
	e.noteDurable(ds, f.end)
	kick(e.reclaim) // it works on what is in files
	e.o.Logger.Debug("memtable drained", "offset", f.end, "rows", f.table.Len(), "bytes", f.table.Bytes(), "files", len(files),
		"took", time.Since(began).Round(time.Millisecond))
	return true, nil
}

// writeFiles is step 2. What an earlier try has left goes first. Several files are written at a time: their fsyncs, which take
// longest on a slow disk, share the file system's commits.
func (e *Engine) writeFiles(ctx context.Context, ds *dataset, f *frozenTable) ([]string, error) {
	fs := e.o.FS
	dir := fs.PathJoin(e.o.Dir, drainDir)
	if err := fs.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	var paths []string
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(drainWorkers)
	write := func(windows iter.Seq[[]memtable.Row]) {
		windows = e.drainTurn.windows(ds, windows)
		path := fs.PathJoin(dir, fmt.Sprintf("%06d.sst", len(paths)))
		paths = append(paths, path)
		group.Go(func() error { return writeFile(working, fs, path, ds.tableOptions, windows) })
	}
	// The state row has a file of its own: it must not stretch the bounds of the others.
	state := []memtable.Row{memtable.NewRow(append(bytes.Clone(stateRow), f.state...), len(stateRow))}
	write(slices.Values([][]memtable.Row{state}))
	for _, span := range spansOf(f.table) {
		write(span.windows())
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("write memtable: %w", err)
	}
	return paths, nil
}

// freezeLocked hands the active table to the drainer, if there is anything that the files do not hold. The caller holds seq.
func (e *Engine) freezeLocked(ds *dataset) {
	if e.seq.state.applied == ds.frozenEnd {
		return
	}
	if ds.mem.freeze(&e.seq.state) {
		ds.frozenEnd = e.seq.state.applied
		kick(e.frozen)
	}
}

// Flush makes the keyspace durable up to what Applied() was at the call. It waits for disk.
func (e *Engine) Flush(ctx context.Context) error {
	ds := e.acquire()
	defer ds.release()
	e.drainTurn.flushes.Add(1)
	defer e.drainTurn.flushes.Add(-1)
	want := e.Applied()
	for {
		changed := ds.mem.drained.next()
		e.seq.Lock()
		if e.ds.Load() == ds && ds.frozenEnd < want {
			e.freezeLocked(ds)
		}
		e.seq.Unlock()
		if ds.filed.Load() >= want {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("flush keyspace: %w", ctx.Err())
		case <-ds.ctx.Done():
			return fmt.Errorf("flush keyspace: %w", errReplaced)
		}
	}
}

// errReplaced ends the wait for a keyspace that a full sync has replaced meanwhile.
var errReplaced = errors.New("engine: the keyspace was replaced meanwhile")
