package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// dataDir, checkpointDir and incomingDir are the folders below Options.Dir.
const (
	dataDir       = "data"
	checkpointDir = "checkpoints"
)

// replayBuffer is how much of the log a replay takes at a time: the more, the more of the rows that it looks at lie next to each other.
const replayBuffer = 4 << 20

// progressEvery is how often work that takes long says how far it is.
const progressEvery = 2 * time.Second

func (e *Engine) generationDir(gen uint64) string {
	return e.o.FS.PathJoin(e.o.Dir, dataDir, strconv.FormatUint(gen, 10))
}

// recover opens the current generation and replays the log behind it.
//
// What a crash can have left besides: the next generation's folder, renamed into place but not yet adopted, or the previous one,
// adopted but not yet removed; and checkpoints of transfers that are over. meta.db names the generation that counts; the
// others are removed.
func (e *Engine) recover(ctx context.Context) error {
	gen := e.o.Backlog.Generation()
	if err := e.removeStrays(gen); err != nil {
		return err
	}
	if err := makeDir(e.o.FS, e.o.Dir, e.generationDir(gen)); err != nil {
		return err
	}
	defer e.YieldCompactions()() // to the replay
	ds, err := e.openStore(gen)
	if err != nil {
		return err
	}
	e.ds.Store(ds)
	s, found, err := readState(ds.db)
	if err != nil {
		return fmt.Errorf("open keyspace %s: %w", ds.dir, err)
	}
	if !found {
		s = newState(0, e.o.Databases)
	}
	if err := e.checkReach(&s, found, ds.dir); err != nil {
		return err
	}
	e.install(ds, &s)
	if err := e.replay(ctx); err != nil {
		return err
	}
	e.beginFilter(ds) // now: filling it would take the cores and the disk from the replay
	return nil
}

// checkReach refuses a keyspace and a log that do not meet.
func (e *Engine) checkReach(s *state, found bool, dir string) error {
	b := e.o.Backlog
	switch {
	case !found && b.Start() > 0:
		return fmt.Errorf("%w: keyspace %s is empty, but the log begins at offset %d: the bytes before are gone; restore the keyspace's directory, or move the whole data directory away and sync from a master",
			ErrLogGap, dir, b.Start())
	case s.applied < b.Start():
		return fmt.Errorf("%w: keyspace %s stands at offset %d, the log begins at %d: the bytes between are gone; restore the missing log segments, or move the data directory away and sync from a master",
			ErrLogGap, dir, s.applied, b.Start())
	case s.applied > b.End():
		return fmt.Errorf("%w: keyspace %s stands at offset %d, the log ends at %d: log segments are missing; restore them, or move the data directory away and sync from a master",
			ErrLogGap, dir, s.applied, b.End())
	}
	return nil
}

// install makes ds, which stands at s, the current dataset. The caller holds off everybody who could change it.
func (e *Engine) install(ds *dataset, s *state) {
	s.growTo(e.o.Databases)
	ds.publish(s)
	e.committing.Store(s.applied)
	e.dirty.reset()
	e.watches.tellAll()
	e.expiry.reset()
	e.durable.Store(s.applied)
	ds.frozenEnd = s.applied
	ds.filed.Store(s.applied)
	ds.filedUID.Store(s.nextUID)
	e.seq.Lock()
	s.copyTo(&e.seq.state)
	e.seq.hints, e.seq.aheads = placeHints{}, aheads{} // of another keyspace's collections
	e.ds.Store(ds)
	e.seq.Unlock()
	e.advance(s.applied)
	e.o.Backlog.SetDurableApplied(s.applied)
	kick(e.reclaim)
}

// replay applies the log from the keyspace's position to its end.
func (e *Engine) replay(ctx context.Context) error {
	from, end := e.Applied(), e.o.Backlog.End()
	if from == end {
		return nil
	}
	start := time.Now()
	e.o.Logger.Info("replaying the log", "from", from, "to", end, "bytes", end-from)
	e.o.Recovering(0, end-from)
	a, err := e.newApplier(ctx, from)
	if err != nil {
		return err
	}
	defer a.cursor.Close()
	a.buf = make([]byte, min(replayBuffer, end-from))
	a.warmer = newRowWarmer(e)
	last := start
	for e.Applied() < end {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("replay the log: stopped at offset %d: %w", e.Applied(), err)
		}
		if err := a.step(); err != nil {
			return fmt.Errorf("replay the log at offset %d: %w", e.Applied(), err)
		}
		e.o.Recovering(e.Applied()-from, end-from)
		e.withDataset(e.throttle.sample) // compactions that step back go by it
		if time.Since(last) >= progressEvery {
			last = time.Now()
			e.o.Logger.Info("replaying the log", "at", e.Applied(), "to", end,
				"percent", 100*(e.Applied()-from)/(end-from))
		}
	}
	e.o.Logger.Info("log replayed", "bytes", end-from, "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// removeStrays removes generations other than gen, all checkpoints, and files that no drain has finished.
func (e *Engine) removeStrays(gen uint64) error {
	dir := e.o.FS.PathJoin(e.o.Dir, dataDir)
	names, err := e.o.FS.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list keyspace generations: %w", err)
	}
	for _, name := range names {
		n, err := strconv.ParseUint(name, 10, 64)
		if err != nil || n == gen {
			continue // not ours, or ours
		}
		e.o.Logger.Warn("removing a keyspace generation that is not the current one", "generation", n, "current", gen)
		if err := e.o.FS.RemoveAll(e.o.FS.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("remove superseded generation %d: %w", n, err)
		}
	}
	for _, name := range []string{checkpointDir, drainDir} {
		if err := e.o.FS.RemoveAll(e.o.FS.PathJoin(e.o.Dir, name)); err != nil {
			return fmt.Errorf("remove old %s: %w", name, err)
		}
	}
	return nil
}
