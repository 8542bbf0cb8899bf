package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
	"replogd/engine/memtable"
)

// Runs of tombstones become range deletions only where nothing older can be between them.
func TestRemovedRuns(t *testing.T) {
	list := func(uid uint64, from, to uint64) (rows []memtable.Row) {
		for i := from; i < to; i++ {
			rows = append(rows, memtable.Tombstone(keys.AppendIndex(nil, uid, i)))
		}
		return rows
	}
	scores := func(uid uint64, from, to int, lowest bool) (rows []memtable.Row) {
		for i := from; i < to; i++ {
			row := memtable.Tombstone(keys.AppendScore(nil, uid, float64(3*i), []byte("m")))
			if lowest {
				row = row.Lowest()
			}
			rows = append(rows, row)
		}
		return rows
	}
	live := func(key []byte) []memtable.Row { return []memtable.Row{memtable.NewRow(key, len(key))} }
	const n = minRemovedRun
	for _, tc := range []struct {
		name string
		rows [][]memtable.Row
		want []removedRun // the last one first
	}{
		{"nothing", nil, nil},
		{"neighbours in a list", [][]memtable.Row{list(1, 10, 10+n)}, []removedRun{{0, n - 1}}},
		{"too few", [][]memtable.Row{list(1, 10, 9+n)}, nil},
		{"a gap", [][]memtable.Row{list(1, 0, n), list(1, n+1, 2*n+1)}, []removedRun{{n, 2*n - 1}, {0, n - 1}}},
		{"a gap that leaves too few", [][]memtable.Row{list(1, 0, n/2), list(1, n/2+1, n+1)}, nil},
		{"two lists", [][]memtable.Row{list(1, 0, n), list(2, n, 2*n)}, []removedRun{{n, 2*n - 1}, {0, n - 1}}},
		{"a row that lives between", [][]memtable.Row{list(1, 0, n), live(keys.AppendIndex(nil, 1, n)), list(1, n+1, 2*n+1)}, []removedRun{{n + 1, 2 * n}, {0, n - 1}}},
		{"rows that live around", [][]memtable.Row{live([]byte{keys.TagKey}), list(1, 0, n), live([]byte{keys.TagScore})}, []removedRun{{1, n}}},
		{"scores that went as the lowest", [][]memtable.Row{scores(1, 0, n, true)}, []removedRun{{0, n - 1}}},
		{"scores that went otherwise", [][]memtable.Row{scores(1, 0, n, false)}, nil},
		{"below a lowest one", [][]memtable.Row{scores(1, 0, n-1, false), scores(1, n-1, n, true)}, []removedRun{{0, n - 1}}},
		{"above the lowest one", [][]memtable.Row{scores(1, 0, n, true), scores(1, n, 2*n, false)}, []removedRun{{0, n - 1}}},
		{"the lowest of another set", [][]memtable.Row{scores(1, 0, n, false), scores(2, 0, 1, true)}, nil},
		{"below a row that lives, with a lowest one behind", [][]memtable.Row{scores(1, 0, n, false), live(keys.AppendScore(nil, 1, 3*n, nil)), scores(1, n+1, n+2, true)}, []removedRun{{0, n - 1}}},
		{"keys", [][]memtable.Row{list(1, 0, n)[:0], func() (rows []memtable.Row) {
			for i := range 2 * n {
				rows = append(rows, memtable.Tombstone(keys.AppendKey(nil, 0, fmt.Appendf(nil, "%04d", i))))
			}
			return rows
		}()}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			runs, _ := removedRuns(slices.Concat(tc.rows...))
			require.Equal(t, tc.want, runs)
		})
	}
}

// A run goes on from window to window, but not over a row in between.
func TestRunsGoOnOverWindows(t *testing.T) {
	var rows []memtable.Row
	gone := func(from, to int) {
		for i := from; i < to; i++ {
			rows = append(rows, memtable.Tombstone(keys.AppendScore(nil, 1, float64(i), nil)).Lowest())
		}
	}
	lives := func(i int) {
		key := keys.AppendScore(nil, 1, float64(i), nil)
		rows = append(rows, memtable.NewRow(key, len(key)))
	}
	const n = 2 * minRemovedRun // rows of a window
	gone(0, 3*n-1)
	lives(3*n - 1) // ends the run, and window 3
	gone(3*n, 5*n-28)
	lives(5*n - 28) // ends the second run
	gone(5*n-27, 5*n)
	gone(5*n, 6*n) // the third, of window 6 alone: it does not know that the rows before it went as points
	node := newNode(t)
	defer node.close()
	ds := node.e.ds.Load()
	path := node.fs.PathJoin("/node", "x.sst")
	require.NoError(t, writeFile(t.Context(), node.fs, path, ds.tableOptions, slices.Chunk(rows, n)))
	hold := ds.view() // keeps what the ranges cover
	defer hold.close()
	require.NoError(t, ds.db.Ingest(t.Context(), []string{path}))
	db := ds.db
	levels, err := db.SSTables(pebble.WithProperties())
	require.NoError(t, err)
	for _, level := range levels {
		for _, table := range level {
			require.EqualValues(t, 3, table.Properties.NumRangeDeletions)
			require.EqualValues(t, 3+27, table.Properties.NumDeletions, "the ranges, and what is too little for one")
		}
	}
}

// fileRows are the rows that the store's files show.
func fileRows(t require.TestingT, n *testNode, tag byte) (rows []string) {
	it, err := n.e.ds.Load().db.NewIter(&pebble.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}})
	require.NoError(t, err)
	for ok := it.First(); ok; ok = it.Next() {
		rows = append(rows, string(it.Key()))
	}
	require.NoError(t, it.Error())
	require.NoError(t, it.Close())
	return rows
}

// rangeDeletions counts those in the store's files.
func rangeDeletions(t testing.TB, n *testNode) (count uint64) {
	levels, err := n.e.ds.Load().db.SSTables(pebble.WithProperties())
	require.NoError(t, err)
	for _, level := range levels {
		for _, table := range level {
			count += table.Properties.NumRangeDeletions
		}
	}
	return count
}

// What queues have given away goes from the files as ranges.
func TestQueuesAreDrainedAsRanges(t *testing.T) {
	for _, tc := range []struct{ kind, fill, take string }{
		{"list from its head", "RPUSH q %d", "LPOP q"},
		{"list from its tail", "RPUSH q %d", "RPOP q"},
		{"sorted set", "ZADD q %[1]d %[1]d", "ZPOPMIN q"},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			n := newNode(t).lead()
			defer n.close()
			// A view keeps compactions from dropping what the ranges cover before they are counted.
			hold := n.e.ds.Load().view()
			const elements, taken = 3 * drainWindow, 3*drainWindow - 100
			for i := range elements {
				n.exec(&n.client, fmt.Sprintf(tc.fill, i))
			}
			require.NoError(t, n.e.Flush(context.Background()))
			for range taken {
				n.exec(&n.client, tc.take)
			}
			before := n.digest()
			require.NoError(t, n.e.Flush(context.Background()))
			require.EqualValues(t, 1, rangeDeletions(t, n))
			hold.close()
			require.Equal(t, before, n.digest())
			require.Len(t, append(fileRows(t, n, keys.TagList), fileRows(t, n, keys.TagScore)...), 100)
		})
	}
}

// After any program of queue commands with drains in between, the files hold exactly the rows of the elements that are left.
func TestDrainedQueuesLeaveWhatIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := newNode(t).lead()
		defer n.close()
		next := 0
		many := func(count int, line func(i int) string) {
			for range count {
				next++
				n.do(line(next))
			}
		}
		key := func() string { return rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key") }
		count := func() int { return rapid.IntRange(1, 3*minRemovedRun).Draw(rt, "count") }
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			k := key()
			switch rapid.SampledFrom([]string{"push", "pop", "zadd", "zpop", "zpopmax", "zrem", "drop", "flush", "flush"}).Draw(rt, "step") {
			case "push":
				side := rapid.SampledFrom([]string{"LPUSH", "RPUSH"}).Draw(rt, "side")
				many(count(), func(i int) string { return fmt.Sprintf("%s l%s %d", side, k, i) })
			case "pop":
				side := rapid.SampledFrom([]string{"LPOP", "RPOP"}).Draw(rt, "side")
				many(count(), func(int) string { return side + " l" + k })
			case "zadd":
				spread := rapid.SampledFrom([]int{1, 1000}).Draw(rt, "spread")
				many(count(), func(i int) string { return fmt.Sprintf("ZADD z%s %d %d", k, i*7919%spread, i%500) })
			case "zpop":
				many(count(), func(int) string { return "ZPOPMIN z" + k })
			case "zpopmax":
				many(count()/8, func(int) string { return "ZPOPMAX z" + k })
			case "zrem":
				many(count(), func(i int) string { return fmt.Sprintf("ZREM z%s %d", k, i*31%500) })
			case "drop":
				n.do(rapid.SampledFrom([]string{"DEL l" + k, "LTRIM l" + k + " 70 -70", "DEL z" + k, "RENAME za zb", "COPY la lb REPLACE"}).Draw(rt, "drop"))
			case "flush":
				require.NoError(rt, n.e.Flush(context.Background()))
			}
		}
		before := n.digest()
		require.NoError(rt, n.e.Flush(context.Background()))
		require.Equal(rt, before, n.digest())
		left := func(command string) (elements int) {
			for _, k := range []string{"a", "b"} {
				reply := n.do(command + k)
				var size int
				_, err := fmt.Sscanf(strings.TrimSpace(reply), ":%d", &size)
				require.NoError(rt, err)
				elements += size
			}
			return elements
		}
		n.reclaim()
		require.Len(rt, fileRows(rt, n, keys.TagList), left("LLEN l"))
		require.Len(rt, fileRows(rt, n, keys.TagScore), left("ZCARD z"))
		require.Len(rt, fileRows(rt, n, keys.TagField), left("ZCARD z"))
	})
}

// The spans of a table are its rows, each once and in order; a file has one tag, and long runs of one kind have files of their own.
func TestSpans(t *testing.T) {
	type rows struct {
		tag     byte
		count   int
		deleted bool
		size    int
	}
	const long, short = minSpanRun, minSpanRun - 1
	for _, tc := range []struct {
		name string
		rows []rows
		want []int // rows of each span
	}{
		{"nothing", nil, nil},
		{"few rows", []rows{{keys.TagKey, 3, false, 10}, {keys.TagKey, 2, true, 0}}, []int{5}},
		{"two tags", []rows{{keys.TagKey, 1, false, 10}, {keys.TagList, 2, false, 10}}, []int{1, 2}},
		{"what a queue leaves", []rows{{keys.TagKey, 1, false, 10}, {keys.TagList, long, false, 10}, {keys.TagList, long + 7, true, 0}}, []int{1, long, long + 7}},
		{"runs too short to be cut at", []rows{{keys.TagList, short, false, 10}, {keys.TagList, short, true, 0}, {keys.TagList, short, false, 10}}, []int{3 * short}},
		{"one long run between short ones", []rows{{keys.TagList, 5, false, 10}, {keys.TagList, long, true, 0}, {keys.TagList, 6, false, 10}}, []int{5, long + 6}},
		{"large values", []rows{{keys.TagList, 5, false, drainFileBytes / 2}}, []int{2, 2, 1}},
		{"tombstones of two tags", []rows{{keys.TagList, 10, true, 0}, {keys.TagScore, long - 1, true, 0}}, []int{10, long - 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table, all := memtable.New(), []string(nil)
			for _, r := range tc.rows {
				for range r.count {
					key := binary.BigEndian.AppendUint64([]byte{r.tag}, uint64(len(all)))
					row := memtable.Tombstone(key)
					if !r.deleted {
						row = memtable.NewRow(append(key, make([]byte, r.size)...), len(key))
					}
					table.Put(row)
					all = append(all, string(key))
				}
			}
			var got []int
			var in []string
			for _, span := range spansOf(table) {
				got = append(got, span.count)
				for window := range span.windows() {
					for _, row := range window {
						in = append(in, string(row.Key()))
						require.Equal(t, span.first[0], row.Key()[0])
					}
				}
			}
			require.Equal(t, tc.want, got)
			require.Equal(t, all, in)
		})
	}
}
