package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"replogd/backlog"
)

// Checkpoint is a copy of the keyspace (hard links) as it was at Offset. Until Release the log is kept from Offset on, so that
// whoever takes the copy can continue from there.
type Checkpoint struct {
	ID        string // 16 hex digits, fresh
	Dir       string
	Offset    uint64
	StreamDB  int               // database the stream has selected at Offset
	Histories []backlog.History // those that had begun at Offset
	Files     []CheckpointFile

	e    *Engine
	pin  *backlog.Pin
	once sync.Once
}

// CheckpointFile is one file of a checkpoint.
type CheckpointFile struct {
	Name string
	Size int64
}

// Checkpoint flushes the keyspace and makes a copy of it, without stopping anybody. It takes as long as the flush.
//
// A crash leaves at most a folder below checkpoints/, removed at the next start.
func (e *Engine) Checkpoint(ctx context.Context) (_ *Checkpoint, err error) {
	pin, err := e.pinDurable()
	if err != nil {
		return nil, fmt.Errorf("make checkpoint: %w", err)
	}
	id := newID()
	c := &Checkpoint{ID: id, Dir: e.o.FS.PathJoin(e.o.Dir, checkpointDir, id), e: e, pin: pin}
	defer func() {
		if err != nil {
			c.Release()
			err = fmt.Errorf("make checkpoint: %w", err)
		}
	}()
	if err := e.Flush(ctx); err != nil {
		return nil, err
	}
	if err := e.o.FS.MkdirAll(e.o.FS.PathJoin(e.o.Dir, checkpointDir), 0o755); err != nil {
		return nil, err
	}
	ds := e.acquire()
	err = ds.db.Checkpoint(c.Dir)
	ds.release()
	if err != nil {
		return nil, err
	}
	return c, c.describe()
}

// pinDurable keeps the log from where the store's files stand. A flush may move that point, and retention follow it, between the
// look and the pin: then it looks again.
func (e *Engine) pinDurable() (*backlog.Pin, error) {
	for {
		off := e.durable.Load()
		pin, err := e.o.Backlog.Pin("checkpoint", off)
		if err == nil || e.durable.Load() == off {
			return pin, err
		}
	}
}

// describe lists the copy's files, then reads from it where it stands: flushes may have gone on while it was made.
func (c *Checkpoint) describe() error {
	names, err := c.e.o.FS.List(c.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !ValidCheckpointName(name) {
			return fmt.Errorf("BUG: checkpoint holds an unexpected file %q", name)
		}
		info, err := c.e.o.FS.Stat(c.e.o.FS.PathJoin(c.Dir, name))
		if err != nil {
			return err
		}
		c.Files = append(c.Files, CheckpointFile{Name: name, Size: info.Size()})
	}
	s, err := c.e.inspect(c.Dir)
	if err != nil {
		return err
	}
	c.Offset, c.StreamDB = s.applied, s.streamDB
	// A pin of its own: the one before may have been lost while the log at Offset is still there.
	pin, err := c.e.o.Backlog.Pin("checkpoint", c.Offset)
	if err != nil {
		return err
	}
	c.pin.Release()
	c.pin = pin
	for _, h := range c.e.o.Backlog.Histories() {
		if h.Start <= c.Offset {
			c.Histories = append(c.Histories, h)
		}
	}
	return nil
}

// inspect opens a Pebble directory read-only and returns its state. It leaves a file named LOCK there.
func (e *Engine) inspect(dir string) (state, error) {
	o := e.pebbleOptions(e.o.FS)
	o.ReadOnly = true
	o.EventListener = &pebble.EventListener{DataCorruption: e.reportDamage}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return state{}, fmt.Errorf("open %s: %w", dir, err)
	}
	s, found, err := readState(db)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	if err == nil && !found {
		s = newState(0, e.o.Databases)
	}
	return s, err
}

// Lost reports whether the log from Offset on has been dropped all the same (repl-backlog-max-size): whoever takes the copy now
// cannot continue from it.
func (c *Checkpoint) Lost() bool { return c.pin.Lost() }

// Release removes the copy and lets the log go. Calling it again does nothing.
func (c *Checkpoint) Release() {
	c.once.Do(func() {
		c.pin.Release()
		if err := c.e.o.FS.RemoveAll(c.Dir); err != nil {
			c.e.o.Logger.Error("a checkpoint could not be removed; the next start will try again", "dir", c.Dir, "err", err)
		}
	})
}

// checkpointName matches what Pebble can put into a checkpoint.
var checkpointName = regexp.MustCompile(`^(?:[0-9]{6,20}\.(?:sst|blob|log)|MANIFEST-[0-9]{6,20}|OPTIONS-[0-9]{6,20}|marker\.(?:manifest\.[0-9]{6,20}\.MANIFEST-[0-9]{6,20}|format-version\.[0-9]{6,20}\.[0-9]{3,6}))$`)

// ValidCheckpointName reports whether a checkpoint can hold a file of that name. A peer's words are never used for a file that
// this has not passed: it admits no path.
func ValidCheckpointName(name string) bool { return checkpointName.MatchString(name) }

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
