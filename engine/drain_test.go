package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
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
