package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStoredDistancesAreRedis requires the same members with scores that differ in the last bits at most, and that a follower has the
// leader's scores exactly.
func TestStoredDistancesAreRedis(t *testing.T) {
	p := newPair(t, smallStore)
	for i := range 200 {
		long, lat := math.Mod(float64(i)*37.77, 360)-180, math.Mod(float64(i)*13.31, 170)-85
		p.compare(t, "GEOADD", byteArgs("GEOADD", "from", fmt.Sprint(long), fmt.Sprint(lat), fmt.Sprint(i)))
	}
	for _, line := range []string{
		"GEORADIUS from 2 48 3000 km STOREDIST to", "GEORADIUS from -120 -70 5000 mi STOREDIST to DESC COUNT 10", "GEORADIUSBYMEMBER from 17 9e6 m STOREDIST to",
		"GEOSEARCHSTORE to from FROMMEMBER 3 BYBOX 4000 9000 km STOREDIST", "GEOSEARCHSTORE to from FROMLONLAT 0 0 BYRADIUS 20000 km STOREDIST ASC COUNT 50",
		"GEOSEARCHSTORE from from FROMLONLAT 100 80 BYRADIUS 5000 km STOREDIST", "GEORADIUS none 0 0 1 km STOREDIST to",
	} {
		p.compare(t, line, byteArgs(strings.Fields(line)...))
		for _, key := range []string{"from", "to"} {
			ask := byteArgs("ZRANGE", key, "0", "-1", "WITHSCORES")
			want, got := strings.Fields(string(p.stock.run(ask))), strings.Fields(string(p.ours(t, ask)))
			require.Equal(t, len(want), len(got), line)
			for i := 2; i < len(want); i += 4 { // "$n", member, "$n", score
				require.Equal(t, want[i], got[i], line)
				a, err := strconv.ParseFloat(want[i+2], 64)
				require.NoError(t, err)
				b, err := strconv.ParseFloat(got[i+2], 64)
				require.NoError(t, err)
				require.InEpsilon(t, a+1, b+1, 1e-12, line)
			}
		}
	}
	raw := p.leader.stream(p.read)
	p.follower.receive(raw)
	require.Equal(t, p.leader.rows(t), p.follower.rows(t))
}
