package engine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/memtable"
)

// Files of a drain are written in turn unless somebody waits for them.
func TestDrainTakesTurnsUnlessSomebodyWaits(t *testing.T) {
	free := func(turns *drainTurn) bool {
		if !turns.turn.TryLock() {
			return false
		}
		turns.turn.Unlock()
		return true
	}
	for _, tc := range []struct {
		name    string
		frozen  int
		flushes int32
		free    bool // another worker need not wait
	}{
		{name: "a full memtable that is nobody's hurry", frozen: 1, free: false},
		{name: "another full memtable waits", frozen: 2, free: true},
		{name: "a Flush waits", frozen: 1, flushes: 1, free: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ds := &dataset{}
			ds.mem.mu.frozen = make([]*frozenTable, tc.frozen)
			var turns drainTurn
			turns.flushes.Store(tc.flushes)
			done := turns.take(ds)
			require.Equal(t, tc.free, free(&turns))
			done()
			require.True(t, free(&turns), "the turn has ended")
		})
	}
}

// The rows come through whole and in order, each window within a turn, and the turn ends with them, or with who breaks off.
func TestDrainWindowsAreWorkedOnInTurn(t *testing.T) {
	ds := &dataset{}
	ds.mem.mu.frozen = make([]*frozenTable, 1)
	row := func(key string) memtable.Row { return memtable.NewRow([]byte(key), len(key)) }
	all := [][]memtable.Row{{row("a"), row("b")}, {row("c")}, {row("d")}}
	for stop := range len(all) + 1 { // after so many windows; len(all): never
		var turns drainTurn
		var seen [][]memtable.Row
		for rows := range turns.windows(ds, slices.Values(all)) {
			require.False(t, turns.turn.TryLock(), "somebody else may work on a window")
			if seen = append(seen, rows); len(seen) == stop+1 {
				break
			}
		}
		require.Equal(t, all[:min(stop+1, len(all))], seen)
		require.True(t, turns.turn.TryLock(), "the turn has not ended")
	}
}
