package engine

import (
	"bytes"
	"fmt"

	"replogd/engine/keys"
	"replogd/engine/memtable"
	"replogd/engine/resp"
)

// tx is a run of commands under the sequencer: the rows they changed, the effects they leave in the stream, and the state behind
// them. Nothing of it shows before commit, and a tx that is dropped leaves no trace. There is one tx, reused from run to run.
type tx struct {
	ds    *dataset
	state state

	rows     []rowChange
	rowBytes int
	index    map[uint64]int  // last change by row hash, once rows are too many to walk
	sorted   *memtable.Table // the same changes in order, once somebody iterates

	touched []touchedKey // the keys that the run changed in any way: their readers wait for it
	all     bool         // the run changed what no row names: flush, swap

	effects []byte   // whole units, ready for the log
	unit    []effect // effects of the command in execution
	unitBuf []byte
}

// touchedKey is a key by the hash of its name and its database's internal number.
type touchedKey struct {
	hash uint64
	db   uint32
}

// rowChange is the latest value of a row within the run; there is one for each row. data holds the row's key, then its value.
type rowChange struct {
	data    []byte
	keyLen  int
	deleted bool
	fresh   bool // nothing had the row when the run began
	lowest  bool // deleted, when nothing of its collection stood before it in its table
	chain   int  // index of another row with the same hash, -1 none
}

func (r *rowChange) key() []byte { return r.data[:r.keyLen:r.keyLen] }

func (r *rowChange) value() []byte { return r.data[r.keyLen:] }

// memRow is the change as a memtable takes it.
func (r *rowChange) memRow() memtable.Row {
	if r.deleted {
		row := memtable.Tombstone(r.key())
		if r.lowest {
			row = row.Lowest()
		}
		return row
	}
	row := memtable.NewRow(r.data, r.keyLen)
	if r.fresh {
		row = row.Fresh()
	}
	return row
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
	s.copyTo(&t.state)
	t.clearRows()
	t.all = false
	t.effects, t.unitBuf, t.unit = shrink(t.effects), shrink(t.unitBuf), t.unit[:0]
}

// clearRows forgets the changes, and keeps the state.
func (t *tx) clearRows() {
	if cap(t.rows) > maxKeptRows {
		t.rows, t.index, t.touched = nil, nil, nil
	}
	clear(t.rows)
	t.rows, t.rowBytes = t.rows[:0], 0
	if len(t.index) > 0 {
		clear(t.index)
	}
	t.sorted = nil
	t.touched = t.touched[:0]
}

// maxKeptRows is the number of changes whose memory is kept from run to run.
const maxKeptRows = 4096

// shrink empties a reused buffer, and drops one that an exceptional command blew up.
func shrink(b []byte) []byte {
	if cap(b) > 1<<20 {
		return nil
	}
	return b[:0]
}

// find returns the run's own change of a row.
func (t *tx) find(row []byte) (value []byte, present, changed bool) {
	i := t.lookup(row)
	if i < 0 {
		return nil, false, false
	}
	r := &t.rows[i]
	if r.deleted {
		return nil, false, true
	}
	return r.value(), true, true
}

// lookup returns the index of a row's change, -1 if the run has not changed it.
func (t *tx) lookup(row []byte) int {
	if len(t.rows) > indexRowsAfter {
		i, ok := t.index[keys.HashOf(row)]
		for ok && i >= 0 {
			if bytes.Equal(t.rows[i].key(), row) {
				return i
			}
			i = t.rows[i].chain
		}
		return -1
	}
	for i := len(t.rows) - 1; i >= 0; i-- {
		if bytes.Equal(t.rows[i].key(), row) {
			return i
		}
	}
	return -1
}

// change notes what becomes of a row: data is its key and new value, or its key alone if it is deleted, and is kept. existed says
// whether the row was there just before. The change is valid until the next one.
func (t *tx) change(data []byte, keyLen int, deleted, existed bool) *rowChange {
	key := data[:keyLen:keyLen]
	i := t.lookup(key)
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, rowChange{data: data, keyLen: keyLen, deleted: deleted, fresh: !existed, chain: -1})
		t.indexNew()
	} else {
		r := &t.rows[i]
		t.rowBytes -= len(r.data)
		r.data, r.deleted, r.lowest = data, deleted, false
	}
	t.rowBytes += len(data)
	if t.sorted != nil {
		t.sorted.Put(t.rows[i].plain())
	}
	return &t.rows[i]
}

// plain is the change as it stands in order among others of the run: a deleted row hides older ones even if it was made in the run.
func (r *rowChange) plain() memtable.Row {
	if r.deleted {
		return memtable.Tombstone(r.key())
	}
	return memtable.NewRow(r.data, r.keyLen)
}

// indexNew puts the newest change, or all of them once they are too many to walk, into the index.
func (t *tx) indexNew() {
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
	h := keys.HashOf(t.rows[i].key())
	if last, ok := t.index[h]; ok {
		t.rows[i].chain = last
	}
	t.index[h] = i
}

// ordered returns the run's changes as a table, kept in step from now on; nil if there are none.
func (t *tx) ordered() *memtable.Table {
	if t.sorted == nil && len(t.rows) > 0 {
		t.sorted = memtable.New()
		for i := range t.rows {
			t.sorted.Put(t.rows[i].plain())
		}
	}
	return t.sorted
}

// touch makes the readers of a key wait for this run.
func (t *tx) touch(keyRow []byte) { t.touched = append(t.touched, touchedOf(keyRow)) }

func touchedOf(keyRow []byte) touchedKey {
	return touchedKey{keys.HashOf(keyRow), keys.DBOf(keyRow)}
}

// dirty reports whether the run has changed anything.
func (t *tx) dirty() bool { return len(t.rows) > 0 || t.all || len(t.effects) > 0 }

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

// selectDB puts SELECT into the stream if db is not its current database.
func (t *tx) selectDB(db int) {
	if db != t.state.streamDB {
		t.effects = appendSelect(t.effects, db)
		t.state.streamDB = db
	}
}
