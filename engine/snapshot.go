package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/keys"
	"replogd/engine/rdb"
)

// Snapshot is the keyspace as of one offset of the log, to be read at leisure: nobody waits for it. It keeps files and memory from being
// given back until Close.
type Snapshot struct {
	Offset   uint64
	StreamDB int // database the stream has selected at Offset

	// Progress, if set, is called by WriteRDB now and then with the number of keys written so far.
	Progress func(keys int64)

	e   *Engine
	ds  *dataset
	v   *view
	dbs []dbState
}

// Snapshot takes one, between two commits.
func (e *Engine) Snapshot() *Snapshot {
	e.seq.Lock()
	defer e.seq.Unlock()
	ds := e.acquire()
	st := &e.seq.state
	return &Snapshot{
		Offset: st.applied, StreamDB: st.streamDB,
		e: e, ds: ds, v: ds.viewOnce(), dbs: append([]dbState(nil), st.dbs...),
	}
}

// Keys is how many keys it has, in all databases.
func (s *Snapshot) Keys() (n int64) {
	for i := range s.dbs {
		n += s.dbs[i].keys
	}
	return n
}

// Close gives it back. Calling it again does nothing.
func (s *Snapshot) Close() {
	if s.v != nil {
		s.v.close()
		s.ds.release()
		s.v = nil
	}
}

// CompatVersion is the version of Redis whose commands are here; RDB files name it as the one they come from.
const CompatVersion = "7.0.15"

// snapshotCheckEvery is after how many keys WriteRDB asks whether anybody still wants it.
const snapshotCheckEvery = 1024

// WriteRDB writes the snapshot as an RDB file of Redis, which says that Offset counts in the history
// replid; "": it says nothing of a history. Its memory is one value's, or one element's of a collection, and a buffer. Keys whose
// time is up are written too: only the stream says when they go.
func (s *Snapshot) WriteRDB(ctx context.Context, out io.Writer, replid string) error {
	codes, err := s.libraries()
	if err != nil {
		return fmt.Errorf("write functions as RDB: %w", err)
	}
	w := rdb.NewWriter(out)
	w.Header(len(codes) > 0)
	for _, aux := range [][2]string{
		{"redis-ver", CompatVersion},
		{"redis-bits", "64"},
		{"ctime", strconv.FormatInt(time.Now().Unix(), 10)},
		{"used-mem", "0"},
		{"repl-stream-db", strconv.Itoa(s.StreamDB)},
		{"repl-id", replid},
		{"repl-offset", strconv.FormatUint(s.Offset, 10)},
		{"aof-base", "0"},
	} {
		if replid == "" && strings.HasPrefix(aux[0], "repl-") {
			continue
		}
		w.Aux(aux[0], aux[1])
	}
	for _, code := range codes {
		w.Library(code)
	}
	written := int64(0)
	for db := range s.dbs {
		if s.dbs[db].keys == 0 {
			continue
		}
		if err := s.writeDB(ctx, w, db, &written); err != nil {
			return fmt.Errorf("write database %d as RDB: %w", db, err)
		}
	}
	return w.End()
}

// libraries returns the code of each library of functions.
func (s *Snapshot) libraries() (codes [][]byte, err error) {
	lower, upper := keys.LibraryBounds()
	err = s.v.rows(0, lower, upper, func(_, code []byte) error {
		codes = append(codes, bytes.Clone(code))
		return nil
	})
	return codes, err
}

// writeDB writes a database, and adds its keys to written.
func (s *Snapshot) writeDB(ctx context.Context, w *rdb.Writer, db int, written *int64) error {
	st := &s.dbs[db]
	w.SelectDB(db, uint64(st.keys), uint64(st.expires)) //nolint:gosec // counts
	d := dumper{w: w, rows: s.v.rows}
	lower, upper := keys.DBBounds(keys.TagKey, st.id, st.id)
	n := int64(0)
	err := s.v.rows(0, lower, upper, func(row, value []byte) error {
		n++
		if *written++; *written%snapshotCheckEvery == 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if s.Progress != nil {
				s.Progress(*written)
			}
		}
		_, _, key, err := keys.ParseKey(row)
		if err != nil {
			return corruptRow(row, err)
		}
		h, err := keys.ParseHead(value)
		if err != nil {
			return corruptRow(row, err)
		}
		if h.ExpireMs != 0 {
			w.ExpireMs(h.ExpireMs)
		}
		if err := d.value(&h, func() { w.String(key) }); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		return w.Err()
	})
	if err == nil && n != st.keys {
		err = fmt.Errorf("%w: database %d has %d keys and a count of %d", ErrCorrupt, db, n, st.keys)
	}
	return err
}

// rows is a rowSource.
func (v *view) rows(_ uint64, lower, upper []byte, fn func(row, value []byte) error) error {
	it, err := v.iter(lower, upper)
	if err != nil {
		return err
	}
	return it.all(fn)
}

// Spool is an RDB file on disk, for who must know its size before its first byte. A crash leaves it below checkpoints/, which the next
// start removes.
type Spool struct {
	File vfs.File // at its beginning
	Size int64

	e   *Engine
	dir string
}

// Spool writes the snapshot to a file.
func (s *Snapshot) Spool(ctx context.Context, replid string) (_ *Spool, err error) {
	fs := s.e.o.FS
	sp := &Spool{e: s.e, dir: fs.PathJoin(s.e.o.Dir, checkpointDir, newID())}
	defer func() {
		if err != nil {
			sp.Remove()
			err = fmt.Errorf("write RDB: %w", err)
		}
	}()
	if err := fs.MkdirAll(sp.dir, 0o755); err != nil {
		return nil, err
	}
	path := fs.PathJoin(sp.dir, "dump.rdb")
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	err = s.WriteRDB(ctx, f, replid)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	if sp.File, err = fs.Open(path, vfs.SequentialReadsOption); err != nil {
		return nil, err
	}
	st, err := sp.File.Stat()
	if err != nil {
		return nil, err
	}
	sp.Size = st.Size()
	return sp, nil
}

// Remove closes the file and removes it.
func (sp *Spool) Remove() {
	if sp.File != nil {
		_ = sp.File.Close() // opened for reading
	}
	if err := sp.e.o.FS.RemoveAll(sp.dir); err != nil {
		sp.e.o.Logger.Error("a spooled RDB could not be removed; the next start will try again", "dir", sp.dir, "err", err)
	}
}
