package engine

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/memtable"
)

// rowIter walks rows in key order, both ways, over memtables and files at once: of several rows of one key the newest counts, and
// tombstones hide what lies below them. It stays on the keyspace as it was when it was made; under the sequencer no row may be
// changed while it is open. The zero position is nowhere: begin with first, last, seekGE or seekLT. Keys and values are valid
// until the next step and read-only.
type rowIter struct {
	tables []tableSource // newest first
	files  fileIter      // nil: they hold nothing there
	// filesOK says whether files stands at a row.
	filesOK      bool
	lower, upper []byte
	at           int // source of the present row: index of tables, len(tables) for files
	back         bool
	failed       error
}

// fileIter is what an iteration needs of the files: a Pebble iterator, or rows read before (ahead.go), with the same bounds.
type fileIter interface {
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	Next() bool
	Prev() bool
	Key() []byte
	ValueAndErr() ([]byte, error)
	Error() error
	Close() error
}

// tableSource is one memtable's part of an iteration.
type tableSource struct {
	it  *memtable.Iter
	row memtable.Row
	ok  bool
}

// newRowIter makes an iterator over [lower, upper). files may be nil: they are known to hold nothing there.
func newRowIter(tables []*memtable.Table, files fileIter, lower, upper []byte) *rowIter {
	it := &rowIter{files: files, lower: lower, upper: upper, tables: make([]tableSource, 0, len(tables))}
	for _, t := range tables {
		if !t.Empty(lower, upper) {
			it.tables = append(it.tables, tableSource{it: t.Iter(lower, upper)})
		}
	}
	return it
}

// close releases the iterator and returns what went wrong while reading files.
func (it *rowIter) close() error {
	for i := range it.tables {
		it.tables[i].it.Release()
	}
	it.tables = nil
	if it.files != nil {
		if err := it.files.Close(); it.failed == nil && err != nil {
			it.failed = err
		}
		it.files = nil
	}
	return it.err()
}

// err returns what went wrong: a false of the other methods means the end only if it is nil.
func (it *rowIter) err() error {
	if it.failed == nil && it.files != nil {
		it.failed = it.files.Error()
	}
	if it.failed != nil {
		return fmt.Errorf("scan keyspace: %w", it.failed)
	}
	return nil
}

func (it *rowIter) first() bool { return it.seekGE(it.lower) }

func (it *rowIter) last() bool { return it.seekLT(it.upper) }

// seekGE goes to the first row at or behind key.
func (it *rowIter) seekGE(key []byte) bool {
	it.back = false
	if bytes.Compare(key, it.lower) < 0 {
		key = it.lower
	}
	for i := range it.tables {
		s := &it.tables[i]
		it.place(s, s.it.SeekGE(key))
	}
	if it.files != nil {
		it.filesOK = it.files.SeekGE(key)
	}
	return it.settle()
}

// seekLT goes to the last row before key.
func (it *rowIter) seekLT(key []byte) bool {
	it.back = true
	if bytes.Compare(key, it.upper) > 0 {
		key = it.upper
	}
	for i := range it.tables {
		s := &it.tables[i]
		it.place(s, s.it.SeekLT(key))
	}
	if it.files != nil {
		it.filesOK = it.files.SeekLT(key)
	}
	return it.settle()
}

func (it *rowIter) next() bool {
	if it.back {
		return it.seekGE(append(bytes.Clone(it.key()), 0))
	}
	it.step(it.key())
	return it.settle()
}

func (it *rowIter) prev() bool {
	if !it.back {
		return it.seekLT(bytes.Clone(it.key()))
	}
	it.step(it.key())
	return it.settle()
}

// place notes where a memtable's iterator stands.
func (it *rowIter) place(s *tableSource, ok bool) {
	s.ok = false
	if !ok {
		return
	}
	s.row = s.it.Row()
	k := s.row.Key()
	s.ok = bytes.Compare(k, it.lower) >= 0 && bytes.Compare(k, it.upper) < 0
}

// step moves every source that stands at key one further. Files move last: key may be theirs.
func (it *rowIter) step(key []byte) {
	for i := range it.tables {
		s := &it.tables[i]
		if s.ok && bytes.Equal(s.row.Key(), key) {
			if it.back {
				it.place(s, s.it.Prev())
			} else {
				it.place(s, s.it.Next())
			}
		}
	}
	if it.filesOK && bytes.Equal(it.files.Key(), key) {
		if it.back {
			it.filesOK = it.files.Prev()
		} else {
			it.filesOK = it.files.Next()
		}
	}
}

// settle chooses the source of the next row, passing over what tombstones hide.
func (it *rowIter) settle() bool {
	for {
		best := -1
		var key []byte
		for i := range it.tables {
			if s := &it.tables[i]; s.ok && (best < 0 || it.before(s.row.Key(), key)) {
				best, key = i, s.row.Key()
			}
		}
		if it.filesOK && (best < 0 || it.before(it.files.Key(), key)) {
			best = len(it.tables)
		}
		if best < 0 {
			return false
		}
		it.at = best
		if best == len(it.tables) || !it.tables[best].row.Deleted() {
			return true
		}
		it.step(key)
	}
}

// before says whether a comes before b in the present direction. At equal keys the newer source, looked at first, stays.
func (it *rowIter) before(a, b []byte) bool {
	if it.back {
		return bytes.Compare(a, b) > 0
	}
	return bytes.Compare(a, b) < 0
}

func (it *rowIter) key() []byte {
	if it.at == len(it.tables) {
		return it.files.Key()
	}
	return it.tables[it.at].row.Key()
}

func (it *rowIter) value() ([]byte, error) {
	if it.at == len(it.tables) {
		v, err := it.files.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("scan keyspace: %w", err)
		}
		return v, nil
	}
	return it.tables[it.at].row.Value(), nil
}

// walk calls fn at each row, in order or backwards, until it returns false, and closes the iterator.
func (it *rowIter) walk(back bool, fn func() (more bool, err error)) (err error) {
	defer func() {
		if cerr := it.close(); err == nil {
			err = cerr
		}
	}()
	step, begin := it.next, it.first
	if back {
		step, begin = it.prev, it.last
	}
	for ok := begin(); ok; ok = step() {
		if more, err := fn(); err != nil || !more {
			return err
		}
	}
	return it.err()
}

// rows is walk, in order, with keys and values, which are valid during fn.
func (it *rowIter) rows(fn func(row, value []byte) (more bool, err error)) error {
	return it.walk(false, func() (bool, error) {
		value, err := it.value()
		if err != nil {
			return false, err
		}
		return fn(it.key(), value)
	})
}

// all is rows over everything there is.
func (it *rowIter) all(fn func(row, value []byte) error) error {
	return it.rows(func(row, value []byte) (bool, error) { return true, fn(row, value) })
}

// noRows is an iterator over bounds that hold nothing: the store does not take them.
func noRows(lower, upper []byte) (it *rowIter, empty bool) {
	if bytes.Compare(lower, upper) < 0 {
		return nil, false
	}
	return newRowIter(nil, nil, lower, lower), true
}

// iter opens an iterator over [lower, upper) of what the view shows.
func (v *view) iter(lower, upper []byte) (*rowIter, error) {
	if it, empty := noRows(lower, upper); empty {
		return it, nil
	}
	files, err := v.files.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("scan keyspace: %w", err)
	}
	if !v.once {
		v.of.Ask(lower, upper)
	}
	v.mem.order(v.of, lower, upper)
	return newRowIter(tablesOf(nil, v.active, v.frozen), files, lower, upper), nil
}

// iterLocked opens an iterator over the keyspace and the tx's own changes. The bounds are within the collection uid; 0: any. The caller holds
// the sequencer as long as it is open.
func (ds *dataset) iterLocked(t *tx, uid uint64, lower, upper []byte) (*rowIter, error) {
	if it, empty := noRows(lower, upper); empty {
		return it, nil
	}
	tables := ds.mem.tables(t, lower, upper) // before the files: a table that is drained meanwhile is in both, and not in neither
	var files fileIter
	if uid == 0 || uid < ds.filedUID.Load() {
		it, err := ds.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return nil, fmt.Errorf("scan keyspace: %w", err)
		}
		files = it
	}
	return newRowIter(tables, files, lower, upper), nil
}

// tables lists the tx's own rows and the tables in memory, from the newest to the oldest, to be iterated over between bounds. Only the
// sequencer's holder calls it.
func (m *memory) tables(t *tx, lower, upper []byte) []*memtable.Table {
	own := t.ordered()
	m.mu.RLock()
	active, frozen := m.mu.active, m.mu.frozen
	m.mu.RUnlock()
	active.Ask(lower, upper)
	m.order(active, lower, upper)
	return tablesOf(own, active, frozen)
}

// order sees to it that the rows of a table between bounds, and those of its views, may be iterated over. The first time it takes a while for
// a table that is written.
func (m *memory) order(table *memtable.Table, lower, upper []byte) {
	m.mu.RLock()
	done := table.Ordered(lower, upper)
	m.mu.RUnlock()
	if done {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	table.Order(lower, upper)
	if table == m.mu.active {
		m.dropViewLocked() // the next one is of the ordered table
	}
}

// tablesOf lists tables from the newest to the oldest.
func tablesOf(own, active *memtable.Table, frozen []*frozenTable) []*memtable.Table {
	tables := make([]*memtable.Table, 0, maxFrozen+2)
	if own != nil {
		tables = append(tables, own)
	}
	tables = append(tables, active)
	for i := len(frozen) - 1; i >= 0; i-- {
		tables = append(tables, frozen[i].table)
	}
	return tables
}
