package engine

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// tx is a run of commands under the sequencer: the rows they changed, the effects they leave in the stream, and the state behind
// them. Nothing of it shows before commit, and a tx that is dropped leaves no trace. There is one tx, reused from run to run.
type tx struct {
	ds    *dataset
	batch *pebble.Batch
	state state

	rows  []rowChange
	index map[uint64]int // last change by row hash, once rows are too many to walk
	arena []byte         // memory of rows

	all bool // the run changed what no row names: flush, swap

	effects []byte   // whole units, ready for the log
	unit    []effect // effects of the command in execution
	unitBuf []byte
}

// rowChange is the latest value of a key row within the run; there is one for each row.
type rowChange struct {
	row   []byte
	value []byte // nil: deleted
	chain int    // index of another row with the same hash, -1 none
}

// effect is one command for the stream: bytes [from, to) of unitBuf.
type effect struct {
	db       int
	from, to int
}

// indexRowsAfter is the number of changed rows from which looking one up uses a map.
const indexRowsAfter = 24

func (t *tx) reset(ds *dataset, s *state) {
	t.ds = ds
	if t.batch != nil {
		_ = t.batch.Close()
	}
	t.batch = ds.db.NewBatch()
	s.copyTo(&t.state)
	clear(t.rows)
	t.rows = t.rows[:0]
	if t.index != nil {
		clear(t.index)
	}
	t.arena = shrink(t.arena)
	t.effects, t.unitBuf, t.unit = shrink(t.effects), shrink(t.unitBuf), t.unit[:0]
	t.all = false
}

// shrink empties a reused buffer, and drops one that an exceptional command blew up.
func shrink(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b[:0]
}

// find returns the run's own change of a row.
func (t *tx) find(row []byte) (value []byte, present, changed bool) {
	if i := t.lookup(row); i >= 0 {
		return t.rows[i].value, t.rows[i].value != nil, true
	}
	return nil, false, false
}

// lookup returns the index of a row's change, -1 if the run has not changed it.
func (t *tx) lookup(row []byte) int {
	if len(t.rows) > indexRowsAfter {
		i, ok := t.index[keys.HashOf(row)]
		for ok && i >= 0 {
			if bytes.Equal(t.rows[i].row, row) {
				return i
			}
			i = t.rows[i].chain
		}
		return -1
	}
	for i := len(t.rows) - 1; i >= 0; i-- {
		if bytes.Equal(t.rows[i].row, row) {
			return i
		}
	}
	return -1
}

// change notes a key row's new value (nil: deleted). value is kept; row is copied.
func (t *tx) change(row, value []byte) {
	if i := t.lookup(row); i >= 0 {
		t.rows[i].value = value
		return
	}
	from := len(t.arena)
	t.arena = append(t.arena, row...)
	own := t.arena[from:len(t.arena):len(t.arena)]
	t.rows = append(t.rows, rowChange{row: own, value: value, chain: -1})
	switch n := len(t.rows); {
	case n == indexRowsAfter+1:
		if t.index == nil {
			t.index = make(map[uint64]int)
		}
		for i := range t.rows {
			t.indexRow(i)
		}
	case n > indexRowsAfter:
		t.indexRow(n - 1)
	}
}

func (t *tx) indexRow(i int) {
	h := keys.HashOf(t.rows[i].row)
	if last, ok := t.index[h]; ok {
		t.rows[i].chain = last
	}
	t.index[h] = i
}

// dirty reports whether the run has changed anything.
func (t *tx) dirty() bool { return !t.batch.Empty() || len(t.effects) > 0 }

// addEffect notes one command of the current unit.
func (t *tx) addEffect(db int, args [][]byte) {
	from := len(t.unitBuf)
	t.unitBuf = resp.AppendCommand(t.unitBuf, args...)
	t.unit = append(t.unit, effect{db: db, from: from, to: len(t.unitBuf)})
}

var (
	multiBytes = resp.AppendCommandStrings(nil, "MULTI")
	execBytes  = resp.AppendCommandStrings(nil, "EXEC")
)

// endUnit frames the effects of one command as Redis 7.0 does: one goes bare, several go in MULTI ... EXEC, and SELECT stands
// before what is not for the stream's current database (inside MULTI, if there is one).
func (t *tx) endUnit() {
	if len(t.unit) == 0 {
		return
	}
	several := len(t.unit) > 1
	t.selectDB(t.unit[0].db) // before MULTI, as 7.0.15 does it
	if several {
		t.effects = append(t.effects, multiBytes...)
	}
	for _, op := range t.unit {
		t.selectDB(op.db)
		t.effects = append(t.effects, t.unitBuf[op.from:op.to]...)
	}
	if several {
		t.effects = append(t.effects, execBytes...)
	}
	t.unit, t.unitBuf = t.unit[:0], t.unitBuf[:0]
}

func appendSelect(dst []byte, db int) []byte {
	return resp.AppendCommandStrings(dst, "SELECT", fmt.Sprint(db))
}

// close releases the batch that the last run left.
func (t *tx) close() error {
	if t.batch == nil {
		return nil
	}
	err := t.batch.Close()
	t.batch = nil
	return err
}

// selectDB puts SELECT into the stream if db is not its current database.
func (t *tx) selectDB(db int) {
	if db != t.state.streamDB {
		t.effects = appendSelect(t.effects, db)
		t.state.streamDB = db
	}
}
