package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
)

func TestRowFilterNeverDeniesARowItWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newRowFilter(rapid.Int64Range(1, 1<<12).Draw(t, "bytes"))
		rows := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "rows")
		for i, key := range rows {
			row := keys.AppendKey(nil, uint32(i%3), key)
			if i%2 == 0 {
				row = keys.AppendField(nil, uint64(i), key)
			}
			f.add(row)
			require.False(t, f.lacks(row))
			rows[i] = row
		}
		for _, row := range rows {
			require.False(t, f.lacks(row))
		}
	})
}

func TestRowFilterDeniesMostOthers(t *testing.T) {
	f := newRowFilter(1 << 16)
	const rows = 1 << 15 // 16 bits each
	for i := range rows {
		f.add(keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i)))
	}
	wrong := 0
	for i := range rows {
		if !f.lacks(keys.AppendField(nil, 7, fmt.Appendf(nil, "member:%d", i))) {
			wrong++
		}
	}
	require.Less(t, wrong, rows/100)
}

// Filters that are not filled yet, or too full, or asked about a table that they do not know, deny nothing.
func TestRowFiltersDenyNothingThatTheyCannotKnow(t *testing.T) {
	var f rowFilters
	f.init(1)
	row := keys.AppendKey(nil, 0, []byte("absent"))
	require.False(t, f.lacks(row), "not filled")
	f.use.Store(newRowFilter(f.bytes))
	require.True(t, f.lacks(row))
	require.False(t, f.lacks(keys.AppendIndex(nil, 1, 2)), "another table")
	for i := range 1000 {
		f.add(keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i)))
	}
	require.False(t, f.lacks(row), "too full")
	require.Zero(t, f.known())
	require.Len(t, f.full, 1)
}

// Churn fills a filter with rows that are gone. Another one takes its place, and while it is filled no row is denied.
func TestRowFilterIsReplacedWhenFull(t *testing.T) {
	n := newNode(t, smallStore, func(o *Options) { o.RowFilterBytes = 4 << 10 }).lead() // good for 4096 rows
	ds := n.e.acquire()
	defer n.close()
	defer ds.release()
	for i := range 200 {
		n.do(fmt.Sprintf("SET keep:%d v", i))
	}
	for i := range 20000 {
		key := fmt.Sprintf("gone:%d", i)
		n.do("SET " + key + " v")
		require.Equal(t, "$1\r\nv\r\n", n.do("GET "+key))
		n.do("DEL " + key)
		if i%100 == 0 {
			require.Equal(t, "$1\r\nv\r\n", n.do(fmt.Sprintf("GET keep:%d", i/100)))
		}
	}
	require.Eventually(t, func() bool { return ds.filters.known() > 0 }, 10*time.Second, time.Millisecond)
	require.Less(t, ds.filters.known(), int64(4500))
	for i := range 200 {
		require.Equal(t, "$1\r\nv\r\n", n.do(fmt.Sprintf("GET keep:%d", i)))
	}
}

// What an earlier process has left is in the filter of the next one, and what is written goes on coming in.
func TestRowFilterKnowsTheFiles(t *testing.T) {
	n := newNode(t, smallStore).lead()
	for i := range 100 {
		n.do(fmt.Sprintf("SET key:%d v", i))
		n.do(fmt.Sprintf("SADD set m%d", i))
	}
	require.NoError(t, n.e.Flush(t.Context()))
	n.close()
	require.NoError(t, n.open(smallStore))
	n.lead()
	ds := n.e.acquire()
	require.Eventually(t, func() bool { return ds.filters.known() > 195 }, 10*time.Second, time.Millisecond)
	known := ds.filters.known()
	n.do("SET another v")
	require.Greater(t, ds.filters.known(), known)
	require.True(t, ds.filters.lacks(keys.AppendKey(nil, 0, []byte("none"))))
	ds.release()
	for i := range 100 {
		require.Equal(t, "$1\r\nv\r\n", n.do(fmt.Sprintf("GET key:%d", i)))
		require.Equal(t, ":1\r\n", n.do(fmt.Sprintf("SISMEMBER set m%d", i)))
	}
	n.close()
}
