package engine

import "time"

const (
	// tidyQuiet is for how long no memtable must have been drained for tidying to go on as it likes.
	tidyQuiet = 2 * time.Second
	// tidyShare paces tidying before that: after a compaction that took t, none starts for (tidyShare-1) t.
	tidyShare = 10
)

// tidying paces the compactions that the store could do without: those of files that are full of tombstones, above all. The store would start
// one for each drained memtable of a queue or a set that is being emptied, and rewrite everything below that for it: that was a third of
// the CPU of a ZPOPMIN, whose members' rows lie all over the set. What is tidied later is tidied once for many memtables; and what level
// 0's depth or a level's size asks for does not wait for this.
type tidying struct {
	drained time.Time // when the last memtable was
	running int
	next    time.Time // none starts before, unless it is quiet
}

// begin counts a compaction that starts now, if it may.
func (t *tidying) begin(now time.Time) bool {
	quiet := now.Sub(t.drained) >= tidyQuiet
	if !quiet && (t.running > 0 || now.Before(t.next)) {
		return false
	}
	t.running++
	return true
}

// end counts one that began and is over now, or did not come about.
func (t *tidying) end(began, now time.Time) {
	t.running--
	t.next = now.Add((tidyShare - 1) * now.Sub(began))
}
