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

// Pops in a row from an end of a list fetch more and more elements ahead. A change among those drops them; one elsewhere does not.
func TestPopsOfAListFetchAhead(t *testing.T) {
	for _, tc := range []struct {
		push, pop, pushBack, popBack string
		at                           func(i int) int // index of the i'th element from the end that is popped, for LSET
	}{
		{"LPUSH", "RPOP", "RPUSH", "LPOP", func(i int) int { return -1 - i }},
		{"RPUSH", "LPOP", "LPUSH", "RPOP", func(i int) int { return i }},
	} {
		t.Run(tc.pop, func(t *testing.T) {
			n := newNode(t, smallStore).lead()
			defer n.close()
			for i := range 900 {
				n.do(fmt.Sprintf("%s l e%03d", tc.push, i))
			}
			next := 0
			pop := func() {
				t.Helper()
				require.Equal(t, fmt.Sprintf("$4\r\ne%03d\r\n", next), n.do(tc.pop+" l"))
				next++
			}
			end := func() *listEnd {
				for _, e := range n.e.seq.hints.ends {
					return e
				}
				return &listEnd{}
			}
			for range 1 + 2 + 3 + 5 + 9 + 17 + 33 + 65 {
				pop()
			}
			require.EqualValues(t, frontRows, end().extra)
			pop()
			require.Len(t, end().values, frontRows)

			// Beyond its last element, at the other end, and in front of its first one.
			n.do(fmt.Sprintf("LSET l %d x", tc.at(frontRows)))
			n.do(tc.push + " l last")
			n.do(tc.pushBack + " l first")
			require.Equal(t, "$5\r\nfirst\r\n", n.do(tc.pop+" l"))
			require.Len(t, end().values, frontRows)
			pop()

			n.do(fmt.Sprintf("LSET l %d new", tc.at(5)))
			require.Empty(t, end().values)
			for range 5 {
				pop()
			}
			require.Equal(t, "$3\r\nnew\r\n", n.do(tc.pop+" l"))
			next++
			pop()
			require.NotEmpty(t, end().values)
			n.do(fmt.Sprintf("LREM l 1 e%03d", next))
			next++
			pop()

			// Popped from the other end down into what is held, and pushed there again.
			n.do(fmt.Sprintf("LTRIM l %d %d", min(tc.at(0), tc.at(9)), max(tc.at(0), tc.at(9))))
			pop()
			pop()
			pop()
			require.NotEmpty(t, end().values)
			for n.do("LLEN l") != ":1\r\n" {
				n.do(tc.popBack + " l")
			}
			n.do(tc.push + " l again")
			pop()
			require.Equal(t, "$5\r\nagain\r\n", n.do(tc.pop+" l"))
			require.Equal(t, "$-1\r\n", n.do(tc.pop+" l"))
		})
	}
}
