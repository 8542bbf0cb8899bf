package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Texts of Redis 7.0.15 for values that do not parse; clients and tests of other software match on them.
var (
	errNotInteger  = errors.New("argument couldn't be parsed into an integer")
	errNotMemory   = errors.New("argument must be a memory value")
	errNotPercent  = errors.New("argument must be a memory or percent value")
	errNotBool     = errors.New("argument must be 'yes' or 'no'")
	errNotOctal    = errors.New("argument couldn't be parsed as an octal number")
	errArgCount    = errors.New("wrong number of arguments")
	errNotDuration = errors.New("argument must be a number of seconds or a duration such as 90s, 30m, 12h or 7d")
)

// parseInt accepts what Redis' string2ll does: an optional minus sign and digits without leading zeros, nothing else.
func parseInt(s string) (int64, error) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || (len(digits) > 1 && digits[0] == '0') || s == "-0" {
		return 0, errNotInteger
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, errNotInteger
	}
	return n, nil
}

// memoryUnits are Redis' units: without the b powers of 1000, with it powers of 1024.
var memoryUnits = map[string]uint64{
	"": 1, "b": 1,
	"k": 1000, "kb": 1 << 10,
	"m": 1000 * 1000, "mb": 1 << 20,
	"g": 1000 * 1000 * 1000, "gb": 1 << 30,
}

// parseMemory reads a size such as 512, 64mb or 1G. Too large a number saturates at the largest uint64, as in Redis.
func parseMemory(s string) (uint64, error) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	unit, ok := memoryUnits[strings.ToLower(s[i:])]
	if i == 0 || !ok {
		return 0, errNotMemory
	}
	n, err := strconv.ParseUint(s[:i], 10, 64)
	if err != nil || n > math.MaxUint64/unit {
		return math.MaxUint64, nil
	}
	return n * unit, nil
}

// formatMemory writes a size for CONFIG REWRITE: in the largest unit that divides it.
func formatMemory(n uint64) string {
	for _, u := range []string{"gb", "mb", "kb"} {
		if unit := memoryUnits[u]; n >= unit && n%unit == 0 {
			return strconv.FormatUint(n/unit, 10) + u
		}
	}
	return strconv.FormatUint(n, 10)
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	}
	return false, errNotBool
}

func formatBool(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func parseOctal(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 8, 31)
	if err != nil {
		return 0, errNotOctal
	}
	return int64(n), nil
}

// durationUnits are the suffixes of replogd's own directives; a bare number is seconds, as everywhere in redis.conf.
var durationUnits = map[string]time.Duration{
	"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

func parseDuration(s string) (time.Duration, error) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	unit, ok := durationUnits[strings.ToLower(s[i:])]
	if i == 0 || !ok {
		return 0, errNotDuration
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if err != nil || n > int64(math.MaxInt64/unit) {
		return 0, errNotDuration
	}
	return time.Duration(n) * unit, nil
}

// formatDuration uses the largest unit that divides d, so that 7d stays 7d.
func formatDuration(d time.Duration) string {
	for _, u := range []string{"d", "h", "m"} {
		if unit := durationUnits[u]; d >= unit && d%unit == 0 {
			return strconv.FormatInt(int64(d/unit), 10) + u
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// checkRange words the error as Redis does.
func checkRange(n, lo, hi int64) error {
	if n < lo || n > hi {
		return fmt.Errorf("argument must be between %d and %d inclusive", lo, hi)
	}
	return nil
}

// The letters of notify-keyspace-events in the order in which CONFIG GET shows them. A stands for notifyClasses;
// notifyNew is outside A and, as in Redis 7.0.15, not shown beside it.
const (
	notifyClasses = "g$lshzxetd"
	notifyNew     = "n"
	notifyTargets = "KEm"
)

// parseNotify normalises notify-keyspace-events as Redis does: A when all its classes are there, each letter once.
func parseNotify(s string) (string, error) {
	for _, r := range s {
		if r != 'A' && !strings.ContainsRune(notifyClasses+notifyNew+notifyTargets, r) {
			return "", errors.New("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.") //nolint:staticcheck // Redis' text
		}
	}
	classes := keepLetters(s, notifyClasses)
	if strings.ContainsRune(s, 'A') || classes == notifyClasses {
		classes = "A"
	} else {
		classes += keepLetters(s, notifyNew)
	}
	return classes + keepLetters(s, notifyTargets), nil
}

// keepLetters returns the letters of order that occur in s, in the order of order.
func keepLetters(s, order string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(s, r) {
			return r
		}
		return -1
	}, order)
}
