package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// largeSize is past every limit of the compact encodings, and past what is removed row by row.
const largeSize = 1500

// fillLarge makes a collection of each type with largeSize elements on both sides.
func (p *pair) fillLarge(t *testing.T) {
	t.Helper()
	for i := 0; i < largeSize; i += 50 {
		hash, list := []string{"HSET", "hash"}, []string{"RPUSH", "list"}
		set, ints, zset := []string{"SADD", "set"}, []string{"SADD", "ints"}, []string{"ZADD", "zset"}
		for j := i; j < i+50; j++ {
			hash = append(hash, fmt.Sprintf("field:%d", j), fmt.Sprint(j))
			list = append(list, fmt.Sprint(j))
			set = append(set, fmt.Sprintf("member:%d", j))
			ints = append(ints, fmt.Sprint(j*7))
			zset = append(zset, fmt.Sprint(j%500), fmt.Sprintf("member:%d", j))
		}
		for _, words := range [][]string{hash, list, set, ints, zset} {
			p.compare(t, strings.Join(words[:2], " "), byteArgs(words...))
		}
	}
}

// TestLargeCollectionsAsRedis takes collections past the compact encodings through their commands, in memory and in files.
func TestLargeCollectionsAsRedis(t *testing.T) {
	program := []string{
		"OBJECT ENCODING hash", "OBJECT ENCODING set", "OBJECT ENCODING ints", "OBJECT ENCODING zset", "OBJECT ENCODING list",
		"HLEN hash", "HGET hash field:700", "HMGET hash field:0 field:1499 field:1500", "HGETALL hash", "HKEYS hash", "HRANDFIELD hash 2000",
		"HINCRBY hash field:3 10", "HDEL hash field:9 field:10 field:1500", "HSTRLEN hash field:1000",
		"LINDEX list 700", "LINDEX list -700", "LRANGE list 690 710", "LRANGE list -20 -1", "LRANGE list 0 -1", "LPOS list 1234", "LSET list 1000 x",
		"LINSERT list BEFORE 300 a", "LINSERT list AFTER 1200 b", "LREM list 2 300", "LREM list -1 1200", "LTRIM list 10 -11", "LPOP list 100", "RPOP list 100",
		"LPOP list", "RPOP list", "LMOVE list other LEFT RIGHT", "LRANGE list 0 -1", "LMPOP 2 none list RIGHT COUNT 70", "LLEN list",
		"SCARD set", "SISMEMBER set member:77", "SMEMBERS set", "SREM set member:5 member:6", "SINTERSTORE both set set", "SCARD both", "SDIFF set both",
		"SUNIONSTORE all set ints", "SCARD all", "SINTERCARD 2 all ints LIMIT 100", "SMOVE set both member:100", "SRANDMEMBER set 3000",
		"ZCARD zset", "ZRANK zset member:499", "ZREVRANK zset member:499", "ZRANGE zset 700 710 WITHSCORES", "ZRANGE zset 1400 1410", "ZRANGE zset -5 -1",
		"ZREVRANGE zset 1300 1310", "ZRANGEBYSCORE zset (10 20 LIMIT 5 10", "ZCOUNT zset 100 (200", "ZREMRANGEBYSCORE zset 100 120",
		"ZREMRANGEBYRANK zset 0 20", "ZPOPMIN zset 30", "ZPOPMAX zset 30", "ZPOPMIN zset", "ZADD zset 0 first", "ZPOPMIN zset", "ZINCRBY zset 1000 member:300",
		"ZRANGESTORE part zset 100 1000", "ZCARD part", "ZUNIONSTORE sum 2 zset part WEIGHTS 2 3", "ZRANGE sum 0 -1 WITHSCORES", "ZDIFF 2 zset part",
		"ZINTER 2 zset part AGGREGATE MAX WITHSCORES", "ZMPOP 1 sum MAX COUNT 5", "ZSCORE zset member:200",
		"COPY hash hash2", "HLEN hash2", "RENAME hash2 hash3", "HGETALL hash3", "COPY list list2", "LRANGE list2 0 -1", "COPY zset z2", "ZRANGE z2 0 -1 WITHSCORES",
		"COPY set hash3 REPLACE", "SCARD hash3", "SET list2 x", "GET list2", "DEL hash hash3 zset", "HGETALL hash", "SPOP set 5000", "EXISTS set", "HSET hash a b", "HGETALL hash",
	}
	p := newPair(t, smallStore)
	for _, flushed := range []bool{false, true} {
		p.reset(t, 2)
		p.fillLarge(t)
		for i, line := range program {
			if flushed && i%10 == 0 {
				require.NoError(t, p.leader.e.Flush(context.Background()))
			}
			p.compare(t, line, parseLine(t, line))
		}
		p.compareStreams(t, "large collections")
		p.compareKeyspaces(t, "large collections")
		require.Equal(t, string(p.stock.run(byteArgs("DEBUG", "DIGEST"))), "+"+p.leader.digest()+"\r\n")
		require.Equal(t, p.leader.digest(), p.follower.digest())
	}
	p.compareAfterRestart(t)
}

// TestScanOfElementsIsWhole walks collections in portions: every element once, whatever the portions.
func TestScanOfElementsIsWhole(t *testing.T) {
	p := newPair(t, smallStore)
	p.reset(t, 2)
	p.fillLarge(t)
	n := p.leader
	for _, c := range []struct {
		command, key string
		replies      int
	}{{"HSCAN", "hash", 2}, {"SSCAN", "set", 1}, {"SSCAN", "ints", 1}, {"ZSCAN", "zset", 2}} {
		seen := map[string]int{}
		for cursor, calls := "0", 0; ; calls++ {
			require.Less(t, calls, largeSize)
			v := oracleValue(t, n.do(fmt.Sprintf("%s %s %s COUNT 37", c.command, c.key, cursor)))
			cursor = v[0].(string)
			for i, e := range v[1].([]any) {
				if i%c.replies == 0 {
					seen[e.(string)]++
				}
			}
			if cursor == "0" {
				break
			}
		}
		require.Len(t, seen, largeSize, c.key)
		for e, times := range seen {
			require.Equal(t, 1, times, e)
		}
	}
}

// oracleValue takes an array reply apart: strings and arrays of them.
func oracleValue(t *testing.T, raw string) []any {
	t.Helper()
	value, rest := parseAny(t, raw)
	require.Empty(t, rest)
	return value.([]any)
}

func parseAny(t *testing.T, raw string) (value any, rest string) {
	t.Helper()
	line, rest, ok := strings.Cut(raw, "\r\n")
	require.True(t, ok)
	n, _ := resp.ParseInt([]byte(line[1:]))
	switch line[0] {
	case '*':
		all := []any{}
		for range n {
			value, rest = parseAny(t, rest)
			all = append(all, value)
		}
		return all, rest
	case '$':
		if n < 0 {
			return nil, rest
		}
		return rest[:n], rest[n+2:]
	}
	return line[1:], rest
}

// TestGrowingHyperLogLogsAsRedis takes sketches from empty through sparse to dense: the same bytes and counts as Redis' on the way.
func TestGrowingHyperLogLogsAsRedis(t *testing.T) {
	p := newPair(t, smallStore)
	for i := 0; i < 6000; {
		step := min(1+i/20, 300)
		words := []string{"PFADD", fmt.Sprintf("h%d", i%3)}
		for range step {
			words = append(words, fmt.Sprintf("element:%d", i))
			i++
		}
		p.compare(t, words[0], byteArgs(words...))
		for _, line := range []string{"GET h0", "GET h1", "PFCOUNT h2", "PFCOUNT h0 h1 h2", "PFDEBUG ENCODING h0", "PFMERGE h3 h0 h1", "GET h3", "PFMERGE h4 h2", "GET h4"} {
			p.compare(t, line, byteArgs(strings.Fields(line)...))
		}
	}
	p.compareStreams(t, "PFADD ...")
	p.compareAfterRestart(t)
}
