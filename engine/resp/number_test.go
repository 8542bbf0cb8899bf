package resp_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

func TestParseInt(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "10": 10, "1234567890123456789": 1234567890123456789,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		got, ok := resp.ParseInt([]byte(s))
		require.True(t, ok, s)
		require.Equal(t, want, got)
	}
	for _, s := range []string{
		"", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1\x00", "0x1", "1.0", "9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "99999999999999999999", "00", "a", "1a", "--1",
	} {
		_, ok := resp.ParseInt([]byte(s))
		require.False(t, ok, "%q", s)
	}
}

func FuzzParseInt(f *testing.F) {
	f.Add("-9223372036854775808")
	f.Add("012")
	f.Fuzz(func(t *testing.T, s string) {
		want, wantOK := strictInt(s)
		got, ok := resp.ParseInt([]byte(s))
		require.Equal(t, wantOK, ok)
		if ok {
			require.Equal(t, want, got)
		}
	})
}

// floats are texts on which parsers of numbers differ.
func floats() []string {
	texts := []string{
		"0", "-0", "+0", "1", "+1", "-1", "1.", ".5", "-.5", ".", "-", "+", "", "e", "1e", "1e+", "1e5", "1E5", "1e+5", "1e-5", "1e5.", "1.5e3", ".e1", "0e0", "0e99999",
		"1e308", "1e309", "-1e309", "1e-320", "4e-324", "2e-324", "1e-400", "0.0e-400", "1e99999999999999999999", "1e-99999999999999999999",
		"inf", "INF", "+inf", "-inf", "infinity", "-Infinity", "infi", "infinit", "infinityx", "inf ", "nan", "NaN", "-nan", "nan(1)", "nan()",
		" 1", "1 ", "\t1", "\n1", "1\n", "\v1", "1\x00", "\x001", "1\x002", "1_000", "0x_1", "0x1", "0X1F", "0x1.8", "0x.8", "0x1p3", "0x1P-3", "0x1p", "0x1p+", "0x", "0xg",
		"0x1p1024", "0x1p-1074", "0x1p-1075", "0x1p-1076", "-0x1p2", "0x1.fffffffffffffffff", "0b1", "0o7", "00012", "1,5", "1f", "1d", "0x1p3.", "1.2.3", "--1", "+-1", "1e1e1",
		"0." + strings.Repeat("0", 400) + "1", strings.Repeat("1", 400), strings.Repeat("0", 500) + "1", "9007199254740993", "0.1", "3.14159265358979323846",
		"179769313486231580793728971405301", "2.4703282292062327208e-324", "2.4703282292062328e-324", "１", "1é",
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		n := 1 + r.IntN(6)
		var b strings.Builder
		for range n {
			b.WriteByte("0123456789..eExXpP+-aAfF_ "[r.IntN(26)])
		}
		texts = append(texts, b.String(), strconv.FormatFloat(math.Float64frombits(r.Uint64()), 'g', r.IntN(20)+1, 64))
	}
	return texts
}

// TestParseFloatIsRedis gives the texts to ZADD, which reads a double as all of
// Redis does.
func TestParseFloatIsRedis(t *testing.T) {
	c := oracle.Start(t, "--zset-max-listpack-entries", "0").Dial(t) // a listpack loses the sign of zero
	for _, text := range floats() {
		added := c.Do("ZADD", "z", text, "m")
		f, ok := resp.ParseFloat([]byte(text))
		require.Equal(t, added.Kind == ':', ok, "%q: %s", text, added.Str)
		if !ok {
			require.Equal(t, "ERR value is not a valid float", string(added.Str))
			continue
		}
		score := c.Do("ZSCORE", "z", "m")
		require.Equal(t, string(score.Str), string(resp.AppendDouble(nil, f)), "%q", text)
		c.Do("DEL", "z")
	}
}

func FuzzParseFloat(f *testing.F) {
	for _, s := range floats()[:100] {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := resp.ParseFloat([]byte(s))
		if !ok {
			return
		}
		require.False(t, math.IsNaN(v))
		again, ok := resp.ParseFloat(resp.AppendDouble(nil, v))
		require.True(t, ok)
		require.Equal(t, math.Float64bits(v), math.Float64bits(again), "17 digits are enough")
	})
}
