package engine

import (
	"bytes"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"replogd/engine/resp"
)

const (
	// maxWarmRows bounds the rows of one piece of the log that are fetched ahead.
	maxWarmRows = 64 << 10

	// warmPortion is how many of them, next to each other, one worker fetches at a time.
	warmPortion = 64
)

// rowWarmer fetches the rows of the keys that a piece of the log is about into the row cache, before they are asked for. After a start
// nothing is cached, and a replay that fetched them one by one would spend nearly all of its time on it: here all processors do it, in
// the order of the rows, which many times find the next one in the block they have just read.
//
// All of it is a hint. What cannot be read, be it the log or a row, the replay itself meets again, and reports.
type rowWarmer struct {
	e       *Engine
	scanner *resp.UnitScanner
	session Session // its DB is the stream's
	broken  bool    // the log could not be read; nothing is fetched any more
	arena   []byte
	rows    []warmRow
}

// warmRow is a row to be fetched; bare is that of dataset.row.
type warmRow struct {
	row  []byte
	bare bool
}

// compareWarmRows has of two of one row the one first that needs all of it.
func compareWarmRows(a, b warmRow) int {
	if order := bytes.Compare(a.row, b.row); order != 0 || a.bare == b.bare {
		return order
	}
	if b.bare {
		return -1
	}
	return 1
}

// newRowWarmer makes one for the log from where the keyspace stands.
func newRowWarmer(e *Engine) *rowWarmer {
	return &rowWarmer{e: e, scanner: resp.NewUnitScanner(maxUnitBytes), session: Session{DB: e.seq.state.streamDB}}
}

// warm is called with each piece of the log in turn.
func (r *rowWarmer) warm(piece []byte) {
	if r.broken || r.e.o.RowCacheBytes <= 0 {
		return
	}
	ds := r.e.acquire()
	defer ds.release()
	r.arena, r.rows = r.arena[:0], r.rows[:0]
	r.scanner.Feed(piece)
	for {
		unit, ok, err := r.scanner.Next()
		if r.broken = err != nil; err != nil || !ok {
			break
		}
		for _, args := range unit.Commands {
			r.note(ds, args)
		}
	}
	slices.SortFunc(r.rows, compareWarmRows)
	r.rows = slices.CompactFunc(r.rows, func(a, b warmRow) bool { return bytes.Equal(a.row, b.row) })
	r.fetch(ds)
}

// note collects the rows of a command's keys.
func (r *rowWarmer) note(ds *dataset, args [][]byte) {
	if isWord(args[0], "SELECT") && len(args) == 2 {
		if db, err := strconv.Atoi(string(args[1])); err == nil && db >= 0 && db < r.e.o.Databases {
			r.session.DB = db
		}
		return
	}
	cmd := Lookup(args[0])
	if cmd == nil || len(r.rows) >= maxWarmRows {
		return
	}
	r.e.eachKeyRow(&r.session, ds, []Request{{Cmd: cmd, Args: args}}, func(row []byte, bare bool) bool {
		from := len(r.arena)
		r.arena = append(r.arena, row...)
		r.rows = append(r.rows, warmRow{r.arena[from:len(r.arena):len(r.arena)], bare})
		return true
	})
}

// fetch has the processors share the rows.
func (r *rowWarmer) fetch(ds *dataset) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(r.rows)/warmPortion+1) {
		workers.Go(func() {
			for {
				to := int(next.Add(warmPortion))
				if to-warmPortion >= len(r.rows) {
					return
				}
				for _, w := range r.rows[to-warmPortion : min(to, len(r.rows))] {
					if ds.warm(w.row, w.bare) != nil {
						return
					}
				}
			}
		})
	}
	workers.Wait()
}
