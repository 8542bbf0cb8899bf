package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
	"replogd/engine/memtable"
	"replogd/engine/rdb"
)

const (
	// loadFileBytes is how much a load collects for a file of the store; one file is being collected while another is sorted and written.
	loadFileBytes = 32 << 20
	// loadSublevels is from how many files that overlap on the store compacts during a load: a gigabyte's. Below that it is done after it.
	loadSublevels = 32
	// loadRows is how many rows of one key stay in the tx.
	loadRows = 2048
	// loadCheckEvery is after how many keys a load asks whether anybody still wants it.
	loadCheckEvery = 256
)

// ErrTwice is an RDB file in which a key comes twice, or a value in which an element does.
var ErrTwice = errors.New("something comes twice")

// LoadRDB makes a keyspace of an RDB file in dir, which must not exist and lies on the engine's file system: what Adopt takes. The keyspace
// stands at offset. Nothing of the engine's own keyspace is touched; on an error dir holds nothing of use. keysLoaded is called now and then.
//
// A crash leaves dir, which nobody names: it is for the caller to remove it.
func (e *Engine) LoadRDB(ctx context.Context, dir string, in io.Reader, offset uint64, keysLoaded func(keys int64)) (err error) {
	o := e.pebbleOptions(e.o.FS)
	o.DisableWAL = true
	o.L0CompactionThreshold, o.L0CompactionFileThreshold = loadSublevels, loadSublevels
	db, err := pebble.Open(dir, o)
	if err != nil {
		return fmt.Errorf("load RDB: create %s: %w", dir, err)
	}
	tables := dir + ".tables"
	err = e.o.FS.MkdirAll(tables, 0o755)
	if err == nil {
		l := newLoader(ctx, e, db, offset, keysLoaded)
		l.files = newLoadFiles(l.ctx, e.o.FS, tables, db, o.MakeWriterOptions(0, db.TableFormat()))
		err = rdb.NewReader(in).File(l)
		if ferr := l.files.finish(); err == nil || errors.Is(err, errFiles) {
			err = ferr
		}
		if err == nil {
			err = l.finish()
		}
	}
	for _, cerr := range []error{db.Close(), e.o.FS.RemoveAll(tables)} {
		if err == nil {
			err = cerr
		}
	}
	if err != nil {
		return fmt.Errorf("load RDB: %w", err)
	}
	return nil
}

// loader is the sink of a whole file. It makes rows by the commands' own code, in a tx that is emptied into the files again and again.
type loader struct {
	ctx   context.Context
	e     *Engine
	db    *pebble.DB
	files *loadFiles
	c     call
	tx    tx
	value restorer
	key   keyRef
	until int64 // its time

	loaded     int64
	keysLoaded func(int64)
}

func newLoader(ctx context.Context, e *Engine, db *pebble.DB, offset uint64, keysLoaded func(int64)) *loader {
	l := &loader{ctx: ctx, e: e, db: db, keysLoaded: keysLoaded}
	st := newState(offset, e.o.Databases)
	ds := &dataset{db: db, cache: &rowCache{}}
	ds.mem.init(e.o.MemTableBytes)
	l.tx.reset(ds, &st)
	l.c = call{e: e, ds: ds, tx: &l.tx, replay: true, loading: true}
	return l
}

// Aux takes the database that the stream behind the file has selected.
func (l *loader) Aux(name, value string) error {
	if name != "repl-stream-db" {
		return nil
	}
	if db, err := strconv.Atoi(value); err == nil && db >= 0 {
		l.tx.state.growTo(min(db, maxDatabases-1) + 1)
		l.tx.state.streamDB = db
	}
	return nil
}

// Library keeps a library of functions; of two with one name the later one.
func (l *loader) Library(code []byte) error {
	name, err := libraryName(code)
	if err != nil {
		return err
	}
	row := keys.Library(name)
	return l.files.add(memtable.NewRow(append(row, code...), len(row)))
}

func (l *loader) SelectDB(db uint64) error {
	if db >= maxDatabases {
		return fmt.Errorf("database %d: there are at most %d", db, maxDatabases)
	}
	l.c.db = int(db)
	l.tx.state.growTo(int(db) + 1)
	return nil
}

func (l *loader) Key(key []byte, expireMs int64) (rdb.Sink, error) {
	if l.loaded%loadCheckEvery == 0 && l.ctx.Err() != nil {
		return nil, context.Cause(l.ctx)
	}
	l.c.rowBuf = keys.AppendKey(l.c.rowBuf[:0], l.tx.state.dbs[l.c.db].id, key)
	l.key = keyRef{db: l.c.db, key: key, row: append([]byte(nil), l.c.rowBuf...)}
	l.until = expireMs
	l.value = restorer{c: &l.c}
	return (*loadSink)(l), nil
}

func (l *loader) EndKey() error {
	h := l.value.head()
	if l.until != 0 {
		h.ExpireMs = max(l.until, 1)
	}
	if err := l.c.put(&l.key, h); err != nil {
		return err
	}
	l.value = restorer{}
	if l.loaded++; l.loaded%loadCheckEvery == 0 && l.keysLoaded != nil {
		l.keysLoaded(l.loaded)
	}
	return l.spill()
}

// spill moves the tx's rows to the files.
func (l *loader) spill() error {
	for i := range l.tx.rows {
		r := &l.tx.rows[i]
		if r.deleted {
			return fmt.Errorf("BUG: a load removes row %x", r.key())
		}
		if err := l.files.add(memtable.NewRow(r.data, r.keyLen)); err != nil {
			return err
		}
	}
	l.tx.clearRows()
	l.c.rowBuf = l.c.rowBuf[:0]
	return nil
}

// finish writes the state behind all rows, makes it durable, and looks for what came twice: a row that was written twice is one row.
func (l *loader) finish() error {
	if err := l.db.Set(stateRow, l.tx.state.appendTo(nil), pebble.NoSync); err != nil {
		return err
	}
	if err := l.db.Flush(); err != nil {
		return err
	}
	return l.check()
}

// check counts keys and elements: as many as were read must be there.
func (l *loader) check() error {
	for db := range l.tx.state.dbs {
		st := &l.tx.state.dbs[db]
		lower, upper := keys.DBBounds(keys.TagKey, st.id, st.id)
		n := int64(0)
		err := l.each(lower, upper, func(row, value []byte) error {
			n++
			h, err := keys.ParseHead(value)
			if err != nil {
				return corruptRow(row, err)
			}
			if n%loadCheckEvery == 0 && l.ctx.Err() != nil {
				return context.Cause(l.ctx)
			}
			return l.checkElements(row, &h)
		})
		if err != nil {
			return err
		}
		if n != st.keys {
			return fmt.Errorf("%w: database %d has %d keys, of which %d are different", ErrTwice, db, st.keys, n)
		}
	}
	return nil
}

func (l *loader) checkElements(row []byte, h *keys.Head) error {
	if h.Type != keys.TypeHash && h.Type != keys.TypeSet && h.Type != keys.TypeZSet {
		return nil
	}
	lower, upper := keys.UIDBounds(keys.TagField, h.UID, h.UID)
	n := int64(0)
	err := l.each(lower, upper, func(_, _ []byte) error { n++; return nil })
	if err == nil && n != h.Count {
		err = fmt.Errorf("%w: key %q has %d elements, of which %d are different", ErrTwice, keys.KeyOf(row), h.Count, n)
	}
	return err
}

func (l *loader) each(lower, upper []byte, fn func(row, value []byte) error) (err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := fn(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// loadSink is the sink of a value: the restorer's, with the tx emptied within a large one.
type loadSink loader

func (s *loadSink) after(err error) error {
	if l := (*loader)(s); err == nil && len(l.tx.rows) >= loadRows {
		return l.spill()
	}
	return err
}

func (s *loadSink) String(value []byte) error       { return s.value.String(value) }
func (s *loadSink) Element(value []byte) error      { return s.after(s.value.Element(value)) }
func (s *loadSink) Member(member []byte) error      { return s.after(s.value.Member(member)) }
func (s *loadSink) Field(field, value []byte) error { return s.after(s.value.Field(field, value)) }
func (s *loadSink) Score(member []byte, score float64) error {
	return s.after(s.value.Score(member, score))
}

func (s *loadSink) Entry(id rdb.ID, fields [][]byte) error { return s.after(s.value.Entry(id, fields)) }
func (s *loadSink) StreamInfo(info rdb.StreamInfo) error   { return s.value.StreamInfo(info) }
func (s *loadSink) Group(g rdb.Group) error                { return s.value.Group(g) }
func (s *loadSink) Consumer(c rdb.Consumer) error          { return s.after(s.value.Consumer(c)) }
func (s *loadSink) Pending(p rdb.Pending) error            { return s.after(s.value.Pending(p)) }
