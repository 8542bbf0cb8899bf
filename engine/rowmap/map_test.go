package rowmap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

func newMap(t testing.TB, pages int) (*rowmap.Map, *rowmap.Region) {
	region, err := rowmap.NewRegion(int64(pages) * 32 << 10)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, region.Close()) })
	return rowmap.New(region, pages, nil), region
}

func keyRow(i int) []byte { return keys.AppendKey(nil, 0, fmt.Appendf(nil, "key%d", i)) }

// What a map holds is what was put in last; with room for all, nothing is missing.
func TestMapIsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, _ := newMap(t, 200)
		want := map[int]string{}
		rt.Repeat(map[string]func(*rapid.T){
			"set": func(rt *rapid.T) {
				i, n := rapid.IntRange(0, 60).Draw(rt, "key"), rapid.IntRange(0, 300).Draw(rt, "length")
				value := string(rapid.SliceOfN(rapid.Byte(), n, n).Draw(rt, "value"))
				m.Set(rowmap.Hash(keyRow(i)), keyRow(i), []byte(value), true)
				want[i] = value
			},
			"delete": func(rt *rapid.T) {
				i := rapid.IntRange(0, 60).Draw(rt, "key")
				m.Delete(rowmap.Hash(keyRow(i)), keyRow(i))
				delete(want, i)
			},
			"": func(rt *rapid.T) {
				require.Equal(rt, len(want), m.Len())
				for i := range 61 {
					got, _, found := m.Get([]byte("before "), rowmap.Hash(keyRow(i)), keyRow(i))
					value, wanted := want[i]
					require.Equal(rt, wanted, found, "key %d", i)
					require.Equal(rt, "before "+value, string(got))
					require.Equal(rt, wanted, m.Has(rowmap.Hash(keyRow(i)), keyRow(i)))
				}
			},
		})
	})
}

// With more rows than fit, in changing sizes, it forgets, but never lies, and keeps to its pages.
func TestMapForgetsWhatItHasNoRoomFor(t *testing.T) {
	const pages = 8
	m, region := newMap(t, pages)
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[int]string{}
	for round := range 60_000 {
		i := rng.IntN(3000)
		row := keyRow(i)
		if rng.IntN(10) == 0 {
			m.Delete(rowmap.Hash(row), row)
			delete(want, i)
			continue
		}
		n := rng.IntN(40)
		if round%3000 < 1000 { // the sizes change with time
			n = 200 + rng.IntN(4000)
		}
		value := fmt.Sprintf("%d:%0*d", round, n, i)
		m.Set(rowmap.Hash(row), row, []byte(value), true)
		want[i] = value
		got, present, found := m.Get(nil, rowmap.Hash(row), row)
		require.True(t, found && present, "what was put in last is there")
		require.Equal(t, value, string(got))
	}
	here := 0
	for i := range 3000 {
		row := keyRow(i)
		if got, _, found := m.Get(nil, rowmap.Hash(row), row); found {
			here++
			require.Equal(t, want[i], string(got))
		}
	}
	require.Equal(t, m.Len(), here)
	require.Greater(t, here, 100)
	require.EqualValues(t, pages*32<<10, region.Bytes())
}

func TestMapSetsInPlace(t *testing.T) {
	m, region := newMap(t, 8)
	for i := range 100_000 {
		m.Set(rowmap.Hash(keyRow(i%100)), keyRow(i%100), fmt.Appendf(nil, "%08d", i), true)
	}
	require.Equal(t, 100, m.Len())
	require.EqualValues(t, 32<<10, region.Bytes(), "one page does")
}

func TestMapRefusesWhatIsTooLarge(t *testing.T) {
	m, _ := newMap(t, 2)
	row := keyRow(1)
	for _, n := range []int{0, 1, 100, rowmap.MaxBytes - len(row)} {
		m.Set(rowmap.Hash(row), row, make([]byte, n), true)
		got, _, found := m.Get(nil, rowmap.Hash(row), row)
		require.True(t, found)
		require.Len(t, got, n)
	}
	m.Set(rowmap.Hash(row), row, make([]byte, rowmap.MaxBytes-len(row)+1), true)
	require.False(t, m.Has(rowmap.Hash(row), row), "nor is what it had before still there")
	m.Set(rowmap.Hash([]byte{'x'}), nil, nil, true)
	require.Zero(t, m.Len())
}

func TestMapTellsEmptyFromAbsent(t *testing.T) {
	m, _ := newMap(t, 1)
	row := keyRow(1)
	for _, there := range []bool{true, false, true} {
		m.Set(rowmap.Hash(row), row, nil, there)
		got, present, found := m.Get(nil, rowmap.Hash(row), row)
		require.True(t, found)
		require.Equal(t, there, present)
		require.Empty(t, got)
	}
}

// Maps share a region; one that comes too late for a page keeps nothing.
func TestMapWithoutAPageKeepsNothing(t *testing.T) {
	first, region := newMap(t, 1)
	second := rowmap.New(region, 1, nil)
	row := keyRow(1)
	first.Set(rowmap.Hash(row), row, nil, true)
	second.Set(rowmap.Hash(row), row, nil, true)
	require.Equal(t, 1, first.Len())
	require.Zero(t, second.Len())
}

func BenchmarkSet(b *testing.B) {
	m, _ := newMap(b, 8192)
	value, rng := make([]byte, 100), rand.New(rand.NewPCG(1, 2))
	rows := make([][]byte, 1_000_000)
	for i := range rows {
		rows[i] = keyRow(i)
	}
	for b.Loop() {
		row := rows[rng.IntN(len(rows))]
		m.Set(rowmap.Hash(row), row, value, true)
	}
}

// What Word and Touch read is of no consequence, but they must not fail whatever the map holds, and must not change it.
func TestTouchIsForAnyRow(t *testing.T) {
	m, _ := newMap(t, 32)
	touch := func(row []byte) { m.Touch(m.Word(rowmap.Hash(row))) }
	touch([]byte("in an empty map"))
	for i := range 20_000 { // more than it keeps
		row, other := keyRow(i), keyRow(i*7%20_000)
		m.Set(rowmap.Hash(row), row, make([]byte, i%500), i%3 > 0)
		touch(row)
		touch(other)
		m.Delete(rowmap.Hash(other), other)
		touch(other)
	}
	require.Positive(t, m.Len())
}
