package backlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	bolt "go.etcd.io/bbolt"

	"replogd/wal"
)

// Open takes the directory's lock, opens meta.db and recovers the log. A new directory gets a node id, generation 1 and a
// fresh random history at offset 0. The order, and what a crash leaves at each step, is in the package comment.
//
// Errors: *LockedError (the directory is in use, with the pid), ErrMetaMissing, *MetaError (damaged, ErrUnsupported),
// ErrLogShort, and those of wal.Open (*wal.CorruptionError, ...). After an error nothing is left open.
func Open(o Options) (_ *Backlog, err error) {
	o.ensureDefaults()
	b := &Backlog{o: o, logger: o.Logger}
	b.tail.size = o.TailBytes
	defer func() {
		if err != nil {
			b.abandonOpen()
		}
	}()
	if !o.ReadOnly {
		if err := b.lockDir(); err != nil {
			return nil, err
		}
	}
	st, err := b.openState()
	if err != nil {
		return nil, err
	}
	b.takeState(st)
	if err := b.openLog(st); err != nil {
		return nil, err
	}
	if o.ReadOnly {
		return b, nil
	}
	if err := b.beginRun(); err != nil {
		return nil, err
	}
	if o.keeperEveryForTesting > 0 {
		b.startKeeper()
	}
	return b, nil
}

func (b *Backlog) lockDir() (err error) {
	dir := filepath.Dir(b.o.MetaPath)
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("open backlog: create directory: %w", err)
	}
	b.lock, err = acquireLock(dir)
	return err
}

// makeDir creates dir, with its parents, and makes the new names durable.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// makeFSDir is makeDir on a vfs.FS: a directory whose name is not fsynced takes everything in it along at a power cut.
func makeFSDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := fs.PathDir(dir)
	if parent == dir {
		return fs.MkdirAll(dir, 0o755)
	}
	if parent != "." {
		if err := makeFSDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := fs.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openState opens meta.db, making it first in a new directory, and reads it.
func (b *Backlog) openState() (*metaState, error) {
	path := b.o.MetaPath
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := b.firstRun(path); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, &MetaError{Path: path, Op: "open meta.db", Err: err}
	}
	meta, err := openMeta(path, b.o.ReadOnly)
	if err != nil {
		return nil, err
	}
	b.meta = meta
	return meta.load()
}

// firstRun makes meta.db, unless anything says that this directory has been used before: a fresh history over an existing
// log would give its bytes a wrong name.
func (b *Backlog) firstRun(path string) error {
	missing := func(what string) error {
		return fmt.Errorf("open backlog: %w: %s does not exist, but %s; restore meta.db from a backup, or, on a replica, move "+
			"the whole directory away and start again for a full sync", ErrMetaMissing, path, what)
	}
	if b.o.ReadOnly {
		return missing("a directory is read-only here, so none is made (is this a data directory?)")
	}
	segs, err := listSegments(b.o.FS, b.o.FS.PathJoin(b.o.Dir, walDir))
	if err != nil {
		return fmt.Errorf("open backlog: list log segments: %w", err)
	}
	if len(segs) > 0 {
		return missing(fmt.Sprintf("there are %d log segments (%s ...)", len(segs), segs[0]))
	}
	data := b.o.FS.PathJoin(b.o.Dir, dataDir)
	names, err := listDir(b.o.FS, data)
	if err != nil {
		return fmt.Errorf("open backlog: list generations: %w", err)
	}
	if len(names) > 0 {
		return missing(fmt.Sprintf("there is a keyspace in %s", b.o.FS.PathJoin(data, names[0])))
	}
	st := &metaState{
		node:    newID(),
		gen:     generationRecord{gen: 1},
		lineage: &lineage{hs: []History{{ID: newID()}}, epochs: []uint32{1}, next: 2, own: true},
		run:     runRecord{clean: true},
	}
	if err := createMeta(path, st); err != nil {
		return err
	}
	b.logger.Info("created a new data directory", "dir", b.o.Dir, "node", st.node, "history", st.lineage.current().ID)
	return nil
}

// listSegments returns the paths of the segment files in dir, in order of offset; none when dir does not exist.
func listSegments(fs vfs.FS, dir string) ([]string, error) {
	names, err := listDir(fs, dir)
	var paths []string
	for _, n := range names {
		if strings.HasSuffix(n, ".log") {
			paths = append(paths, fs.PathJoin(dir, n))
		}
	}
	return paths, err
}

func (b *Backlog) takeState(st *metaState) {
	for _, text := range st.dropped {
		b.logger.Warn("left out a damaged note of a replica; it is made anew when the replica comes back", "replica", text)
	}
	b.node, b.prev = st.node, st.run
	b.unclean = !st.run.clean
	b.lineage.Store(st.lineage)
	b.generation.Store(st.gen.gen)
	b.replicas.load(st.replicas)
	lost := st.run.lostTailNext()
	b.lostTail.Store(lost)
	b.changes.run = st.run
	b.changes.run.lostTail = lost
}

func (b *Backlog) openLog(st *metaState) (err error) {
	dir := b.o.FS.PathJoin(b.o.Dir, walDir)
	if !b.o.ReadOnly {
		if err := makeFSDir(b.o.FS, dir); err != nil {
			return fmt.Errorf("open backlog: create directory %s: %w", dir, err)
		}
	}
	b.log, err = wal.Open(wal.Options{
		FS:          b.o.FS,
		Dir:         dir,
		SegmentSize: b.o.SegmentSize,
		Generation:  st.gen.gen,
		StartOffset: st.gen.start,
		Policy:      b.o.Policy,
		ReadOnly:    b.o.ReadOnly,
		Logger:      b.logger,
	})
	if err != nil {
		return fmt.Errorf("open backlog: %w", err)
	}
	end := b.log.End()
	if end < st.run.floor && !b.o.ReadOnly {
		how := "when the last run began"
		if st.run.clean {
			how = "at its clean shutdown"
		}
		return fmt.Errorf("open backlog: %w: the log in %s ends at offset %d, but %s it was fsynced up to %d: segments were removed "+
			"or cut, or the disk lost what it had confirmed; restore the directory from a backup, or, on a replica, move it away and "+
			"start again for a full sync", ErrLogShort, dir, end, how, st.run.floor)
	}
	b.applied.Store(&appliedMark{gen: st.gen.gen, off: st.gen.start})
	for _, s := range b.log.Segments() {
		if text := st.lineage.disowns(s.Epoch, s.History); text != "" && !b.o.ReadOnly {
			return fmt.Errorf("open backlog: %w: %s: %s; %s", ErrMetaStale, s.Path, text, remedyStale)
		}
		b.lastEpoch.Store(max(b.lastEpoch.Load(), s.Epoch))
	}
	return nil
}

// beginRun marks the directory as in use, so that a crash from here on is noticed, with the facts of the last run that must
// survive it. The role is none until SetRole: nothing can be written before.
func (b *Backlog) beginRun() error {
	b.changes.Lock()
	defer b.changes.Unlock()
	r := runRecord{
		unsafe:   b.o.Policy() != wal.SyncAlways,
		lostTail: b.lostTail.Load(),
		floor:    b.log.Synced(),
	}
	err := b.commitLocked("mark run", func(mb *bolt.Bucket) error { return put(mb, keyRun, encodeRun(r)) })
	if err != nil {
		return err
	}
	b.changes.run = r
	b.unsafe.Store(r.unsafe)
	if b.unclean {
		b.logger.Warn("the last run did not end with a clean shutdown", "role", b.prev.role.String(), "end", b.log.End(),
			"lost_tail_possible", r.lostTail)
	}
	return nil
}

// abandonOpen gives back what a failed Open had got.
func (b *Backlog) abandonOpen() {
	var errs []error
	if b.log != nil {
		errs = append(errs, b.log.Close())
	}
	if b.meta != nil {
		errs = append(errs, b.meta.close())
	}
	if b.lock != nil {
		errs = append(errs, b.lock.release())
	}
	if err := errors.Join(errs...); err != nil {
		b.logger.Warn("could not close everything after a failed start", "err", err)
	}
}

// Close stops the keeper, writes the notes of replicas, writes and fsyncs the log, and, with clean and if all that succeeded,
// marks the shutdown as clean. Nobody may append any more. Cursors and waiters get errors; a second Close gets ErrClosed.
//
// Crash before the mark: an unclean end, which is all that it is. After: a clean one, and the log is fsynced up to the
// recorded end.
func (b *Backlog) Close(clean bool) error {
	b.changes.Lock()
	was := b.changes.closed
	b.changes.closed = true
	b.changes.Unlock()
	if was {
		return ErrClosed
	}
	b.stopKeeper()
	end := b.log.End()
	err := b.log.Close()
	if !b.o.ReadOnly && b.switchErr.Load() == nil {
		err = errors.Join(err, b.endRun(clean && err == nil, end))
	}
	err = errors.Join(err, b.meta.close())
	if b.lock != nil {
		err = errors.Join(err, b.lock.release())
	}
	if err != nil {
		return fmt.Errorf("close backlog: %w", err)
	}
	return nil
}

func (b *Backlog) endRun(clean bool, end uint64) error {
	b.changes.Lock()
	defer b.changes.Unlock()
	b.changes.closed = false // for these last two commits
	defer func() { b.changes.closed = true }()
	err := b.flushReplicasLocked(true)
	if err != nil || !clean {
		return err
	}
	r := b.changes.run
	r.clean, r.floor = true, end
	return b.commitLocked("mark clean shutdown", func(mb *bolt.Bucket) error { return put(mb, keyRun, encodeRun(r)) })
}

// listDir returns the sorted names in dir, none when it does not exist.
func listDir(fs vfs.FS, dir string) ([]string, error) {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}
