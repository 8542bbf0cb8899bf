package rowmap_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/rowmap"
)

func newGhosts(t testing.TB, bytes int64, parts int) []*rowmap.Ghosts {
	memory, err := rowmap.NewGhostMemory(bytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, memory.Close()) })
	all := make([]*rowmap.Ghosts, parts)
	for i := range all {
		all[i] = memory.Part(i, parts)
	}
	return all
}

// They may forget, but do not remember what is not so; with room for all, they forget nothing.
func TestGhostsAreASet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		large, small := newGhosts(t, 1<<20, 2)[1], newGhosts(t, 256, 1)[0]
		want := map[int]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				i, push := rapid.IntRange(0, 60).Draw(rt, "key"), rapid.Bool().Draw(rt, "push")
				want[i] = true
				require.True(rt, large.Add(keyRow(i), push))
				require.Equal(rt, small.Add(keyRow(i), push), small.Has(keyRow(i)))
			},
			"remove": func(rt *rapid.T) {
				i := rapid.IntRange(0, 60).Draw(rt, "key")
				delete(want, i)
				large.Remove(keyRow(i))
				small.Remove(keyRow(i))
			},
			"": func(rt *rapid.T) {
				here := 0
				for i := range 61 {
					require.Equal(rt, want[i], large.Has(keyRow(i)))
					if small.Has(keyRow(i)) {
						require.True(rt, want[i])
						here++
					}
				}
				require.Equal(rt, len(want), large.Len())
				require.Equal(rt, here, small.Len())
				require.LessOrEqual(rt, here, 16)
			},
		})
	})
}

// A part that is nearly full still takes most of what comes, and parts do not see each other's rows.
func TestGhostsFillTheirMemory(t *testing.T) {
	parts := newGhosts(t, 2<<20, 2)
	const room = 1 << 20 / 16
	refused := 0
	for i := range room * 3 / 4 {
		if !parts[0].Add(keyRow(i), false) {
			refused++
		}
	}
	require.Less(t, refused, room/10)
	require.Equal(t, room*3/4-refused, parts[0].Len())
	require.Zero(t, parts[1].Len())
	for i := range 100 {
		require.False(t, parts[1].Has(keyRow(i)))
	}
	require.True(t, parts[0].Add(keyRow(-1), true))
	require.True(t, parts[0].Has(keyRow(-1)), "what comes last is there")
}

func TestGhostsWithoutMemoryRememberNothing(t *testing.T) {
	g := newGhosts(t, 0, 64)[7]
	require.False(t, g.Add(keyRow(1), true))
	g.Remove(keyRow(1))
	require.False(t, g.Has(keyRow(1)))
}

// Whoever owns a map is told of each row that goes for others, as it was last.
func TestMapTellsOfWhatGoes(t *testing.T) {
	region, err := rowmap.NewRegion(2 * 32 << 10)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, region.Close()) })
	gone := map[string]string{}
	m := rowmap.New(region, 2, func(row, value []byte, present bool) { gone[string(row)] = fmt.Sprint(string(value), present) })
	want := map[string]string{}
	for i := range 9000 {
		row := keyRow(i % 3000)
		value := fmt.Sprint(i)
		delete(gone, string(row))
		want[string(row)] = fmt.Sprint(value, i%3 > 0)
		if i%3 == 0 {
			value, want[string(row)] = "", "false"
		}
		require.True(t, m.Set(rowmap.Hash(row), row, []byte(value), i%3 > 0))
	}
	for row, value := range want {
		if m.Has(rowmap.Hash([]byte(row)), []byte(row)) {
			require.NotContains(t, gone, row)
		} else {
			require.Equal(t, value, gone[row])
		}
	}
	require.NotEmpty(t, gone)
	require.False(t, m.Set(1, keyRow(1), make([]byte, rowmap.MaxBytes), true))
}
