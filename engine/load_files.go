package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/memtable"
)

// errFiles says that the files' own error, which finish returns, ended the load.
var errFiles = errors.New("engine: a loaded file could not be written")

// loadFiles collects rows in any order and makes table files of them, which the store takes over in turn: of a row that comes again the
// later one counts. One goroutine sorts and writes a file while the next one is collected.
type loadFiles struct {
	ctx     context.Context
	fs      vfs.FS
	dir     string
	db      *pebble.DB
	options sstable.WriterOptions

	rows  []memtable.Row
	bytes int

	full   chan []memtable.Row
	failed chan struct{} // closed by work when it has met an error
	done   chan struct{}
	err    error // of work, once done
}

func newLoadFiles(ctx context.Context, fs vfs.FS, dir string, db *pebble.DB, options sstable.WriterOptions) *loadFiles {
	f := &loadFiles{
		ctx: ctx, fs: fs, dir: dir, db: db, options: options,
		full: make(chan []memtable.Row), failed: make(chan struct{}), done: make(chan struct{}),
	}
	go f.work()
	return f
}

// add takes a row, which is kept.
func (f *loadFiles) add(row memtable.Row) error {
	f.rows = append(f.rows, row)
	if f.bytes += len(row.Key()) + len(row.Value()); f.bytes < loadFileBytes {
		return nil
	}
	return f.hand()
}

func (f *loadFiles) hand() error {
	rows := f.rows
	f.rows, f.bytes = make([]memtable.Row, 0, len(rows)), 0
	if len(rows) == 0 {
		return nil
	}
	select {
	case f.full <- rows:
		return nil
	case <-f.failed:
		return errFiles
	}
}

// finish writes what is left and waits until the store has everything. It must be called once, after an error too.
func (f *loadFiles) finish() error {
	_ = f.hand() // what went wrong is in err
	close(f.full)
	<-f.done
	return f.err
}

func (f *loadFiles) work() {
	defer close(f.done)
	for n := 0; ; n++ {
		rows, ok := <-f.full
		if !ok {
			return
		}
		if f.err = f.write(fmt.Sprintf("%06d.sst", n), rows); f.err != nil {
			close(f.failed)
			return
		}
	}
}

// write sorts rows into a file and has the store take it over.
func (f *loadFiles) write(name string, rows []memtable.Row) error {
	slices.SortStableFunc(rows, memtable.Compare)
	last := rows[:0]
	for i := range rows {
		if i+1 == len(rows) || memtable.Compare(rows[i], rows[i+1]) != 0 {
			last = append(last, rows[i])
		}
	}
	path := f.fs.PathJoin(f.dir, name)
	if err := writeFile(f.ctx, f.fs, path, f.options, slices.Chunk(last, drainWindow)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.db.Ingest(f.ctx, []string{path}); err != nil {
		return fmt.Errorf("take %s into the keyspace: %w", path, err)
	}
	return nil
}
