package memtable_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/memtable"
)

func row(key, value string) memtable.Row { return memtable.NewRow([]byte(key+value), len(key)) }

func contents(t *memtable.Table) (out []string) {
	it := t.Iter()
	defer it.Release()
	for ok := it.SeekGE(nil); ok; ok = it.Next() {
		r := it.Row()
		if r.Deleted() {
			out = append(out, fmt.Sprintf("%s -", r.Key()))
		} else {
			out = append(out, fmt.Sprintf("%s=%s", r.Key(), r.Value()))
		}
	}
	return out
}

func TestPutKeepsTheLastRowOfAKey(t *testing.T) {
	table := memtable.New()
	table.Put(row("b", "1"))
	table.Put(row("a", ""))
	table.Put(row("b", "2"))
	require.Equal(t, []string{"a=", "b=2"}, contents(table))
	got, found := table.Get([]byte("b"))
	require.True(t, found)
	require.Equal(t, "2", string(got.Value()))
	_, found = table.Get([]byte("c"))
	require.False(t, found)
}

func TestADeletedRowLeavesATombstoneUnlessItWasFresh(t *testing.T) {
	table := memtable.New()
	table.Put(row("old", "1"))
	table.Put(memtable.Tombstone([]byte("old")))
	table.Put(row("new", "1").Fresh())
	table.Put(row("new", "2")) // an overwrite does not make it older
	table.Put(memtable.Tombstone([]byte("new")))
	table.Put(memtable.Tombstone([]byte("unseen")))
	require.Equal(t, []string{"old -", "unseen -"}, contents(table))

	table.Put(row("old", "2").Fresh()) // what the tombstone hides is still there below
	table.Put(memtable.Tombstone([]byte("old")))
	require.Equal(t, []string{"old -", "unseen -"}, contents(table))
}

func TestAViewStaysAsItWas(t *testing.T) {
	table := memtable.New()
	for i := range 1000 {
		table.Put(row(fmt.Sprintf("%04d", i), "old"))
	}
	view := table.View()
	for i := range 1000 {
		if i%2 == 0 {
			table.Put(row(fmt.Sprintf("%04d", i), "new"))
		} else {
			table.Put(memtable.Tombstone(fmt.Appendf(nil, "%04d", i)))
		}
	}
	for i, line := range contents(view) {
		require.Equal(t, fmt.Sprintf("%04d=old", i), line)
	}
	require.Equal(t, "0001 -", contents(table)[1])
}

func TestBytesReturnToZero(t *testing.T) {
	table := memtable.New()
	for i := range 100 {
		table.Put(row(fmt.Sprint(i), "value").Fresh())
		table.Put(row(fmt.Sprint(i), "longer value"))
	}
	require.Positive(t, table.Bytes())
	for i := range 100 {
		table.Put(memtable.Tombstone(fmt.Append(nil, i)))
	}
	require.Zero(t, table.Bytes())
	require.Zero(t, table.Len())
}

// TestLikeASortedList drives a table and the obvious model side by side: keys of all lengths around the 16 bytes that nodes compare
// first.
func TestLikeASortedList(t *testing.T) {
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xff}), 0, 20)
	rapid.Check(t, func(t *rapid.T) {
		table, model := memtable.New(), map[string]string{}
		for range rapid.IntRange(1, 60).Draw(t, "writes") {
			k := key.Draw(t, "key")
			if rapid.Bool().Draw(t, "delete") {
				table.Put(memtable.Tombstone(bytes.Clone(k)))
				model[string(k)] = "-"
			} else {
				table.Put(row(string(k), "v"))
				model[string(k)] = "v"
			}
		}
		var sorted []string
		for k := range model {
			sorted = append(sorted, k)
		}
		slices.Sort(sorted)
		at := key.Draw(t, "at")
		it := table.Iter()
		defer it.Release()

		from, _ := slices.BinarySearch(sorted, string(at))
		i := from
		for ok := it.SeekGE(at); ok; ok = it.Next() {
			r := it.Row()
			if string(r.Key()) != sorted[i] || r.Deleted() != (model[sorted[i]] == "-") {
				t.Fatalf("SeekGE(%x) row %d: got %x, want %x", at, i, r.Key(), sorted[i])
			}
			i++
		}
		if i != len(sorted) {
			t.Fatalf("walked to %d of %d", i, len(sorted))
		}
		i = from
		for ok := it.SeekLT(at); ok; ok = it.Prev() {
			i--
			r := it.Row()
			if string(r.Key()) != sorted[i] {
				t.Fatalf("SeekLT(%x): got %x, want %x", at, r.Key(), sorted[i])
			}
		}
		if i != 0 {
			t.Fatalf("walked back to %d", i)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	const rows = 200_000
	keys := make([][]byte, rows)
	for i := range keys {
		k := make([]byte, 13, 40)
		k[0] = 0x10
		for j := 5; j < 13; j++ {
			k[j] = byte(rand.Uint32())
		}
		keys[i] = fmt.Appendf(k, "key:%012d", i)
	}
	for b.Loop() {
		table := memtable.New()
		for _, k := range keys {
			table.Put(memtable.NewRow(k, len(k)))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
