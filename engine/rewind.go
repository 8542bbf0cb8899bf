package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replogd/backlog"
)

// Rewind makes the keyspace and the log end at offset off, on the histories hs, although the log goes on: it holds nothing behind off that
// changes a key, which the caller has made sure of. The node must be a follower, and nobody may append to the backlog meanwhile.
//
// It is an Adopt of the node's own data: a checkpoint is made of it, the checkpoint's state is set to off, and it becomes the next
// generation, with an empty log that begins at off. So the crash argument is Adopt's: at any point there is the old keyspace with the old log,
// or the new one. What is given up is the log before off: who still needs that must fetch it, or everything, from another node.
func (e *Engine) Rewind(ctx context.Context, off uint64, hs []backlog.History) error {
	if err := e.WaitApplied(ctx, e.o.Backlog.End()); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	c, err := e.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	defer c.Release()
	if err := e.restate(c.Dir, off); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	return e.Adopt(ctx, c.Dir, off, hs)
}

// restate sets the offset at which a checkpoint's rows stand. They are those of off too.
func (e *Engine) restate(dir string, off uint64) (err error) {
	db, err := pebble.Open(dir, e.pebbleOptions(e.o.FS))
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, found, err := readState(db)
	if err != nil {
		return err
	}
	if !found || s.applied < off {
		return fmt.Errorf("BUG: checkpoint %s stands at offset %d, before %d", dir, s.applied, off)
	}
	s.applied = off
	if err := db.Set(stateRow, s.appendTo(nil), pebble.NoSync); err != nil {
		return fmt.Errorf("set the state of %s: %w", dir, err)
	}
	if err := db.Flush(); err != nil { // there is no WAL: a flush is what makes it durable
		return fmt.Errorf("flush %s: %w", dir, err)
	}
	return nil
}
