package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"replogd/backlog"
)

// ErrNotFollowing is returned by Adopt on a node that is no follower.
var ErrNotFollowing = errors.New("engine: not a follower")

// Adopt replaces the keyspace by dir, a checkpoint of another node that was received whole, verified and fsynced on the same file
// system, and whose log continues at offset on the histories hs. The node must be a follower and nobody may append to the backlog
// meanwhile. Until it returns nil the old keyspace is served; after an error the old one stays, and dir may be gone.
//
// Steps and what a crash leaves:
//  1. dir is opened read-only: it must stand at offset. A crash leaves the old keyspace and dir.
//  2. dir is renamed to the next generation, the parent fsynced, and opened. A crash leaves the old keyspace; the next start
//     removes the new folder, which meta.db does not name.
//  3. meta.db names the generation, its histories and where its log starts, in one commit. From here on the new one counts: the
//     next start resets the log if step 4 was not reached, and removes the old folder.
//  4. The log is reset, readers are switched over, the old generation is closed and removed: when ctx ends first, behind Adopt's back.
func (e *Engine) Adopt(ctx context.Context, dir string, offset uint64, hs []backlog.History) error {
	e.roles.Lock()
	defer e.roles.Unlock()
	if e.roles.applier == nil {
		return ErrNotFollowing
	}
	// A switch that failed half-way may already be in meta.db: only a restart can finish it, and its folder must not be touched.
	if err := e.o.Backlog.Health(); err != nil {
		return fmt.Errorf("adopt snapshot: %w", err)
	}
	s, err := e.inspect(dir)
	if err != nil {
		return fmt.Errorf("adopt snapshot: %w", err)
	}
	if s.applied != offset {
		return fmt.Errorf("adopt snapshot: its files stand at offset %d, its manifest says %d", s.applied, offset)
	}
	if err := e.mayWipe(&s, hs); err != nil {
		return fmt.Errorf("adopt snapshot: %w", err)
	}
	e.stopApplierLocked()
	err = e.switchGeneration(ctx, dir, &s, hs)
	if startErr := e.startApplierLocked(); startErr != nil {
		err = errors.Join(err, startErr)
	}
	if err != nil {
		return fmt.Errorf("adopt snapshot: %w", err)
	}
	return nil
}

// ErrEmptyMaster is returned by Adopt when the new keyspace is empty, this one is not, and the histories have nothing in common: a master that
// has lost its data (a wrong directory, a new disk) and was started again. Options.AcceptEmpty allows it.
var ErrEmptyMaster = errors.New("the master's data set is empty, and its history is unknown here")

// mayWipe refuses to replace keys by nothing, unless that nothing is a later state of the same data (a FLUSHALL).
func (e *Engine) mayWipe(s *state, hs []backlog.History) error {
	if e.o.AcceptEmpty == nil || e.o.AcceptEmpty() {
		return nil
	}
	for i := range s.dbs {
		if s.dbs[i].keys > 0 {
			return nil
		}
	}
	mine := int64(0)
	for _, db := range e.DBStats() {
		mine += db.Keys
	}
	if mine == 0 {
		return nil
	}
	for _, ours := range e.o.Backlog.Histories() {
		if slices.ContainsFunc(hs, func(h backlog.History) bool { return h.ID == ours.ID }) {
			return nil
		}
	}
	return fmt.Errorf("%w: the %d keys here are kept. If it lost its data, promote this node (REPLICAOF NO ONE); if it is empty on purpose, set "+
		"repl-accept-empty-master yes", ErrEmptyMaster, mine)
}

// switchGeneration is steps 2 to 4. The applier stands still and clients' writes are refused, so nobody changes either keyspace.
func (e *Engine) switchGeneration(ctx context.Context, dir string, s *state, hs []backlog.History) error {
	gen := e.o.Backlog.Generation() + 1
	target := e.generationDir(gen)
	if err := e.moveDir(dir, target); err != nil {
		return err
	}
	next, err := e.openStore(gen)
	if err != nil {
		return err
	}
	if err := e.o.Backlog.BeginGeneration(gen, hs, s.applied); err != nil {
		return errors.Join(err, next.closeFiles())
	}
	old := e.ds.Load()
	e.install(next, s)
	e.beginFilter(next)
	removed := e.remove(old)
	select {
	case <-removed:
	case <-ctx.Done(): // the switch is made; only readers of the old one are waited for
	}
	return nil
}

// remove closes a keyspace that was replaced, once its last reader is gone, and removes its files. It does not wait: the channel is closed when
// that is done. What Close leaves of it goes at the next start.
func (e *Engine) remove(old *dataset) <-chan struct{} {
	removed := make(chan struct{})
	e.run(func(ctx context.Context) {
		defer close(removed)
		if err := old.retire(ctx); err != nil {
			e.o.Logger.Error("the replaced keyspace could not be closed; the next start removes it", "err", err)
			return
		}
		if err := e.o.FS.RemoveAll(old.dir); err != nil {
			e.o.Logger.Error("the replaced keyspace could not be removed; the next start will try again", "dir", old.dir, "err", err)
		}
	})
	return removed
}

// moveDir renames a folder into place and makes both ends of the rename durable.
func (e *Engine) moveDir(from, to string) error {
	fs := e.o.FS
	if err := fs.RemoveAll(to); err != nil { // left by an adoption that failed before meta.db named it
		return fmt.Errorf("clear %s: %w", to, err)
	}
	if err := fs.Rename(from, to); err != nil {
		return fmt.Errorf("move snapshot into place: %w", err)
	}
	for _, parent := range []string{fs.PathDir(to), fs.PathDir(from)} {
		if err := syncDir(fs, parent); err != nil {
			return fmt.Errorf("move snapshot into place: %w", err)
		}
	}
	return nil
}
