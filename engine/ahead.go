package engine

import (
	"bytes"
	"fmt"
	"sort"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
)

// Queues take their elements from an end, one after the other. Looking each of them up in the files under the sequencer would make
// everybody wait, so a stretch of a collection's rows is read ahead in one go, in the direction in which they are taken.
const (
	aheadRows  = 256      // rows of a stretch
	aheadBytes = 64 << 10 // and about their bytes
	aheadMost  = 256      // collections that have one
	aheadArena = 8 << 10  // their memory comes in pieces of so much
)

// stretch is a part of a collection's rows as the files hold it: every row in [lower, upper). Rows in memory are newer.
//
// Memory is looked at first, and the files' version after that. What is not in memory has then been in the files since before their version
// was read; the other way round, a table that is drained between the two looks would be in neither.
type stretch struct {
	version      uint64 // of the files (dataset.fileVersion) that it was read from
	lower, upper []byte
	rows         []fileRow // in order
}

type fileRow struct{ key, value []byte }

// covers says whether the stretch knows what there is at row; back: just before it.
func (s *stretch) covers(row []byte, back bool) bool {
	if back {
		return bytes.Compare(s.lower, row) < 0 && bytes.Compare(row, s.upper) <= 0
	}
	return bytes.Compare(s.lower, row) <= 0 && bytes.Compare(row, s.upper) < 0
}

// aheads are the stretches of the collections that are being taken from. It belongs to the sequencer's holder.
type aheads struct {
	stretches map[uint64]*stretch
}

// known returns the collection's stretch if it is of that version of the files and covers row, nil otherwise.
func (a *aheads) known(uid, version uint64, row []byte, back bool) *stretch {
	if s := a.stretches[uid]; s != nil && s.version == version && s.covers(row, back) {
		return s
	}
	return nil
}

// ahead returns a stretch of the collection in the table of row that begins at row, or if back ends before it.
func (c *call) ahead(uid uint64, row []byte, back bool) (*stretch, error) {
	a := &c.e.seq.aheads
	version := c.ds.fileVersion.Load()
	if s := a.known(uid, version, row, back); s != nil {
		return s, nil
	}
	s, err := c.readAhead(uid, row, back)
	if err != nil {
		return nil, err
	}
	s.version = version // loaded before the files were opened: at worst too old, and then it is read again
	if a.stretches == nil || len(a.stretches) >= aheadMost {
		a.stretches = make(map[uint64]*stretch)
	}
	a.stretches[uid] = s
	return s, nil
}

func (c *call) readAhead(uid uint64, row []byte, back bool) (*stretch, error) {
	lower, upper := keys.UIDBounds(row[0], uid, uid)
	if back {
		upper = bytes.Clone(row)
	} else {
		lower = bytes.Clone(row)
	}
	s := &stretch{lower: lower, upper: upper}
	if uid >= c.ds.filedUID.Load() {
		return s, nil // the files have nothing of it
	}
	it, err := c.ds.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("scan keyspace: %w", err)
	}
	defer closeQuietly(it)
	ok := false
	if back {
		ok = it.Last()
	} else {
		ok = it.First()
	}
	var arena []byte
	for size := 0; ok; {
		if len(s.rows) == aheadRows || size > aheadBytes {
			s.cut(it.Key(), back)
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("scan keyspace: %w", err)
		}
		key := it.Key()
		if cap(arena)-len(arena) < len(key)+len(value) {
			arena = make([]byte, 0, max(aheadArena, len(key)+len(value)))
		}
		from, mid, to := len(arena), len(arena)+len(key), len(arena)+len(key)+len(value)
		arena = append(append(arena, key...), value...)
		s.rows = append(s.rows, fileRow{arena[from:mid:mid], arena[mid:to:to]})
		size += len(key) + len(value)
		if back {
			ok = it.Prev()
		} else {
			ok = it.Next()
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("scan keyspace: %w", err)
	}
	if back {
		for i, j := 0, len(s.rows)-1; i < j; i, j = i+1, j-1 {
			s.rows[i], s.rows[j] = s.rows[j], s.rows[i]
		}
	}
	return s, nil
}

// cut ends the stretch at a row that was not read.
func (s *stretch) cut(row []byte, back bool) {
	if back {
		s.lower = append(bytes.Clone(row), 0)
	} else {
		s.upper = bytes.Clone(row)
	}
}

// find returns what the files hold at row, which the stretch covers.
func (s *stretch) find(row []byte) (value []byte, ok bool) {
	i := s.search(row)
	if i == len(s.rows) || !bytes.Equal(s.rows[i].key, row) {
		return nil, false
	}
	return s.rows[i].value, true
}

// search is the index of the first row at or behind key.
func (s *stretch) search(key []byte) int {
	return sort.Search(len(s.rows), func(i int) bool { return bytes.Compare(s.rows[i].key, key) >= 0 })
}

// stretchIter walks a stretch as a Pebble iterator walks files.
type stretchIter struct {
	s        *stretch
	at       int
	from, to int // the rows within bounds
}

func (s *stretch) iter(lower, upper []byte) *stretchIter {
	return &stretchIter{s: s, from: s.search(lower), to: s.search(upper)}
}

func (i *stretchIter) place(at int) bool {
	i.at = at
	return at >= i.from && at < i.to
}

func (i *stretchIter) SeekGE(key []byte) bool       { return i.place(i.s.search(key)) }
func (i *stretchIter) SeekLT(key []byte) bool       { return i.place(i.s.search(key) - 1) }
func (i *stretchIter) Next() bool                   { return i.place(i.at + 1) }
func (i *stretchIter) Prev() bool                   { return i.place(i.at - 1) }
func (i *stretchIter) Key() []byte                  { return i.s.rows[i.at].key }
func (i *stretchIter) ValueAndErr() ([]byte, error) { return i.s.rows[i.at].value, nil }
func (i *stretchIter) Error() error                 { return nil }
func (i *stretchIter) Close() error                 { return nil }

// elemNear is elem for a row next to which more are going to be asked for, in the direction of the head if back.
func (c *call) elemNear(uid uint64, row []byte, back bool) (value []byte, ok bool, err error) {
	if value, ok, changed := c.tx.find(row); changed {
		return value, ok, nil
	}
	if value, live, found := c.ds.mem.find(row); found {
		return value, live, nil
	}
	s := c.e.seq.aheads.known(uid, c.ds.fileVersion.Load(), row, false)
	if s == nil {
		from := row
		if back {
			from = append(bytes.Clone(row), 0)
		}
		if s, err = c.ahead(uid, from, back); err != nil {
			return nil, false, err
		}
	}
	value, ok = s.find(row)
	return value, ok, nil
}

// near iterates over a part of a collection's table by stretches: from row on, or if back from just before it, until fn returns false
// or the bound at the other end is reached. It needs the sequencer; no row may be changed in fn. Keys and values stay valid behind it.
func (c *call) near(uid uint64, row, bound []byte, back bool, fn func(it *rowIter) (more bool, err error)) error {
	from, to := row, bound
	if back {
		from, to = bound, row
	}
	for {
		tables := c.ds.mem.tables(c.tx, from, to) // before the stretch: see there
		s, err := c.ahead(uid, row, back)
		if err != nil {
			return err
		}
		lower, upper, next := row, s.upper, s.upper
		last := bytes.Compare(s.upper, bound) >= 0
		if back {
			lower, upper, next = s.lower, row, s.lower
			last = bytes.Compare(s.lower, bound) <= 0
		}
		if last && back {
			lower = bound
		} else if last {
			upper = bound
		}
		more, err := nearStretch(newRowIter(tables, s.iter(lower, upper), lower, upper), back, fn)
		if err != nil || !more || last {
			return err
		}
		row = next
	}
}

func nearStretch(it *rowIter, back bool, fn func(it *rowIter) (bool, error)) (more bool, err error) {
	step, ok := it.next, false
	if back {
		step, ok = it.prev, it.last()
	} else {
		ok = it.first()
	}
	more = true
	for ; ok && more && err == nil; ok = more && err == nil && step() {
		more, err = fn(it)
	}
	if cerr := it.close(); err == nil {
		err = cerr
	}
	return more, err
}
