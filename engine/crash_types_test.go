package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/wal"
	"replogd/wal/crashfs"
)

// crashLines are commands of each type for the crash tests; %k is a key, %e an element, %n a number, %v a bulky value.
var crashLines = map[string][]string{
	"hash":        {"HSET %k %e %v", "HSET %k %e %v %e %v", "HDEL %k %e", "HINCRBY %k n%e %n", "DEL %k", "RENAME %k %k", "COPY %k %k REPLACE"},
	"hyperloglog": {"PFADD %k %e %e", "PFADD %k %v", "PFCOUNT %k", "PFMERGE %k %k", "PFDEBUG TODENSE %k", "DEL %k"},
	"list":        {"LPUSH %k %v", "RPUSH %k %v %v", "LPOP %k", "RPOP %k 2", "LINSERT %k BEFORE %e %e", "LPUSH %k %e", "LREM %k 0 %e", "LTRIM %k 0 50", "LMOVE %k %k LEFT RIGHT", "DEL %k"},
	"set":         {"SADD %k %e %e %e", "SADD %k %v", "SREM %k %e", "SPOP %k", "SPOP %k 3", "SMOVE %k %k %e", "SUNIONSTORE %k %k %k", "DEL %k"},
	"stream groups": {
		"XADD %k * f %v", "XADD %k MAXLEN 30 * f %e", "XGROUP CREATE %k g 0 MKSTREAM", "XREADGROUP GROUP g c%n COUNT 3 STREAMS %k >", "XREADGROUP GROUP g d COUNT 5 STREAMS %k >",
		"XAUTOCLAIM %k g e 0 0 COUNT 4", "XREADGROUP GROUP g d NOACK STREAMS %k >", "XGROUP DELCONSUMER %k g c%n", "XGROUP DESTROY %k g", "DEL %k", "COPY %k %k REPLACE",
	},
	"stream": {"XADD %k * f %v", "XADD %k * f %v", "XADD %k MAXLEN 20 * f %e", "XTRIM %k MAXLEN 30", "XADD %k MAXLEN ~ 50 * f %v", "DEL %k", "COPY %k %k REPLACE"},
	"zset":   {"ZADD %k %n %e %n %e", "ZADD %k %n %v", "ZREM %k %e", "ZPOPMIN %k", "ZPOPMAX %k 2", "ZINCRBY %k %n %e", "ZUNIONSTORE %k 2 %k %k", "ZREMRANGEBYRANK %k 20 -1", "DEL %k"},
}

// crashLine fills a pattern in.
func crashLine(rng *rand.Rand, pattern string) string {
	var line []byte
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			line = append(line, pattern[i])
			continue
		}
		i++
		switch pattern[i] {
		case 'k':
			line = fmt.Appendf(line, "k%d", rng.IntN(6))
		case 'e':
			line = fmt.Appendf(line, "e%d", rng.IntN(200))
		case 'n':
			line = fmt.Appendf(line, "%d", rng.IntN(100))
		case 'v':
			line = fmt.Appendf(line, "%s%d", bulk(50+rng.IntN(200)), rng.IntN(1000))
		}
	}
	return string(line)
}

// After a power cut at any moment the collections are those that the rest of the log makes on a node that never crashed, row by row:
// elements, counts and encodings.
func TestPowerCutKeepsCollectionsWhole(t *testing.T) {
	for kind, lines := range crashLines {
		for seed := range uint64(6) {
			policy := []wal.SyncPolicy{wal.SyncAlways, wal.SyncEverySecond, wal.SyncNo}[seed%3]
			t.Run(fmt.Sprintf("%s/seed=%d", kind, seed), func(t *testing.T) { cutCollections(t, lines, seed, policy) })
		}
	}
}

func cutCollections(t *testing.T, lines []string, seed uint64, policy wal.SyncPolicy) {
	rng := rand.New(rand.NewPCG(seed, 7))
	fs := crashfs.New()
	n := openNode(t, fs, t.TempDir()+"/meta.db", policy, smallStore).lead()
	defer n.close()
	acked := uint64(0)
	for i := range 800 + rng.IntN(800) {
		n.exec(&n.client, crashLine(rng, lines[rng.IntN(len(lines))]))
		if i%40 == 0 {
			require.NoError(t, n.b.WaitSafe(context.Background(), n.client.Need))
			acked = n.client.Need
		}
		if i%300 == 299 && seed%2 == 0 {
			require.NoError(t, n.e.reclaimSome(n.e.ds.Load()))
		}
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[rng.IntN(3)], RNG: rand.New(rand.NewPCG(seed, 8))})
	after := openNode(t, clone, copyMeta(t, n.meta), policy, smallStore).lead()
	defer after.close()
	end := after.b.End()
	if policy == wal.SyncAlways {
		require.GreaterOrEqual(t, end, acked, "an acknowledged write is gone")
	}
	whole := newNode(t).follow()
	defer whole.close()
	if end > 0 {
		whole.receive(n.stream(0)[:end])
	}
	require.Equal(t, whole.rows(t), after.rows(t))
	require.Equal(t, whole.digest(), after.digest())
	for range 200 { // it goes on as if nothing had happened
		after.exec(&after.client, crashLine(rng, lines[rng.IntN(len(lines))]))
	}
	whole.receive(after.stream(end))
	require.Equal(t, whole.rows(t), after.rows(t))
}
