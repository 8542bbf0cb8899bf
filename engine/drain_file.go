package engine

import (
	"context"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/keys"
	"replogd/engine/memtable"
)

const (
	// drainCheckEvery is after how many rows of a file draining asks whether it is still wanted.
	drainCheckEvery = 4096

	// minRemovedRun is from how many tombstones on a run of them is written as one range deletion. A range costs each later look into
	// its file a little, so a few tombstones are cheaper as they are.
	minRemovedRun = 64
)

// writeFile writes rows, in order, to a new table file, and fsyncs it.
func writeFile(ctx context.Context, fs vfs.FS, path string, options sstable.WriterOptions, rows []memtable.Row) error {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(file), options)
	if err := writeRows(ctx, w, rows); err != nil {
		closeQuietly(w)
		return err
	}
	return w.Close()
}

func writeRows(ctx context.Context, w *sstable.Writer, rows []memtable.Row) error {
	runs := removedRuns(rows)
	for i := 0; i < len(rows); i++ {
		if i%drainCheckEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		var err error
		row := &rows[i]
		switch n := len(runs); {
		case n > 0 && runs[n-1].from == i:
			i = runs[n-1].last
			runs = runs[:n-1]
			err = w.DeleteRange(row.Key(), append(rows[i].Key(), 0))
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

// removedRun is rows[from..last], all tombstones, with no older row between the first and the last of them left.
type removedRun struct{ from, last int }

// removedRuns finds the runs that are worth a range deletion, the last one first. What a queue has given away is such a run: it costs
// the store one row and not one for each element, and whole files of elements go without being read again.
//
// That nothing older is between two tombstones is known of a list's neighbours, and of those of a sorted set's order up to one that was
// its lowest when it went.
func removedRuns(rows []memtable.Row) (runs []removedRun) {
	var lowest []byte // the last row seen of which WasLowest holds
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
	return runs
}

// joined says of two tombstones that follow each other whether no older row is left between them. lowest is at or behind them.
func joined(key, next, lowest []byte) bool {
	return keys.Adjacent(key, next) || keys.SameCollection(key, next) && keys.SameCollection(next, lowest)
}
