package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
)

func TestRowFilterNeverDeniesARowItWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newRowFilter(rapid.Int64Range(1, 1<<12).Draw(t, "bytes"))
		f.ready.Store(true)
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
	f.ready.Store(true)
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

// A filter that is not filled yet, or too full, or asked about a table that it does not know, denies nothing.
func TestRowFilterDeniesNothingThatItCannotKnow(t *testing.T) {
	f := newRowFilter(1)
	row := keys.AppendKey(nil, 0, []byte("absent"))
	require.False(t, f.lacks(row), "not filled")
	f.ready.Store(true)
	require.True(t, f.lacks(row))
	require.False(t, f.lacks(keys.AppendIndex(nil, 1, 2)), "another table")
	for i := range 1000 {
		f.add(keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i)))
	}
	require.False(t, f.lacks(row), "too full")
	require.Zero(t, f.known())
	require.False(t, newRowFilter(-1).lacks(row), "off")
}

// What an earlier process has left in the files is in the filter of the next one, and what is drained goes on coming in.
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
	ds.filling.Wait()
	known := ds.filter.known()
	require.Greater(t, known, int64(195))
	n.do("SET another v")
	require.NoError(t, n.e.Flush(t.Context()))
	require.Greater(t, ds.filter.known(), known)
	require.True(t, ds.filter.lacks(keys.AppendKey(nil, 0, []byte("none"))))
	ds.release()
	for i := range 100 {
		require.Equal(t, "$1\r\nv\r\n", n.do(fmt.Sprintf("GET key:%d", i)))
		require.Equal(t, ":1\r\n", n.do(fmt.Sprintf("SISMEMBER set m%d", i)))
	}
	n.close()
}
