package memtable_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/memtable"
)

func row(key, value string) memtable.Row { return memtable.NewRow([]byte(key+value), len(key)) }

func contents(t *memtable.Table) (out []string) {
	it := t.Iter(nil, nil)
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
	for name, table := range map[string]*memtable.Table{"ordered": memtable.New(), "hashed": memtable.NewLayout('0', '1', '2').New()} {
		t.Run(name, func(t *testing.T) { bytesReturnToZero(t, table) })
	}
}

func bytesReturnToZero(t *testing.T, table *memtable.Table) {
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

// model is what a table should be: the last row of each key, and whether older tables may have it.
type model map[string]modelRow

type modelRow struct {
	value   string
	deleted bool
	fresh   bool
}

func (m model) put(key string, r modelRow) {
	old, had := m[key]
	if had && r.deleted && old.fresh {
		delete(m, key)
		return
	}
	if had {
		r.fresh = old.fresh
	}
	m[key] = r
}

func (m model) rows() (sorted []string) { return slices.Sorted(maps.Keys(m)) }

func (m model) line(key string) string {
	if m[key].deleted {
		return key + " -"
	}
	return key + "=" + m[key].value
}

// tableAsModel is a table, or a view of one, beside what it should hold.
type tableAsModel struct {
	table *memtable.Table
	model model
}

// check compares every way to read the table with the model.
func (m *tableAsModel) check(t *rapid.T, key *rapid.Generator[[]byte]) {
	sorted := m.model.rows()
	if m.table.Len() != len(sorted) {
		t.Fatalf("%d rows, want %d", m.table.Len(), len(sorted))
	}
	m.checkGet(t, key)
	lower, upper := key.Draw(t, "lower"), key.Draw(t, "upper")
	if bytes.Compare(lower, upper) > 0 {
		lower, upper = upper, lower
	}
	if rapid.Bool().Draw(t, "to the end") {
		upper = nil
	}
	within := slices.DeleteFunc(slices.Clone(sorted), func(k string) bool { return k < string(lower) || upper != nil && k >= string(upper) })
	if m.table.Empty(lower, upper) && len(within) > 0 {
		t.Fatalf("empty between %x and %x, want %q", lower, upper, within)
	}
	it := m.table.Iter(lower, upper)
	defer it.Release()
	var forth, back []string
	keep := func(lines []string) []string {
		r := it.Row()
		if k := string(r.Key()); k < string(lower) || upper != nil && k >= string(upper) {
			return lines // it may come upon rows outside
		}
		if r.Deleted() {
			return append(lines, string(r.Key())+" -")
		}
		return append(lines, string(r.Key())+"="+string(r.Value()))
	}
	at := lower
	if len(within) > 0 {
		at = []byte(rapid.SampledFrom(within).Draw(t, "at"))
	}
	for ok := it.SeekGE(at); ok; ok = it.Next() {
		forth = keep(forth)
	}
	for ok := it.SeekLT(at); ok; ok = it.Prev() {
		back = keep(back)
	}
	slices.Reverse(back)
	var want []string
	for _, k := range within {
		want = append(want, m.model.line(k))
	}
	if got := append(back, forth...); !slices.Equal(got, want) {
		t.Fatalf("between %x and %x, around %x: got %q, want %q", lower, upper, at, got, want)
	}
}

func (m *tableAsModel) checkGet(t *rapid.T, key *rapid.Generator[[]byte]) {
	for _, k := range append(m.model.rows(), string(key.Draw(t, "get"))) {
		want, has := m.model[k]
		got, found := m.table.Get([]byte(k))
		if found != has || has && (got.Deleted() != want.deleted || string(got.Key()) != k || string(got.Value()) != want.value) {
			t.Fatalf("get %x: got %q %t, want %+v %t", k, got.Value(), found, want, has)
		}
	}
}

// TestLikeASortedList drives tables of several layouts beside the obvious model: writes, views that are kept, read and given back in any
// order, orders that come in between, and the table after. Keys are of all lengths around the 16 bytes that are compared first.
func TestLikeASortedList(t *testing.T) {
	layouts := map[string]*memtable.Layout{
		"ordered": memtable.NewLayout(), "hashed in the middle": memtable.NewLayout(1), "hashed at both ends": memtable.NewLayout(0, 0xff),
		"all hashed": memtable.NewLayout(0, 1, 0xff),
	}
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { playTable(t, layout) })
		})
	}
}

func playTable(t *rapid.T, layout *memtable.Layout) {
	key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xff}), 0, 18)
	few := rapid.SampledFrom(rapid.SliceOfN(key, 1, 8).Draw(t, "keys"))
	table := layout.New()
	now := model{}
	var views []tableAsModel
	value := 0
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			(&tableAsModel{table, now}).checkGet(t, key)
			for i := range views {
				views[i].checkGet(t, key)
			}
		},
		"put": func(t *rapid.T) {
			k := few.Draw(t, "key")
			value++
			r := modelRow{value: fmt.Sprint(value)}
			_, has := now[string(k)]
			data := row(string(k), r.value)
			if r.fresh = !has && rapid.Bool().Draw(t, "fresh"); r.fresh {
				data = data.Fresh()
			}
			table.Put(data)
			now.put(string(k), r)
		},
		"delete": func(t *rapid.T) {
			k := few.Draw(t, "key")
			table.Put(memtable.Tombstone(bytes.Clone(k)))
			now.put(string(k), modelRow{deleted: true})
		},
		"view": func(*rapid.T) { views = append(views, tableAsModel{table.View(), maps.Clone(now)}) },
		"release": func(t *rapid.T) {
			if len(views) > 0 {
				i := rapid.IntRange(0, len(views)-1).Draw(t, "view")
				views[i].table.Release()
				views = slices.Delete(views, i, i+1)
			}
		},
		"order": func(t *rapid.T) {
			table.Ask(nil, nil)
			table.Order(nil, nil)
			require.True(t, table.Ordered(nil, nil))
			(&tableAsModel{table, now}).check(t, key)
			for i := range views {
				views[i].check(t, key)
			}
		},
		"order once": func(t *rapid.T) {
			table.Order(nil, nil)
			for i := range views {
				views[i].check(t, key)
			}
		},
		"next": func(t *rapid.T) {
			table.Seal()
			(&tableAsModel{table, now}).check(t, key)
			for i := range views {
				views[i].check(t, key)
				views[i].table.Release()
			}
			table, now, views = table.Next(), model{}, nil
			if table.Len() != 0 || table.Bytes() != 0 {
				t.Fatalf("the next table has %d rows, %d bytes", table.Len(), table.Bytes())
			}
		},
	})
}

// What views kept is forgotten when nobody holds one any more and the row is written again.
func TestOlderVersionsGoWithTheirViews(t *testing.T) {
	table := memtable.NewLayout('k').New()
	for range 3 {
		table.Put(row("k", "value"))
	}
	one := table.Bytes()
	views := []*memtable.Table{table.View()}
	table.Put(row("k", "value"))
	views = append(views, table.View(), views[0].Retain())
	two := table.Bytes()
	require.Greater(t, two, one)
	table.Put(row("k", "value"))
	table.Put(row("k", "value"))
	require.Equal(t, two-one, table.Bytes()-two, "one for each view, however often the row is written")
	for _, v := range views {
		v.Release()
	}
	table.Put(row("k", "value"))
	require.Equal(t, one, table.Bytes())
}

func TestATableIsFollowedByAnOrderedOneIfSomebodyAsked(t *testing.T) {
	layout := memtable.NewLayout('a', 'b')
	first := layout.New()
	require.False(t, first.Ordered([]byte("a"), []byte("b")))
	first.Ask([]byte("a"), []byte("b"))
	require.False(t, first.Ordered([]byte("a"), []byte("b")))
	first.Order([]byte("a"), []byte("b"))
	require.True(t, first.Ordered([]byte("a"), []byte("b")))
	first.Seal()
	second := first.Next()
	require.True(t, second.Ordered([]byte("a1"), []byte("a2")))
	require.False(t, second.Ordered([]byte("b"), nil))
	second.Order([]byte("b"), nil) // once
	second.Ask([]byte("a1"), []byte("a2"))
	third := second.Next()
	require.True(t, third.Ordered([]byte("a1"), []byte("a2")), "somebody asked")
	require.False(t, third.Ordered([]byte("b"), nil), "nobody did")
	require.False(t, third.Next().Ordered([]byte("a"), []byte("b")), "nor again")
}

func TestOrderForAViewLeavesAnEmptyPartAsItIs(t *testing.T) {
	table := memtable.NewLayout('k').New()
	view := table.View()
	defer view.Release()
	table.Order(nil, nil)
	require.Empty(t, contents(view))
	table.Put(row("k", "1"))
	require.Empty(t, contents(view))
	require.False(t, table.Ordered(nil, nil))
	table.Ask(nil, nil)
	table.Order(nil, nil)
	require.Equal(t, []string{"k=1"}, contents(table))
}

func TestATableThatIsWrittenMustBeOrderedFirst(t *testing.T) {
	table := memtable.NewLayout('k').New()
	table.Put(row("k", "value"))
	require.Panics(t, func() { table.Iter(nil, nil).SeekGE(nil) })
}

// Many rows, so that the index grows, chains run around its end, and entries are given out again.
func TestHashedRowsComeAndGo(t *testing.T) {
	table, now := memtable.NewLayout('k').New(), model{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		k := fmt.Sprintf("k%d", rng.IntN(20_000))
		if _, has := now[k]; has && rng.IntN(2) == 0 {
			table.Put(memtable.Tombstone([]byte(k)))
			now.put(k, modelRow{deleted: true})
			continue
		}
		table.Put(row(k, "v").Fresh())
		now.put(k, modelRow{value: "v", fresh: true})
	}
	require.Equal(t, len(now), table.Len())
	for i := range 20_000 {
		k := fmt.Sprintf("k%d", i)
		_, found := table.Get([]byte(k))
		_, has := now[k]
		require.Equal(t, has, found, k)
	}
	table.Seal()
	require.Len(t, contents(table), len(now))
}

// keyRows are rows as the keyspace's keys have them.
func keyRows(n int) []memtable.Row {
	rows := make([]memtable.Row, n)
	for i := range rows {
		k := make([]byte, 13, 40)
		k[0] = 0x10
		for j := 5; j < 13; j++ {
			k[j] = byte(rand.Uint32())
		}
		k = fmt.Appendf(k, "key:%012d", i)
		rows[i] = memtable.NewRow(k, len(k))
	}
	return rows
}

// The order does not depend on where keys begin to differ.
func TestSortedWhateverKeysShare(t *testing.T) {
	for name, key := range map[string]func(i, random int) string{
		"nothing":           func(_, random int) string { return fmt.Sprintf("k%c%08x", random&0xff, random) },
		"the first eight":   func(_, random int) string { return fmt.Sprintf("k1234567%08x", random) },
		"a bit of the next": func(i, random int) string { return fmt.Sprintf("k123456%c%08x", 2+i&1, random) },
		"all sixteen":       func(i, _ int) string { return fmt.Sprintf("k123456789abcdef%d", i) },
		"most":              func(i, random int) string { return fmt.Sprintf("k%08x", random>>(i%32)) },
	} {
		for _, n := range []int{0, 1, 2, 10, 1000, 70_000} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				table, rng := memtable.NewLayout('k').New(), rand.New(rand.NewPCG(1, 2))
				var want []string
				for i := range n {
					k := key(i, int(rng.Uint32()))
					table.Put(row(k, ""))
					want = append(want, k)
				}
				slices.Sort(want)
				want = slices.Compact(want)
				table.Seal()
				got := contents(table)
				require.Len(t, got, len(want))
				for i := range want {
					require.Equal(t, want[i]+"=", got[i])
				}
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	rows := keyRows(200_000)
	for name, layout := range map[string]*memtable.Layout{"ordered": memtable.NewLayout(), "hashed": memtable.NewLayout(0x10)} {
		b.Run(name, func(b *testing.B) {
			last := layout.New()
			for b.Loop() {
				table := last.Next()
				for _, row := range rows {
					table.Put(row)
				}
				last = table
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
		})
	}
}

func BenchmarkOrder(b *testing.B) {
	rows := keyRows(200_000)
	layout := memtable.NewLayout(0x10)
	for b.Loop() {
		b.StopTimer()
		table := layout.New()
		for _, row := range rows {
			table.Put(row)
		}
		b.StartTimer()
		table.Order(nil, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}
