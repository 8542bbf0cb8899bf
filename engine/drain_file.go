package engine

import (
	"context"
	"iter"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/keys"
	"replogd/engine/memtable"
)

const (
	// drainWindow is how many rows of a file are looked at together; between two windows draining asks whether it is still wanted.
	drainWindow = 2048

	// minRemovedRun is from how many tombstones on a run of them is written as one range deletion. A range costs each later look into
	// its file a little, so a few tombstones are cheaper as they are.
	minRemovedRun = 64

	// minSpanRun is from how many rows on that live, or tombstones, a run of them has files of its own. It bounds how many files a memtable
	// becomes.
	minSpanRun = 4096
)

// rowSpan is a part of a frozen table: count rows from the first one on.
type rowSpan struct {
	table *memtable.Table
	first []byte
	count int
}

// spansOf cuts a table into the spans that become files: each of about drainFileBytes, of one tag, and where rows that live and tombstones
// each come in long runs, of one kind. The table must not change any more.
//
// The store puts a file as deep as nothing there overlaps it, so a file that reaches no further than its rows is compacted least: what is
// pushed to a list goes to the bottom at once, and what a queue gave away has files of its own.
func spansOf(table *memtable.Table) []rowSpan {
	it := table.Iter(nil, nil)
	defer it.Release()
	s := spans{table: table}
	for ok := it.SeekGE(nil); ok; ok = it.Next() {
		s.add(it.Row())
	}
	return s.done
}

// spans are what spansOf has made so far. The last one may grow.
type spans struct {
	table *memtable.Table
	done  []rowSpan
	tag   byte // of the last span
	size  int  // its bytes
	run   struct {
		deleted bool
		first   []byte
		count   int // rows of one kind at the last span's end
		size    int
	}
}

func (s *spans) add(row memtable.Row) {
	if n := len(s.done); n == 0 || s.size >= drainFileBytes || s.tag != row.Tag() {
		s.begin(&row)
	}
	if row.Deleted() != s.run.deleted || s.run.count == 0 {
		s.run.deleted, s.run.first, s.run.count, s.run.size = row.Deleted(), row.Key(), 0, 0
	}
	last, size := &s.done[len(s.done)-1], row.Size()
	last.count++
	s.size += size
	s.run.count++
	s.run.size += size
	if s.run.count == minSpanRun && last.count > s.run.count {
		last.count -= s.run.count
		s.done = append(s.done, rowSpan{table: s.table, first: s.run.first, count: s.run.count})
		s.size = s.run.size
	}
}

func (s *spans) begin(first *memtable.Row) {
	s.done = append(s.done, rowSpan{table: s.table, first: first.Key()})
	s.tag, s.size, s.run.count = first.Tag(), 0, 0
}

// windows are the span's rows in order, up to drainWindow at a time. A window is valid until the next one.
func (s rowSpan) windows() iter.Seq[[]memtable.Row] {
	return func(yield func([]memtable.Row) bool) {
		it := s.table.Iter(s.first, nil)
		defer it.Release()
		window := make([]memtable.Row, 0, min(s.count, drainWindow))
		ok := it.SeekGE(s.first)
		for left := s.count; ok && left > 0; left -= len(window) {
			for window = window[:0]; ok && len(window) < min(left, drainWindow); ok = it.Next() {
				window = append(window, it.Row())
			}
			if !yield(window) {
				return
			}
		}
	}
}

// writeFile writes rows, which come in order, to a new table file, and fsyncs it.
func writeFile(ctx context.Context, fs vfs.FS, path string, options sstable.WriterOptions, windows iter.Seq[[]memtable.Row]) error {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := rowWriter{Writer: sstable.NewWriter(objstorageprovider.NewFileWritable(file), options)}
	for rows := range windows {
		if err = ctx.Err(); err == nil {
			err = w.write(rows)
		}
		if err != nil {
			closeQuietly(w)
			return err
		}
	}
	if err := w.endRun(); err != nil {
		closeQuietly(w)
		return err
	}
	return w.Close()
}

// rowWriter writes rows, in order, to a table file.
type rowWriter struct {
	*sstable.Writer
	removed struct{ first, last []byte } // a run of tombstones that the next row may go on with; nil: none
}

func (w *rowWriter) write(rows []memtable.Row) error {
	runs, lowest := removedRuns(rows)
	for i := 0; i < len(rows); i++ {
		row := &rows[i]
		n := len(runs)
		inRun := n > 0 && runs[n-1].from == i
		if goesOn := inRun && i == 0 && w.removed.last != nil && joined(w.removed.last, row.Key(), lowest); !goesOn {
			if err := w.endRun(); err != nil {
				return err
			}
		}
		var err error
		switch {
		case inRun:
			if w.removed.first == nil {
				w.removed.first = row.Key()
			}
			i = runs[n-1].last
			w.removed.last = rows[i].Key()
			runs = runs[:n-1]
		case row.Deleted():
			err = w.Delete(row.Key())
		default:
			err = w.Set(row.Key(), row.Value())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endRun writes the run of tombstones at hand as a range.
func (w *rowWriter) endRun() error {
	first, last := w.removed.first, w.removed.last
	if last == nil {
		return nil
	}
	w.removed.first, w.removed.last = nil, nil
	return w.DeleteRange(first, append(last, 0)) // the row itself is the last one in it
}

// removedRun is rows[from..last], all tombstones, with no older row between the first and the last of them left.
type removedRun struct{ from, last int }

// removedRuns finds the runs that are worth a range deletion, the last one first; lowest is the first row for joined. What a queue has given
// away is such a run: it costs the store one row and not one for each element, and whole files of elements go without being read again.
//
// That nothing older is between two tombstones is known of a list's neighbours, and of those of a sorted set's order up to one that was
// its lowest when it went.
func removedRuns(rows []memtable.Row) (runs []removedRun, lowest []byte) {
	for i := len(rows) - 1; i >= 0; {
		last := i
		for ; i >= 0 && rows[i].Deleted(); i-- {
			key := rows[i].Key()
			if i < last && !joined(key, rows[i+1].Key(), lowest) {
				break
			}
			if rows[i].WasLowest() {
				lowest = key
			}
		}
		if last-i >= minRemovedRun {
			runs = append(runs, removedRun{i + 1, last})
		}
		if i == last {
			i-- // a row that lives
		}
	}
	return runs, lowest
}

// joined says of two tombstones that follow each other whether no older row is left between them. lowest is one, at or behind them,
// of which WasLowest holds; nil: there is none.
func joined(key, next, lowest []byte) bool {
	return keys.Adjacent(key, next) || keys.SameCollection(key, next) && keys.SameCollection(next, lowest)
}
