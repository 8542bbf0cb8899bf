package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
)

const (
	// surveyBytes is up to which size of the files a survey reads them.
	surveyBytes = 1 << 30

	// surveyRows is how many rows are offered to the row cache at a time; commits wait meanwhile, some ten microseconds.
	surveyRows = 64

	// surveyPortion is about how many bytes of rows are kept until they are offered, if they are large.
	surveyPortion = 256 << 10
)

// survey goes once through all rows of keys and fields: a row filter learns which there are, and, if warm is set, the row cache takes as many
// of them as it has room for. A keyspace that was just opened or received would otherwise answer everything from files at first, one
// block after the other, and a replica would fall behind its master for as long as that lasts.
//
// It must begin after filter has been told of commits (rowFilters.next). Then a row that is there at the end has been written since, and was
// told; or it was in memory at the beginning, and is found there; or it was in the files, and stays in them at its place, whichever version
// of the files the survey finds there. So it need not hold on to one version of them, nor to what is in memory.
type survey struct {
	ds     *dataset
	filter *rowFilter
	warm   bool

	noted int       // rows since the last offer
	rows  []fileRow // of those, what the cache is to be offered
	arena []byte    // their memory
}

func (s *survey) run() error {
	tags := []byte{keys.TagKey, keys.TagField}
	for _, tag := range tags { // before the files: a table that is drained meanwhile is in them
		if err := s.memory([]byte{tag}, []byte{tag + 1}); err != nil {
			return err
		}
	}
	for _, tag := range tags {
		for from := []byte{tag}; from != nil; {
			next, err := s.stretch(from, []byte{tag + 1})
			if err != nil {
				return err
			}
			from = next
		}
	}
	return nil
}

// memory is what memtables hold at the beginning.
func (s *survey) memory(lower, upper []byte) error {
	v := s.ds.viewOnce()
	defer v.close()
	v.mem.order(v.of, lower, upper)
	return newRowIter(tablesOf(nil, v.active, v.frozen), nil, lower, upper).all(func(row, _ []byte) error {
		s.filter.add(row)
		return nil
	})
}

// stretch goes on from a row. It returns where to go on from, with newer files, if those that it has opened are not the newest any more; nil: it
// came to the end.
func (s *survey) stretch(from, upper []byte) (next []byte, err error) {
	version := s.ds.fileVersion.Load() // before the files are opened
	it, err := s.ds.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("survey keyspace: %w", err)
	}
	defer closeQuietly(it)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("survey keyspace: %w", err)
		}
		if s.note(it.Key(), value); s.noted < surveyRows && len(s.arena) < surveyPortion {
			continue
		}
		if next, err = s.offer(version); next != nil || err != nil {
			return next, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("survey keyspace: %w", err)
	}
	return s.offer(version)
}

// note tells the filter of a row and keeps it for the cache.
func (s *survey) note(row, value []byte) {
	s.filter.add(row)
	s.noted++
	if !s.warm {
		return
	}
	from, mid := len(s.arena), len(s.arena)+len(row)
	s.arena = append(append(s.arena, row...), value...)
	s.rows = append(s.rows, fileRow{s.arena[from:mid:mid], s.arena[mid:]})
}

// offer gives the rows at hand to the cache. If they have come from files that are not the newest any more, it returns the first of them.
func (s *survey) offer(version uint64) (from []byte, err error) {
	if s.filter.over.Load() {
		return nil, errFilterFull
	}
	if err := s.ds.ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.rows) > 0 {
		var current bool
		if current, s.warm = s.ds.offer(s.rows, version); !current {
			from = bytes.Clone(s.rows[0].key)
		}
	}
	s.noted, s.rows, s.arena = 0, s.rows[:0], shrink(s.arena)
	return from, nil
}

// offer puts rows of the files into the row cache, as long as that has room: those that nobody has written since. What has been written since
// the files had a version is in memory, or has come into files of a later version: then current is false, and nothing is put in.
func (ds *dataset) offer(rows []fileRow, version uint64) (current, room bool) {
	m := &ds.mem
	m.mu.RLock() // no commit meanwhile
	defer m.mu.RUnlock()
	if ds.fileVersion.Load() != version {
		return false, true
	}
	refused, taken := false, false
	for i := range rows {
		if _, _, found := findIn(m.mu.active, m.mu.frozen, rows[i].key); found {
			continue
		}
		if ds.cache.offer(rows[i].key, rows[i].value) {
			taken = true
		} else {
			refused = true
		}
	}
	return true, taken || !refused // a shard fills up before the others do
}

var errFilterFull = errors.New("the row filter is full")
