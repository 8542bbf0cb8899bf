package engine

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Few keys and databases, so that commands meet.
var (
	someKeys = rapid.SampledFrom([]string{"a", "b", "c", "d", "{a}x", ""})
	someDBs  = rapid.SampledFrom([]string{"0", "1", "2"})
	// Times are far from now, on either side, so that they mean the same to both servers whenever they look.
	somePastMs   = rapid.SampledFrom([]string{"1", "999", "1000", "1500000000000"})
	someFutureMs = rapid.SampledFrom([]string{"4102444800000", "4102444800001", "4202444800499", "9223372036854775807"})
	somePastS    = rapid.SampledFrom([]string{"1", "1500000000"})
	someFutureS  = rapid.SampledFrom([]string{"4102444800", "4102444801", "9223372036854775"})
	someJunk     = rapid.SampledFrom([]string{"0", "-1", "x", "", "9223372036854775808", "-9223372036854775808", "1.5"})
	someNumbers  = rapid.OneOf(
		rapid.SampledFrom([]string{"0", "1", "-1", "7", "-100", "9223372036854775807", "-9223372036854775808", "9223372036854775806"}),
		rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
	)
	someFloats = rapid.OneOf(
		rapid.SampledFrom([]string{"0.1", "-2.5", "1e3", "3.0e2", "0x1.8p1", "inf", "nan", "1e4932", "-0", ".5", "1e-17", "123456789.123456789"}),
		rapid.Map(rapid.Float64(), func(f float64) string { return fmt.Sprint(f) }),
		someNumbers,
	)
	someValues = rapid.OneOf(
		someNumbers, someFloats,
		rapid.StringMatching(`[ab]{0,12}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
	)
	someOffsets = rapid.SampledFrom([]string{"0", "1", "2", "5", "20", "-1", "-2", "-20", "x", "9223372036854775807", "-9223372036854775808"})
)

// drawLine draws a command: words in upper case stand for themselves, the others name what is drawn.
func drawLine(t *rapid.T, pattern string) []string {
	words := strings.Fields(pattern)
	for i, word := range words {
		switch word {
		case "key":
			words[i] = someKeys.Draw(t, word)
		case "db":
			words[i] = someDBs.Draw(t, word)
		case "value":
			words[i] = someValues.Draw(t, word)
		case "number":
			words[i] = someNumbers.Draw(t, word)
		case "float":
			words[i] = someFloats.Draw(t, word)
		case "offset":
			words[i] = someOffsets.Draw(t, word)
		case "ms":
			words[i] = rapid.OneOf(someFutureMs, someFutureMs, somePastMs, someJunk).Draw(t, word)
		case "s":
			words[i] = rapid.OneOf(someFutureS, someFutureS, somePastS, someJunk).Draw(t, word)
		case "cond":
			words[i] = rapid.SampledFrom([]string{"NX", "XX", "GT", "LT"}).Draw(t, word)
		case "setopt":
			words[i] = rapid.SampledFrom([]string{"NX", "XX", "GET", "get", "KEEPTTL"}).Draw(t, word)
		case "elem":
			words[i] = someElements.Draw(t, word)
		case "word": // without a zero byte, where Redis' comparison by locale stops
			words[i] = strings.ReplaceAll(someElements.Draw(t, word), "\x00", "0")
		case "score":
			words[i] = someScores.Draw(t, word)
		case "weight": // a score, without the -0 that only a skiplist keeps: SORT makes one of a listpack in Redis, and tells nobody
			words[i] = strings.Replace(someScores.Draw(t, word), "-0", "0", 1)
		case "long":
			words[i] = rapid.SampledFrom([]string{"0", "13.361389", "15.087269", "-180", "180", "179.99", "-179.5", "-122.4194", "181", "x", "2.35", "100.123456789"}).Draw(t, word)
		case "lat":
			words[i] = rapid.SampledFrom([]string{"0", "38.115556", "37.502669", "85.05112878", "-85.05112878", "84.9", "-70", "67", "-33.9", "86", "x", "48.85"}).Draw(t, word)
		case "radius":
			words[i] = rapid.SampledFrom([]string{"0", "1", "100", "200", "1000", "5000", "20000", "1e5", "1e7", "-1", "x", "166.2742"}).Draw(t, word)
		case "unit":
			words[i] = rapid.SampledFrom([]string{"m", "km", "KM", "ft", "mi", "parsec"}).Draw(t, word)
		case "geoopt":
			words[i] = rapid.SampledFrom([]string{"WITHDIST", "WITHCOORD", "WITHHASH", "ASC", "DESC", "ANY", "withdist"}).Draw(t, word)
		case "bound":
			words[i] = rapid.SampledFrom([]string{"", "", "("}).Draw(t, "exclusive") + someScores.Draw(t, word)
		case "lex":
			words[i] = someLexBounds.Draw(t, word)
		case "index":
			words[i] = someIndexes.Draw(t, word)
		case "bit":
			words[i] = rapid.SampledFrom([]string{"0", "1", "0", "1", "2", "x"}).Draw(t, word)
		case "field":
			words[i] = rapid.SampledFrom([]string{"u1", "u8", "i8", "u5", "i5", "u63", "i64", "i63", "u16", "i1", "u64", "i65", "i0", "x8"}).Draw(t, word)
		case "place":
			words[i] = rapid.SampledFrom([]string{"0", "1", "7", "8", "13", "#0", "#1", "#3", "100", "-1", "#-1", "x", "4294967296"}).Draw(t, word)
		case "bitunit":
			words[i] = rapid.SampledFrom([]string{"BIT", "BYTE", "bit", "X"}).Draw(t, word)
		case "policy":
			words[i] = rapid.SampledFrom([]string{"WRAP", "SAT", "X"}).Draw(t, word)
		case "id":
			words[i] = rapid.SampledFrom([]string{
				"1-0", "1-1", "2-0", "5", "5-1", "7-*", "9-3", "12-0", "20", "20-*", "0-0", "0-1", "0-*", "x", "-", "+", "(5", "(5-1", "1-", "-1",
				"18446744073709551615-18446744073709551615", "18446744073709551615-*", "5-1-1",
			}).Draw(t, word)
		case "group":
			words[i] = rapid.SampledFrom([]string{"g", "g", "h", ""}).Draw(t, word)
		case "consumer":
			words[i] = rapid.SampledFrom([]string{"x", "y", "zz"}).Draw(t, word)
		case "newid":
			words[i] = fmt.Sprintf("%d-%d", rapid.IntRange(1, 60).Draw(t, "ms"), rapid.IntRange(0, 3).Draw(t, "seq"))
		case "side":
			words[i] = rapid.SampledFrom([]string{"LEFT", "RIGHT"}).Draw(t, word)
		case "aggregate":
			words[i] = rapid.SampledFrom([]string{"SUM", "MIN", "MAX"}).Draw(t, word)
		case "zaddopt":
			words[i] = rapid.SampledFrom([]string{"NX", "XX", "GT", "LT", "CH", "ch", "INCR"}).Draw(t, word)
		default:
			if rapid.IntRange(0, 9).Draw(t, "case") == 0 {
				words[i] = strings.ToLower(word)
			}
		}
	}
	return words
}

// programLines are what programs are made of; a line stands here more than once to be drawn more often.
var programLines = []string{
	"GET key", // the simplest: what shrinking turns the others into
	"SELECT db", "SELECT db",
	"SET key value", "SET key value", "SET key value setopt", "SET key value setopt setopt", "SET key value PXAT ms",
	"SET key value EXAT s", "SET key value setopt PXAT ms", "SET key value PXAT ms setopt setopt", "SET key value EX 100000",
	"SET key number", "SETNX key value", "SETEX key 100000 value", "PSETEX key 100000000 value",
	"GET key", "GETSET key value", "GETDEL key", "GETEX key", "GETEX key PERSIST", "GETEX key PXAT ms", "GETEX key EXAT s",
	"MGET key key key", "MSET key value key value", "MSET key value key value key value", "MSETNX key value", "MSETNX key value key value",
	"APPEND key value", "APPEND key value", "STRLEN key", "SETRANGE key offset value", "SETRANGE key offset value",
	"GETRANGE key offset offset", "GETRANGE key offset offset", "SUBSTR key offset offset",
	"INCR key", "DECR key", "INCRBY key number", "DECRBY key number", "INCRBYFLOAT key float", "INCRBYFLOAT key float",
	"LCS key key", "LCS key key LEN", "LCS key key IDX", "LCS key key IDX WITHMATCHLEN MINMATCHLEN 2",
	"DEL key", "DEL key key key", "UNLINK key key", "EXISTS key", "EXISTS key key key", "TOUCH key key", "TYPE key",
	"RENAME key key", "RENAME key key", "RENAMENX key key", "COPY key key", "COPY key key REPLACE", "COPY key key DB db",
	"COPY key key REPLACE DB db", "MOVE key db", "MOVE key db",
	"KEYS *", "KEYS value", "KEYS [ab]", "SCAN 0 COUNT 1000", "SCAN 0 MATCH ?", "RANDOMKEY",
	"EXPIREAT key s", "PEXPIREAT key ms", "EXPIREAT key s cond", "PEXPIREAT key ms cond", "PEXPIREAT key ms cond cond",
	"EXPIRE key -1", "PEXPIRE key 0 cond", "EXPIRE key 100000",
	"TTL key", "PTTL key", "EXPIRETIME key", "PEXPIRETIME key", "PERSIST key",
	"FLUSHDB", "FLUSHALL", "SWAPDB db db",
}

// TestRandomProgramsAsRedis runs random programs on both sides: same replies, same streams, same data at the end, and the same rows
// on a follower that has seen nothing but the stream.
func TestRandomProgramsAsRedis(t *testing.T) {
	p := newPair(t)
	rapid.Check(t, func(t *rapid.T) {
		p.reset(t, rapid.IntRange(2, 3).Draw(t, "protocol"))
		var program strings.Builder
		for range rapid.IntRange(30, 90).Draw(t, "length") {
			words := drawLine(t, programLines[drawEvenly(t, len(programLines))])
			line := fmt.Sprintf("%q", words)
			fmt.Fprintln(&program, line)
			p.compare(t, line, byteArgs(words...))
		}
		p.compareStreams(t, program.String())
		p.compareKeyspaces(t, program.String())
		p.compareData(t, program.String())
	})
	p.compareAfterRestart(t)
}

// drawEvenly draws a number below n with even chances; rapid's own numbers lean towards the small ones. It shrinks towards 0.
func drawEvenly(t *rapid.T, n int) (index int) {
	for range bits.Len(uint(n)) + 3 {
		index <<= 1
		if rapid.Bool().Draw(t, "bit") {
			index++
		}
	}
	return index % n
}

func byteArgs(words ...string) [][]byte {
	args := make([][]byte, len(words))
	for i, word := range words {
		args[i] = []byte(word)
	}
	return args
}

// compareData requires that both sides hold the same keys, values and times, down to DEBUG DIGEST.
func (p *pair) compareData(t testCase, program string) {
	t.Helper()
	for _, db := range []string{"0", "1", "2"} {
		p.compare(t, program, byteArgs("SELECT", db))
		for _, key := range []string{"a", "b", "c", "d", "{a}x", ""} {
			p.compare(t, program, byteArgs("SETRANGE", key, "0", "")) // changes nothing, but removes a key whose time is up
			p.compare(t, program, byteArgs("GET", key))
			p.compare(t, program, byteArgs("PEXPIRETIME", key))
		}
		p.compare(t, program, byteArgs("DBSIZE"))
	}
	want := p.stock.run(byteArgs("DEBUG", "DIGEST"))
	require.Equal(t, string(want), "+"+p.leader.digest()+"\r\n", "DEBUG DIGEST after\n%s", program)
}

// compareAfterRestart requires that the log, replayed from the beginning over whatever the store has flushed, gives the same rows.
func (p *pair) compareAfterRestart(t *testing.T) {
	t.Helper()
	want := p.leader.rows(t)
	p.leader.close()
	require.NoError(t, p.leader.open())
	require.Equal(t, want, p.leader.rows(t))
	p.leader.client = Session{}
	p.leader.lead()
}

// TestIncrByFloatAsRedis compares sums and their texts over the whole range of long doubles.
func TestIncrByFloatAsRedis(t *testing.T) {
	p := newPair(t)
	number := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return fmt.Sprint(rapid.Float64().Draw(t, "float"))
		case 1: // any 64-bit significand with any exponent
			return fmt.Sprintf("0x%xp%d", rapid.Uint64().Draw(t, "bits"), rapid.IntRange(-16600, 16400).Draw(t, "exponent"))
		case 2: // longer than a significand: rounding
			return fmt.Sprintf("0x%x.%xp%d", rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low"), rapid.IntRange(-70, 70).Draw(t, "exponent"))
		case 3:
			return rapid.StringMatching(`-?[0-9]{1,30}\.[0-9]{1,30}`).Draw(t, "decimal")
		case 4:
			return rapid.StringMatching(`[+-]?[0-9]{0,3}\.?[0-9]{0,25}(e[+-]?[0-9]{1,4})?`).Draw(t, "scientific")
		default: // halves of the last place that is printed
			return fmt.Sprintf("%d.%017d5", rapid.IntRange(-1000, 1000).Draw(t, "whole"), rapid.Int64Range(0, 1e17-1).Draw(t, "fraction"))
		}
	})
	p.reset(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			a, b := number.Draw(t, "a"), number.Draw(t, "b")
			p.compare(t, "SET", byteArgs("SET", "k", a))
			p.compare(t, fmt.Sprintf("INCRBYFLOAT %s + %s", a, b), byteArgs("INCRBYFLOAT", "k", b))
			p.compare(t, fmt.Sprintf("GET %s + %s", a, b), byteArgs("GET", "k"))
		}
	})
	p.compareStreams(t, "INCRBYFLOAT")
}

// TestLCSAsRedis compares longer strings than the random programs have.
func TestLCSAsRedis(t *testing.T) {
	p := newPair(t)
	p.reset(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[abc]{0,150}`)
		p.compare(t, "MSET", byteArgs("MSET", "a", text.Draw(t, "a"), "b", text.Draw(t, "b")))
		for _, options := range [][]string{nil, {"LEN"}, {"IDX"}, {"IDX", "WITHMATCHLEN"}, {"IDX", "MINMATCHLEN", "3"}} {
			words := append([]string{"LCS", "a", "b"}, options...)
			p.compare(t, fmt.Sprint(words), byteArgs(words...))
		}
	})
}

// TestLCSLimitAsRedis looks at both sides of the largest table that Redis fills.
func TestLCSLimitAsRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a table of 134 million cells")
	}
	p := newPair(t)
	p.reset(t, 2)
	long := int(math.Sqrt(maxStringBytes / 4)) // (long-1+1)^2 cells fit
	for _, size := range []int{long - 1, long} {
		p.compare(t, "SET a", byteArgs("SET", "a", strings.Repeat("a", size)))
		p.compare(t, "SET b", byteArgs("SET", "b", strings.Repeat("b", size)))
		p.compare(t, "LCS", byteArgs("LCS", "a", "b", "LEN"))
	}
}
