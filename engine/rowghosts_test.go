package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
	"replogd/engine/rowmap"
)

// pushOut makes the row cache give up every row that it holds. The survey of a start is over by then: nothing but a command fetches a row again.
func (n *testNode) pushOut() {
	ds := n.e.acquire()
	defer ds.release()
	require.Eventually(n.t, func() bool { return ds.filters.use.Load() != nil }, 10*time.Second, time.Millisecond)
	v := ds.viewOnce()
	defer v.close()
	for _, tag := range []byte{keys.TagKey, keys.TagField} {
		it, err := v.iter([]byte{tag}, []byte{tag + 1})
		require.NoError(n.t, err)
		require.NoError(n.t, it.all(func(row, _ []byte) error {
			hash := rowmap.Hash(row)
			s := ds.cache.shard(hash)
			s.mu.Lock()
			defer s.mu.Unlock()
			if value, present, known := s.rows.Get(nil, hash, row); known {
				s.rows.Delete(hash, row)
				s.gone(row, value, present)
			}
			return nil
		}))
	}
}

// A keyspace that holds nothing in the cache, and remembers what went, answers as one that holds everything.
func TestGhostsChangeNoAnswer(t *testing.T) {
	templates := []string{
		"SET K V", "SET K V NX", "SET K V XX", "SET K V GET", "SET K V KEEPTTL", "SET K V EXAT 4000000000", "SETNX K V", "GETSET K V", "GETDEL K",
		"MSET K V K V", "MSETNX K V K V", "DEL K", "UNLINK K K", "EXISTS K K", "TOUCH K", "TYPE K", "EXPIRETIME K", "TTL K", "PEXPIREAT K 4000000000000",
		"PERSIST K", "APPEND K V", "STRLEN K", "GET K", "MGET K K", "RENAME K K", "COPY K K REPLACE", "LPUSH K V", "RPOP K", "SADD K V V", "SREM K V",
		"SISMEMBER K V", "SCARD K", "SMOVE K K V", "HSET K V V V V", "HSETNX K V V", "HDEL K V", "HGET K V", "HLEN K", "HINCRBY K V 3", "ZADD K 1 V", "ZREM K V",
		"SINTERSTORE K K K", "OBJECT ENCODING K", "INCR K", "DBSIZE", "SETRANGE K 3 V",
	}
	held := newNode(t, smallStore).lead()
	ghosts := newNode(t, smallStore).lead()
	defer held.close()
	defer ghosts.close()
	rng := rand.New(rand.NewPCG(7, 7))
	for step := range 4000 {
		words := strings.Fields(templates[rng.IntN(len(templates))])
		for i := range words {
			switch words[i] {
			case "K":
				words[i] = fmt.Sprintf("k%d", rng.IntN(8))
			case "V":
				words[i] = fmt.Sprint(rng.IntN(20))
			}
		}
		line := strings.Join(words, " ")
		require.Equal(t, held.do(line), ghosts.do(line), "step %d: %s", step, line)
		if step%2 == 0 {
			ghosts.pushOut()
		}
		if step%500 == 0 {
			require.NoError(t, ghosts.e.Flush(t.Context()))
		}
	}
	require.Equal(t, held.do("DBSIZE"), ghosts.do("DBSIZE"))
	require.Positive(t, ghosts.e.Stats().RowGhosts)
}

// What is remembered of a row spares the look at the files; a write over it brings it back into the cache.
func TestAGhostIsEnoughForAWrite(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	n.do("SET plain v")
	n.do("SET timed v EX 1000")
	n.do("SADD set m")
	require.NoError(t, n.e.Flush(t.Context()))
	n.pushOut()
	ds := n.e.acquire()
	defer ds.release()
	row := func(key string) []byte { return keys.AppendKey(nil, 0, []byte(key)) }
	require.True(t, ds.atHand(row("plain"), true))
	require.False(t, ds.atHand(row("plain"), false))
	require.False(t, ds.atHand(row("timed"), true))
	require.False(t, ds.atHand(row("set"), true))
	require.Equal(t, ":1\r\n", n.do("EXISTS plain"))
	lacks, _ := ds.cache.lacks(row("plain"), false)
	require.True(t, lacks, "nothing was fetched")
	require.Equal(t, "+OK\r\n", n.do("SET plain w"))
	require.Equal(t, "$1\r\nw\r\n", n.do("GET plain"))
	require.True(t, ds.atHand(row("plain"), false))
	require.Equal(t, ":3\r\n", n.do("DBSIZE"))
	require.Equal(t, ":1\r\n", n.do("DEL plain"))
	n.pushOut()
	require.Equal(t, ":0\r\n", n.do("EXISTS plain"))
}

// A row that is too large for the cache is remembered at once.
func TestALargeRowIsAGhost(t *testing.T) {
	c := newTestCache(t)
	row := cacheRow(1)
	ghost := func(row []byte) bool {
		_, present, _, _ := c.get(nil, row, true)
		return present
	}
	c.write(row, append(plainHead[:2:2], make([]byte, rowmap.MaxBytes)...), true)
	require.True(t, ghost(row))
	c.write(row, append(keys.AppendHead(nil, keys.Head{ExpireMs: 5}), make([]byte, rowmap.MaxBytes)...), true)
	require.False(t, ghost(row), "it has a time")
	c.write(row, append(plainHead[:2:2], make([]byte, rowmap.MaxBytes)...), true)
	c.write(row, nil, false)
	require.False(t, ghost(row), "it is in the cache: as absent")
}

// Without memory for ghosts everything works as before.
func TestRowCacheWithoutGhosts(t *testing.T) {
	n := newNode(t, smallStore, func(o *Options) { o.RowGhostBytes = -1 }).lead()
	defer n.close()
	n.do("SET k v")
	n.pushOut()
	require.Equal(t, "+OK\r\n", n.do("SET k w"))
	require.Equal(t, ":1\r\n", n.do("DBSIZE"))
	require.Zero(t, n.e.Stats().RowGhosts)
}
