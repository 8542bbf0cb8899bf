package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryUsageFollowsTheValue(t *testing.T) {
	p := newPair(t)
	for _, line := range []string{"MEMORY USAGE none", "MEMORY USAGE none SAMPLES -1", "MEMORY USAGE none SAMPLES x", "MEMORY USAGE none SAMPLES", "MEMORY USAGE none FOO 1"} {
		p.compare(t, line, byteArgs(strings.Fields(line)...))
	}
	usage := func(key, options string) (n int) {
		_, err := fmt.Sscanf(p.leader.do("MEMORY USAGE "+key+options), ":%d", &n)
		require.NoError(t, err)
		return n
	}
	element := strings.Repeat("e", 50)
	for i := range 1000 {
		for _, line := range []string{"HSET hash %s%d v", "RPUSH list %s%d", "SADD set %s%d", "ZADD zset 1 %s%d", "XADD stream * %s%d v"} {
			p.leader.do(fmt.Sprintf(line, element, i))
		}
	}
	p.leader.do("SET string " + strings.Repeat("s", 100_000))
	require.InDelta(t, 100_000, usage("string", ""), 200)
	for _, key := range []string{"hash", "list", "set", "zset", "stream"} {
		all := usage(key, " SAMPLES 0")
		require.Greater(t, all, 1000*len(element))
		require.Less(t, all, 1000*4*len(element))
		require.InEpsilon(t, all, usage(key, ""), 0.1, key)
		before := all
		p.leader.do("EXPIRE " + key + " 100")
		require.Greater(t, usage(key, " SAMPLES 0"), before)
	}
	before := usage("stream", "")
	p.leader.do("XGROUP CREATE stream g 0")
	p.leader.do("XREADGROUP GROUP g c COUNT 100 STREAMS stream >")
	require.Greater(t, usage("stream", ""), before+100*50)
}
