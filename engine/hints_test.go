package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pops in a row fetch more and more members ahead; a change among those drops them, and the next pop fetches none beyond its own.
func TestPopsOfASortedSetFetchAhead(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	for i := range 600 {
		n.do(fmt.Sprintf("ZADD z %d m%03d", 10+i, i))
	}
	next := 0
	pop := func() {
		require.Equal(t, fmt.Sprintf("*2\r\n$4\r\nm%03d\r\n$%d\r\n%d\r\n", next, len(fmt.Sprint(10+next)), 10+next), n.do("ZPOPMIN z"))
		next++
	}
	front := func() *zsetFront {
		require.Len(t, n.e.seq.hints.fronts, 1)
		for _, f := range n.e.seq.hints.fronts {
			return f
		}
		return nil
	}
	for range 1 + 2 + 3 + 5 + 9 + 17 + 33 + 65 {
		pop()
	}
	require.EqualValues(t, frontRows, front().extra)
	pop()
	require.Len(t, front().members, frontRows)
	n.do("ZADD z 5 first")
	require.Empty(t, front().members)
	require.Equal(t, "*2\r\n$5\r\nfirst\r\n$1\r\n5\r\n", n.do("ZPOPMIN z"))
	require.Empty(t, front().members, "it was in vain: none is fetched ahead")
	pop()
	pop()
	n.do("ZREM z " + fmt.Sprintf("m%03d", next)) // the next one
	next++
	pop()
	n.do("ZADD z 10000 last") // behind what was fetched
	for next < 600 {
		pop()
	}
	require.Equal(t, "*2\r\n$4\r\nlast\r\n$5\r\n10000\r\n", n.do("ZPOPMIN z"))
	require.Empty(t, n.e.seq.hints.fronts, "the set is no more")
}
