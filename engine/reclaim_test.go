package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
)

// elementRows counts the rows of collections and of the reclaim queue, whoever they belong to.
func (n *testNode) elementRows() (elements, queue int) {
	n.t.Helper()
	v := n.e.ds.Load().view()
	defer v.close()
	count := func(tag byte) (rows int) {
		it, err := v.iter([]byte{tag}, []byte{tag + 1})
		require.NoError(n.t, err)
		for ok := it.first(); ok; ok = it.next() {
			rows++
		}
		require.NoError(n.t, it.close())
		return rows
	}
	for _, tag := range keys.ElementTags() {
		elements += count(tag)
	}
	return elements, count(keys.TagOrphan) + count(keys.TagReclaim)
}

// reclaim runs passes until there is nothing left to do.
func (n *testNode) reclaim() (passes int) {
	n.t.Helper()
	for range 1000 {
		require.NoError(n.t, n.e.Flush(context.Background()))
		require.NoError(n.t, n.e.reclaimSome(n.e.ds.Load()))
		passes++
		if _, queue := n.elementRows(); queue == 0 {
			return passes
		}
	}
	require.Fail(n.t, "the reclaimer does not come to an end")
	return 0
}

// fillCollection makes a collection of that type.
func (n *testNode) fillCollection(kind, key string, size int) {
	n.t.Helper()
	for i := range size {
		if kind == "stream" {
			n.exec(&n.client, fmt.Sprintf("XADD %s %d-1 f v", key, i+1))
		}
	}
	for i := 0; i < size && kind != "stream"; i += 100 {
		line := map[string]string{"hash": "HSET ", "list": "RPUSH ", "set": "SADD ", "zset": "ZADD "}[kind] + key
		for j := i; j < min(i+100, size); j++ {
			switch kind {
			case "hash":
				line += fmt.Sprintf(" f%d v", j)
			case "zset":
				line += fmt.Sprintf(" %d m%d", j, j)
			default:
				line += fmt.Sprintf(" m%d", j)
			}
		}
		n.do(line)
	}
}

var collectionKinds = []string{"hash", "list", "set", "stream", "zset"}

// What goes, whatever takes it away, leaves no row behind; what stays loses none.
func TestRemovedCollectionsAreReclaimed(t *testing.T) {
	for _, kind := range collectionKinds {
		for _, size := range []int{1, dropAtOnce, dropAtOnce + 1, 3 * reclaimSmall} {
			for _, removal := range []string{"DEL k", "SET k x", "RENAME other k", "FLUSHDB", "FLUSHALL", "PEXPIREAT k 1", "COPY other k REPLACE"} {
				t.Run(fmt.Sprintf("%s/%d/%s", kind, size, removal), func(t *testing.T) {
					n := newNode(t, smallStore).lead()
					defer n.close()
					n.fillCollection(kind, "k", size)
					n.do("SET other 1")
					second := Session{DB: 1}
					n.doAs(&second, "RPUSH stays a b c")
					require.NoError(t, n.e.Flush(context.Background()))
					n.do(removal)
					n.reclaim()
					elements, _ := n.elementRows()
					want := 3
					if removal == "FLUSHALL" {
						want = 0
					}
					require.Equal(t, want, elements)
					if want > 0 {
						require.Equal(t, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", n.doAs(&second, "LRANGE stays 0 -1"))
					}
				})
			}
		}
	}
}

// Many collections that are not neighbours are more than one pass may write range deletions for.
func TestReclaimingTakesSeveralPasses(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	for i := range 2*reclaimRanges + 10 {
		n.fillCollection("list", fmt.Sprintf("gone%d", i), reclaimSmall+1)
		n.do(fmt.Sprintf("RPUSH stays%d x", i))
	}
	require.NoError(t, n.e.Flush(context.Background()))
	for i := range 2*reclaimRanges + 10 {
		require.Equal(t, ":1\r\n", n.do(fmt.Sprintf("DEL gone%d", i)))
	}
	require.Greater(t, n.reclaim(), 1)
	elements, _ := n.elementRows()
	require.Equal(t, 2*reclaimRanges+10, elements)
	n.do("FLUSHALL")
	n.reclaim()
	elements, _ = n.elementRows()
	require.Zero(t, elements)
}
