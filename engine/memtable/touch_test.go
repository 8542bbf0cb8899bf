package memtable_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/memtable"
)

// What a Toucher reads is of no consequence, but it must take any key of any table, and change nothing.
func TestToucherIsForAnyKey(t *testing.T) {
	layout := memtable.NewLayout('h')
	table := layout.New()
	var touch memtable.Toucher
	rng := rand.New(rand.NewPCG(1, 2))
	key := func() []byte {
		return fmt.Appendf(nil, "%c%d", "hot"[rng.IntN(3)], rng.IntN(300))
	}
	want := map[string]string{}
	var view *memtable.Table
	for round := range 3000 {
		touch.Touch() // nothing
		touch.Add(table, nil)
		for range rng.IntN(memtable.TouchRows) {
			touch.Add(table, key())
		}
		touch.Touch()
		k := string(key())
		if rng.IntN(3) == 0 {
			table.Put(memtable.Tombstone([]byte(k)))
			delete(want, k)
		} else {
			table.Put(row(k, fmt.Sprint(round)).Fresh())
			want[k] = fmt.Sprint(round)
		}
		if round%500 == 100 { // rows are kept for it
			view = table.View()
		}
		if round%500 == 200 {
			view.Release()
		}
		if round == 2000 {
			table.Ask([]byte("h"), []byte("i"))
			table.Order([]byte("h"), []byte("i"))
		}
		got, found := table.Get([]byte(k))
		require.Equal(t, want[k] != "", found && !got.Deleted())
	}
	for k, v := range want {
		got, found := table.Get([]byte(k))
		require.True(t, found)
		require.Equal(t, v, string(got.Value()))
	}
}
