package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

func cacheRow(i int) []byte { return keys.AppendKey(nil, 0, fmt.Appendf(nil, "key%d", i)) }

func newTestCache(t *testing.T) *rowCache {
	c, err := newRowCache(1, 1<<20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.close()) })
	return c
}

func TestRowCacheStaysWithinItsBounds(t *testing.T) {
	c := newTestCache(t)
	for i := range 20000 {
		c.write(cacheRow(i), make([]byte, 4000), true)
	}
	require.LessOrEqual(t, c.bytes(), int64(minCacheBytes))
	require.Greater(t, c.bytes(), int64(minCacheBytes/2))
}

func TestRowCacheTakesNoFillThatAWriteOvertook(t *testing.T) {
	c := newTestCache(t)
	row := cacheRow(1)
	_, _, known, version := c.get(nil, row, false)
	require.False(t, known)
	c.write(row, []byte("new"), true) // a writer comes in between
	c.fill(row, []byte("old"), true, version)
	value, present, known, _ := c.get(nil, row, false)
	require.True(t, known && present)
	require.Equal(t, "new", string(value))
}

// A row that was too large to be kept, or has been pushed out, leaves no way for an older value either.
func TestRowCacheTakesNoFillBehindARowThatIsGone(t *testing.T) {
	c := newTestCache(t)
	row := cacheRow(1)
	_, _, _, version := c.get(nil, row, false)
	c.write(row, make([]byte, rowmap.MaxBytes), true)
	c.fill(row, []byte("old"), true, version)
	_, _, known, version := c.get(nil, row, false)
	require.False(t, known)
	c.fill(row, []byte("present"), true, version)
	value, _, known, _ := c.get(nil, row, false)
	require.True(t, known)
	require.Equal(t, "present", string(value))
}

func TestRowCacheKnowsAbsentRows(t *testing.T) {
	c := newTestCache(t)
	row := cacheRow(1)
	c.write(row, []byte("old"), true)
	c.write(row, nil, false)
	_, present, known, _ := c.get(nil, row, false)
	require.True(t, known)
	require.False(t, present)
}

func TestRowCacheRefusesLargeRows(t *testing.T) {
	c := newTestCache(t)
	row := cacheRow(1)
	c.write(row, []byte("small"), true)
	c.write(row, make([]byte, rowmap.MaxBytes), true)
	_, _, known, _ := c.get(nil, row, false)
	require.False(t, known)
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
