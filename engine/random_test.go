package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fillSet makes a set of n members, in files.
func fillSet(t *testing.T, n *testNode, key string, size int) {
	t.Helper()
	for i := 0; i < size; i += 100 {
		line := "SADD " + key
		for j := i; j < min(i+100, size); j++ {
			line += fmt.Sprintf(" m%d", j)
		}
		n.do(line)
	}
	require.NoError(t, n.e.Flush(context.Background()))
}

// Every member is popped once; the set is gone with the last one, and so are all of its rows.
func TestSPopTakesEveryMemberOnce(t *testing.T) {
	for _, size := range []int{1, spopShuffleUpTo, spopShuffleUpTo + 1, 3000} {
		n := newNode(t, smallStore).lead()
		fillSet(t, n, "s", size)
		seen := map[string]bool{}
		for i := range size {
			require.Equal(t, fmt.Sprintf(":%d\r\n", size-i), n.do("SCARD s"))
			reply := n.do("SPOP s")
			require.False(t, seen[reply], reply)
			seen[reply] = true
			if i%500 == 0 {
				n.do(fmt.Sprintf("SADD s again%d", i)) // a member that comes in the middle of a walk is not lost
				require.Equal(t, ":1\r\n", n.do(fmt.Sprintf("SREM s again%d", i)))
			}
		}
		require.Equal(t, "$-1\r\n", n.do("SPOP s"))
		require.Equal(t, ":0\r\n", n.do("DBSIZE"))
		n.close()
	}
}

// With a count SPOP takes as many different members, whatever share of the set that is.
func TestSPopWithCount(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	fillSet(t, n, "s", 3000)
	left := 3000
	seen := map[string]bool{}
	for _, count := range []int{1, 10, 100, 1500, 200} {
		members := oracleValue(t, n.do(fmt.Sprintf("SPOP s %d", count)))
		require.Len(t, members, count)
		for _, m := range members {
			require.False(t, seen[m.(string)])
			seen[m.(string)] = true
		}
		left -= count
		require.Equal(t, fmt.Sprintf(":%d\r\n", left), n.do("SCARD s"))
	}
}

// Members come with about equal chances, from few and from many.
func TestRandomMembersAreSpread(t *testing.T) {
	for _, size := range []int{10, 100, 2000} {
		n := newNode(t, smallStore).lead()
		fillSet(t, n, "s", size)
		draws := 20 * size
		counts := map[string]int{}
		for _, m := range oracleValue(t, n.do(fmt.Sprintf("SRANDMEMBER s -%d", draws))) {
			counts[m.(string)]++
		}
		require.Greater(t, len(counts), size*9/10)
		for m, times := range counts {
			require.Less(t, times, 20*8, m)
		}
		distinct := oracleValue(t, n.do(fmt.Sprintf("SRANDMEMBER s %d", size/2)))
		require.Len(t, distinct, size/2)
		seen := map[any]bool{}
		for _, m := range distinct {
			require.True(t, strings.HasPrefix(m.(string), "m"))
			require.False(t, seen[m])
			seen[m] = true
		}
		few := oracleValue(t, n.do("SRANDMEMBER s 3"))
		require.Len(t, few, 3)
		n.close()
	}
}
