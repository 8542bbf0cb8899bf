package config

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMemorySizes(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "512": 512, "7b": 7, "1k": 1000, "1kb": 1024, "1K": 1000, "1Kb": 1024, "2m": 2_000_000, "2mb": 2 << 20,
		"3g": 3_000_000_000, "3gb": 3 << 30, "3GB": 3 << 30, "18446744073709551615": math.MaxUint64,
		"99999999999999999999": math.MaxUint64, "18446744073709551615gb": math.MaxUint64,
	} {
		got, err := parseMemory(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "mb", "-1", "+1", "1.5mb", "1 mb", "1tb", "0x10", "1kbb", " 1"} {
		_, err := parseMemory(in)
		require.ErrorIs(t, err, errNotMemory, in)
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "15": 15 * time.Second, "90s": 90 * time.Second, "30m": 30 * time.Minute, "12h": 12 * time.Hour, "7d": 168 * time.Hour, "7D": 168 * time.Hour,
	} {
		got, err := parseDuration(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "d", "-1", "1w", "1.5h", "1h30m", "106752d", "99999999999999999999"} {
		_, err := parseDuration(in)
		require.ErrorIs(t, err, errNotDuration, in)
	}
}

func TestIntegersAreAsStrictAsRedis(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "7": 7, "-7": -7, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		got, err := parseInt(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "-", "-0", "08", "+5", " 5", "5 ", "1e3", "9223372036854775808", "zz"} {
		_, err := parseInt(in)
		require.ErrorIs(t, err, errNotInteger, in)
	}
}

// The expected forms were measured on redis-server 7.0.15; the oracle test repeats them where it is installed.
func TestNotifyClassesAreNormalised(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "A": "A", "KEA": "AKE", "Kg": "gK", "KEg$lshzxetdmn": "AKEm", "mnKx": "xnKm", "tdKE": "tdKE", "KK": "K",
	} {
		got, err := parseNotify(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	_, err := parseNotify("KZ")
	require.EqualError(t, err, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
}

func TestFormattedValuesParseBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64().Draw(t, "size") >> rapid.IntRange(0, 63).Draw(t, "shift")
		got, err := parseMemory(formatMemory(size))
		require.NoError(t, err)
		require.Equal(t, size, got)

		period := time.Duration(rapid.Int64Range(0, int64(math.MaxInt64/time.Second)).Draw(t, "seconds")) * time.Second
		back, err := parseDuration(formatDuration(period))
		require.NoError(t, err)
		require.Equal(t, period, back)
	})
}
