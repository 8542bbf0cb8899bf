package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// SPOPs in a row fetch more and more members ahead; a change among those drops them; every member is popped once.
func TestPopsOfASetFetchAhead(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	left := map[string]bool{}
	add := func(m string) {
		require.Equal(t, ":1\r\n", n.do("SADD s "+m))
		left[m] = true
	}
	for i := range 1000 {
		add(fmt.Sprintf("m%03d", i))
	}
	pop := func() string {
		m := strings.Split(n.do("SPOP s"), "\r\n")[1]
		require.True(t, left[m], "%q is not in the set (any more)", m)
		delete(left, m)
		return m
	}
	walk := func() *setWalk {
		require.Len(t, n.e.seq.hints.walks, 1)
		for _, w := range n.e.seq.hints.walks {
			return w
		}
		return nil
	}
	for range 1 + 2 + 3 + 5 + 9 + 17 + 33 + 65 {
		pop()
	}
	require.EqualValues(t, frontRows, walk().extra)
	for pop(); len(walk().members) < frontRows/2; pop() { // at the end of the members' order there may be fewer than are fetched
	}
	require.Less(t, len(walk().members), frontRows+1)

	next := string(walk().members[0])
	require.Equal(t, ":1\r\n", n.do("SREM s "+next))
	delete(left, next)
	require.Empty(t, walk().members)
	require.Zero(t, walk().extra, "it was in vain: none is fetched ahead")
	add(pop()) // what has just been popped lies behind the walk
	pop()
	for range 3 {
		pop()
	}
	require.NotEmpty(t, walk().members)
	moved := string(walk().members[len(walk().members)-1])
	require.Equal(t, ":1\r\n", n.do("SMOVE s other "+moved))
	delete(left, moved)
	require.Empty(t, walk().members)

	for len(left) > 0 {
		pop()
	}
	require.Equal(t, "$-1\r\n", n.do("SPOP s"))
	require.Empty(t, n.e.seq.hints.walks, "the set is no more")
}

// What is added or removed between pops, wherever it lies, is popped or not as it should be: over and over, beside a model.
func TestPopsAndChangesOfASet(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	model := map[string]bool{}
	rng := rand.New(rand.NewPCG(11, 1))
	for step := range 6000 {
		m := fmt.Sprintf("m%d", rng.IntN(400))
		switch rng.IntN(6) {
		case 0, 1:
			n.do("SADD s " + m)
			model[m] = true
		case 2:
			n.do("SREM s " + m)
			delete(model, m)
		default:
			if len(model) == 0 {
				require.Equal(t, "$-1\r\n", n.do("SPOP s"))
				continue
			}
			popped := strings.Split(n.do("SPOP s"), "\r\n")[1]
			require.True(t, model[popped], "step %d: %q is not in the set", step, popped)
			delete(model, popped)
		}
		if step%2000 == 0 {
			for i := range 400 {
				n.do(fmt.Sprintf("SADD s m%d", i))
				model[fmt.Sprintf("m%d", i)] = true
			}
		}
		require.Equal(t, fmt.Sprintf(":%d\r\n", len(model)), n.do("SCARD s"))
	}
}
