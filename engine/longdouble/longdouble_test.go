package longdouble_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/longdouble"
)

// The texts in want are those of a Redis 7.0.15 on x86-64.
func TestSum(t *testing.T) {
	for _, tc := range []struct{ a, b, want string }{
		{"0", "0", "0"},
		{"-0", "-0", "0"},
		{"10.5", "0.1", "10.6"},
		{"3.0e3", "200", "3200"},
		{"0.1", "0.2", "0.3"},
		{"1", "1e-17", "1.00000000000000001"},
		{"1", "1e-18", "1"},
		{"0", "1e-18", "0"},
		{"0", "-1e-18", "0"},
		{"0", "5e-18", "0"}, // the nearest value lies just below
		{"0", "5.0000001e-18", "0.00000000000000001"},
		{"9223372036854775807", "1", "9223372036854775808"},
		{"18446744073709551615", "1", "18446744073709551616"},
		{"18446744073709551616", "1", "18446744073709551616"}, // half a unit, to even
		{"0x10", "0x.8p1", "17"},
		{"0X1P-3", ".5", "0.625"},
		{"5.", "+5", "10"},
		{"1e20", "-1e20", "0"},
		{"3.6e-4951", "1", "1"},
	} {
		a, ok := longdouble.Parse([]byte(tc.a))
		require.True(t, ok, tc.a)
		b, ok := longdouble.Parse([]byte(tc.b))
		require.True(t, ok, tc.b)
		sum, ok := longdouble.Add(a, b)
		require.True(t, ok, tc)
		require.Equal(t, tc.want, string(longdouble.Append(nil, sum)), tc)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", " 1", "1 ", "1\x00", "x", "nan", "-nan", "nan(1)", "in", "infin", "infinityx", "+-1", "--1",
		".", "-.", "e5", "1e", "1e+", "1e5.0", "1.2.3", "0x", "0x.", "0xp1", "0x1p", "0x1p+", "0x1g", "1p5", "0b1", "1_0",
		"1e4933", "-1e4933", "1e99999999999999999999", "0x1p16384", "0x1.ffffffffffffffffp16383", // too large
		"1e-4952", "1e-99999999999999999999", "0x1p-16446", "-0x1p-16446", // rounded to zero
		strings.Repeat("0", longdouble.MaxText),
	} {
		_, ok := longdouble.Parse([]byte(text))
		require.False(t, ok, "%q", text)
	}
}

// Values at the edges of the range, and at the edges of rounding.
func TestParseRounds(t *testing.T) {
	for _, tc := range []struct{ text, want string }{ // want in %p form, exact
		{"0x1.fffffffffffffffep16383", "0x.ffffffffffffffffp+16384"},
		{"0x1.fffffffffffffffe8p0", "0x.ffffffffffffffffp+1"},  // below half
		{"0x1.ffffffffffffffffp0", "0x.8p+2"},                  // half, to even
		{"0x1.fffffffffffffffcffp0", "0x.fffffffffffffffep+1"}, // just below half
		{"0x1p-16445", "0x.8p-16444"},                          // the smallest
		{"0x1.00001p-16446", "0x.8p-16444"},                    // above half of it
		{"0x1.8p-16445", "0x.8p-16443"},                        // one and a half of it, to even
		{"0x2.8p-16445", "0x.8p-16443"},                        // two and a half
		{"0x2.80000000000000000001p-16445", "0x.cp-16443"},     // would be two if it were rounded to 64 bits before
		{"3.6451995318824746025e-4951", "0x.8p-16444"},         // decimal, just at the smallest
		{"1.82259976594123730127e-4951", "0x.8p-16444"},        // just above half
		{"inf", "+Inf"},
		{"-INFINITY", "-Inf"},
		{"-0e9999999999", "-0"},
		{"0x0p9999999999", "0"},
		{"0." + strings.Repeat("0", 5000) + "1e5001", "0x.8p+1"},
		{"1" + strings.Repeat("0", 5000) + "e-5000", "0x.8p+1"},
	} {
		value, ok := longdouble.Parse([]byte(tc.text))
		require.True(t, ok, tc.text)
		require.Equal(t, tc.want, value.Text('p', 0), tc.text)
	}
}

func TestAddRefusesWhatIsNotFinite(t *testing.T) {
	parse := func(text string) *big.Float {
		value, ok := longdouble.Parse([]byte(text))
		require.True(t, ok, text)
		return value
	}
	largest := parse("0x1.fffffffffffffffep16383")
	for _, pair := range [][2]*big.Float{
		{parse("inf"), parse("1")},
		{parse("1"), parse("-inf")},
		{parse("inf"), parse("-inf")},
		{largest, largest},
		{largest, parse("0x1p16319")}, // half a unit of the last place
	} {
		_, ok := longdouble.Add(pair[0], pair[1])
		require.False(t, ok, "%v", pair)
	}
	_, ok := longdouble.Add(largest, parse("0x1p16318"))
	require.True(t, ok)
}

// What Append writes, Parse reads, and adding zero to it changes nothing any more.
func TestTextIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,40}(\.[0-9]{0,40})?(e-?[0-9]{1,3})?`).Draw(t, "text")
		value, ok := longdouble.Parse([]byte(text))
		if !ok {
			return
		}
		once := longdouble.Append(nil, value)
		again, ok := longdouble.Parse(once)
		require.True(t, ok, "%s", once)
		require.Equal(t, string(once), string(longdouble.Append(nil, again)))
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1", "-1.5e3", "0x1.8p-3", "inf", "1e4932", "3.6e-4951", ".", "0x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, ok := longdouble.Parse(text)
		if !ok || value.IsInf() {
			return
		}
		require.LessOrEqual(t, value.MinPrec(), uint(64))
		out := longdouble.Append(nil, value)
		_, ok = longdouble.Parse(out)
		require.True(t, ok, "%s", out)
	})
}
