package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
)

func cacheRow(i int) []byte { return keys.AppendKey(nil, 0, fmt.Appendf(nil, "key%d", i)) }

func TestRowCacheStaysWithinItsBounds(t *testing.T) {
	const capacity = 64 << 10
	c := newRowCache(capacity)
	for i := range 5000 {
		c.begin(cacheRow(i))
		c.finish(cacheRow(i), make([]byte, 50), true)
	}
	require.LessOrEqual(t, c.bytes(), int64(capacity))
	require.Greater(t, c.bytes(), int64(capacity/2))
}

func TestRowCacheTakesNoFillThatAWriteOvertook(t *testing.T) {
	c := newRowCache(1 << 20)
	row := cacheRow(1)
	_, _, known, version := c.get(row)
	require.False(t, known)
	c.begin(row) // a writer comes in between
	c.fill(row, []byte("old"), true, version)
	_, _, known, _ = c.get(row)
	require.False(t, known, "the reader's value may be older than the write")
	c.finish(row, []byte("new"), true)
	value, present, known, _ := c.get(row)
	require.True(t, known && present)
	require.Equal(t, "new", string(value))
}

// A look between begin and finish may have read the store before the commit or after it.
func TestRowCacheTakesNoFillOfALookDuringAWrite(t *testing.T) {
	c := newRowCache(1 << 20)
	row := cacheRow(1)
	c.begin(row)
	_, _, _, version := c.get(row)
	c.finish(row, []byte("new"), true)
	c.fill(row, []byte("old"), true, version)
	value, _, known, _ := c.get(row)
	require.True(t, known)
	require.Equal(t, "new", string(value))
}

func TestRowCacheHidesRowsBeingWritten(t *testing.T) {
	c := newRowCache(1 << 20)
	row := cacheRow(1)
	c.begin(row)
	c.finish(row, []byte("old"), true)
	c.begin(row)
	_, _, known, _ := c.get(row)
	require.False(t, known)
	c.finish(row, nil, false)
	_, present, known, _ := c.get(row)
	require.True(t, known)
	require.False(t, present)
}

func TestRowCacheRefusesLargeRows(t *testing.T) {
	c := newRowCache(1 << 20)
	row := cacheRow(1)
	c.begin(row)
	c.finish(row, []byte("small"), true)
	c.begin(row)
	c.finish(row, make([]byte, maxCachedRow+1), true)
	_, _, known, _ := c.get(row)
	require.False(t, known)
	require.Zero(t, c.bytes())
}

func TestStateRowRoundTrips(t *testing.T) {
	s := newState(1<<40, 16)
	s.streamDB, s.dbs[3].keys, s.dbs[3].expires, s.dbs[7].id = 3, 10, 4, 99
	got, err := parseState(s.appendTo(nil))
	require.NoError(t, err)
	require.Equal(t, s, got)
	for n := range len(s.appendTo(nil)) {
		_, err := parseState(s.appendTo(nil)[:n])
		require.Error(t, err, "cut at %d", n)
	}
}

func TestCheckpointNames(t *testing.T) {
	for name, want := range map[string]bool{
		"000123.sst": true, "MANIFEST-000001": true, "OPTIONS-000003": true, "marker.manifest.000001.MANIFEST-000001": true,
		"marker.format-version.000001.024": true, "000004.log": true,
		"": false, "../x.sst": false, "a/000123.sst": false, "000123.sst\n": false, "LOCK": false, "CURRENT": false, ".": false,
	} {
		require.Equal(t, want, ValidCheckpointName(name), "%q", name)
	}
}
