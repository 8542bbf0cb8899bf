package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

// uncached makes the row cache forget a row, as if it had been pushed out.
func uncached(ds *dataset, row []byte) {
	s := ds.cache.shard(rowmap.Hash(row))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows.Delete(rowmap.Hash(row), row)
}

// After a start every row is at hand, without anybody having asked for it.
func TestSurveyWarmsTheRowCache(t *testing.T) {
	n := newNode(t, smallStore).lead()
	const rows = 500
	for i := range rows {
		n.do(fmt.Sprintf("SET key:%d v%d", i, i))
		n.do(fmt.Sprintf("HSET hash f%d v%d", i, i))
	}
	require.NoError(t, n.e.Flush(t.Context()))
	n.close()
	require.NoError(t, n.open(smallStore))
	n.lead()
	ds := n.e.acquire()
	defer n.close()
	defer ds.release()
	require.Eventually(t, func() bool { return ds.filters.known() > 0 }, 10*time.Second, time.Millisecond)
	value, known := ds.cachedString("key:77")
	require.True(t, known)
	require.Equal(t, "v77", string(value))
	for i := range rows {
		lacks, _ := ds.cache.lacks(keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i)), false)
		require.False(t, lacks, "key:%d", i)
	}
	require.Equal(t, "$4\r\nv499\r\n", n.do("HGET hash f499"))
}

// cachedString is what the row cache has of a string in database 0.
func (ds *dataset) cachedString(key string) (value []byte, known bool) {
	head, _, known, _ := ds.cache.get(nil, keys.AppendKey(nil, 0, []byte(key)), false)
	h, _ := keys.ParseHead(head)
	return h.Value, known
}

// What files hold may be old news: rows that were written since, and files that are not the newest, are not taken.
func TestNothingIsOfferedThatWasWrittenSince(t *testing.T) {
	n := newNode(t).lead()
	ds := n.e.acquire()
	defer n.close()
	defer ds.release()
	row := func(key string) []byte { return keys.AppendKey(nil, 0, []byte(key)) }
	old := func(key string) []fileRow {
		return []fileRow{{row(key), keys.AppendHead(nil, keys.Head{Value: []byte("old")})}}
	}
	n.do("SET unwritten old")
	n.do("SET written old")
	n.do("SET deleted old")
	require.NoError(t, n.e.Flush(t.Context()))
	version := ds.fileVersion.Load()
	n.do("SET written new")
	n.do("DEL deleted")
	for _, key := range []string{"unwritten", "written", "deleted"} {
		uncached(ds, row(key))
		current, room := ds.offer(old(key), version)
		require.True(t, current && room)
	}
	_, known := ds.cachedString("unwritten")
	require.True(t, known)
	require.Equal(t, "$3\r\nnew\r\n", n.do("GET written"))
	require.Equal(t, "$-1\r\n", n.do("GET deleted"))

	require.NoError(t, n.e.Flush(t.Context())) // now memory holds nothing of them
	uncached(ds, row("written"))
	current, _ := ds.offer(old("written"), version)
	require.False(t, current)
	_, known = ds.cachedString("written")
	require.False(t, known)
	require.Equal(t, "$3\r\nnew\r\n", n.do("GET written"))
}

// A survey beside writers and drains: afterwards everybody reads what was written last, by way of the cache and past it.
func TestSurveyBesideWriters(t *testing.T) {
	const rows = 3000
	n := newNode(t, smallStore).lead()
	for i := range rows {
		n.do(fmt.Sprintf("SET key:%d old%d", i, i))
	}
	require.NoError(t, n.e.Flush(t.Context()))
	ds := n.e.acquire()
	defer n.close()
	defer ds.release()
	want := map[int]string{}
	for round := range 5 {
		for i := range rows { // as after a start
			uncached(ds, keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i)))
		}
		next := newRowFilter(1 << 20)
		ds.filters.next.Store(next)
		var surveying sync.WaitGroup
		var err error
		surveying.Go(func() { err = (&survey{ds: ds, filter: next, warm: true}).run() })
		rng := rand.New(rand.NewPCG(uint64(round), 1))
		for range 2000 {
			i := rng.IntN(rows)
			if rng.IntN(4) == 0 {
				n.do(fmt.Sprintf("DEL key:%d", i))
				want[i] = "$-1\r\n"
				continue
			}
			v := fmt.Sprintf("new%d:%d", round, rng.IntN(1e6))
			n.do(fmt.Sprintf("SET key:%d %s", i, v))
			want[i] = fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
		}
		surveying.Wait()
		require.NoError(t, err)
		ds.filters.next.Store(nil)
		for i := range rows {
			w, ok := want[i]
			if !ok {
				w = fmt.Sprintf("$%d\r\nold%d\r\n", len(fmt.Sprint("old", i)), i)
			}
			require.Equal(t, w, n.do(fmt.Sprintf("GET key:%d", i)), "round %d, key:%d", round, i)
			require.False(t, w != "$-1\r\n" && next.lacks(keys.AppendKey(nil, 0, fmt.Appendf(nil, "key:%d", i))))
		}
	}
	require.Greater(t, n.e.flushes.Load(), uint64(10), "there were drains meanwhile")
}
