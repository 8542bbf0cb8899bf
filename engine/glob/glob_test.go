package glob_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/glob"
	"replogd/engine/resp/oracle"
)

// reference is the plain recursive definition of a match, slow on purpose.
func reference(p, s []byte, nocase bool) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	if p[0] == '*' {
		for i := range len(s) + 1 {
			if reference(p[1:], s[i:], nocase) {
				return true
			}
		}
		return false
	}
	if len(s) == 0 {
		return false
	}
	for width := 1; width <= len(p); width++ {
		if set, ok := element(p[:width], width == len(p), nocase); ok {
			return set[s[0]] && reference(p[width:], s[1:], nocase)
		}
	}
	return false
}

// element returns the bytes that one element of a pattern stands for; ok is false
// if p is not exactly one.
func element(p []byte, last, nocase bool) (set [256]bool, ok bool) {
	add := func(c byte) {
		set[c] = true
		if letter := c | 0x20; nocase && letter >= 'a' && letter <= 'z' {
			set[letter], set[letter&^0x20] = true, true
		}
	}
	switch {
	case p[0] == '?' && len(p) == 1:
		for c := range set {
			set[c] = true
		}
		return set, true
	case p[0] == '\\' && (len(p) == 2 || len(p) == 1 && last):
		add(p[len(p)-1])
		return set, true
	case p[0] != '[' && p[0] != '\\' && p[0] != '?':
		add(p[0])
		return set, len(p) == 1
	case p[0] != '[':
		return set, false
	}
	body := p[1:]
	not := len(body) > 0 && body[0] == '^'
	if not {
		body = body[1:]
	}
	closed := false
	for len(body) > 0 {
		switch {
		// The end of p is the end of the pattern only for the last element.
		case len(body) >= 2 && body[0] == '\\':
			set[body[1]] = true
			body = body[2:]
		case body[0] == ']':
			closed = true
			if len(body) > 1 {
				return set, false
			}
			body = nil
		case len(body) >= 3 && body[1] == '-':
			addRange(&set, int(int8(body[0])), int(int8(body[2])), nocase)
			body = body[3:]
		default:
			add(body[0])
			body = body[1:]
		}
	}
	if not {
		for c := range set {
			set[c] = !set[c]
		}
	}
	return set, closed || last
}

func addRange(set *[256]bool, from, to int, nocase bool) {
	low := func(c int) int {
		if nocase && c >= 'A' && c <= 'Z' {
			return c + 32
		}
		return c
	}
	from, to = min(from, to), max(from, to)
	for c := -128; c < 128; c++ {
		if low(c) >= low(from) && low(c) <= low(to) {
			set[byte(int8(c))] = true
		}
	}
}

func match(p, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(p) == 0
	}
	return reference(p, s, nocase)
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, s   string
		want, nocase bool
	}{
		{"", "", true, false},
		{"*", "", false, false},
		{"", "a", false, false},
		{"*", "a", true, false},
		{"h?llo", "hello", true, false},
		{"h[ae]llo", "hallo", true, false},
		{"h[^e]llo", "hello", false, false},
		{"h[a-b]llo", "hbllo", true, false},
		{"h[b-a]llo", "hbllo", true, false},
		{"a*b*c", "aXbYbZc", true, false},
		{"a*b*c", "aXbYbZ", false, false},
		{"*a", "aaab", false, false},
		{"*ab", "aaab", true, false},
		{"a\\*b", "a*b", true, false},
		{"a\\*b", "axb", false, false},
		{"a\\", "a\\", true, false},
		{"HeLLo", "hEllO", true, true},
		{"HeLLo", "hEllO", false, false},
		{"[A-C]", "b", true, true},
		{"[\\A]", "a", false, true},
		{"[a", "a", true, false},
		{"[^", "a", true, false},
		{"[", "a", false, false},
		{"[]", "a", false, false},
		{"[]a]", "]a]", false, false},
		{"[\x01-\xff]", "a", false, false},
		{"[\x01-\xff]", "\x00", true, false},
	} {
		require.Equal(t, tc.want, glob.Match([]byte(tc.pattern), []byte(tc.s), tc.nocase), "%q %q", tc.pattern, tc.s)
	}
}

// letters is an alphabet in which patterns often match.
var letters = rapid.SampledFrom([]byte("aaabbcABC*?[]^-\\\x00\x7f\x80\xff"))

func TestMatchIsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(letters, 0, 12).Draw(t, "pattern")
		s := rapid.SliceOfN(letters, 0, 10).Draw(t, "s")
		nocase := rapid.Bool().Draw(t, "nocase")
		require.Equal(t, match(p, s, nocase), glob.Match(p, s, nocase))
	})
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("a*[^b-d]\\*?"), []byte("axxz*y"), false)
	f.Add([]byte("[A-\xff"), []byte("b"), true)
	f.Fuzz(func(t *testing.T, p, s []byte, nocase bool) {
		if len(p) > 24 || len(s) > 16 || bytes.Count(p, []byte("*")) > 4 {
			return // the reference is exponential
		}
		require.Equal(t, match(p, s, nocase), glob.Match(p, s, nocase))
		prefix, whole := glob.Prefix(p)
		if !nocase && glob.Match(p, s, false) {
			require.True(t, bytes.HasPrefix(s, prefix))
			if whole {
				require.Equal(t, string(prefix), string(s))
			}
		}
	})
}

// TestMatchIsRedis asks a redis-server which of many keys match.
func TestMatchIsRedis(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	gen := rapid.SliceOfN(letters, 0, 5)
	var keys []string
	for seed := range 400 {
		k := string(gen.Example(seed))
		keys = append(keys, k)
		c.Do("SET", k, "")
	}
	keys = append(keys, "hello", "")
	c.Do("MSET", "hello", "", "", "")
	slices.Sort(keys)
	keys = slices.Compact(keys)
	check := func(p string) {
		t.Helper()
		want := []string{}
		for _, e := range c.Do("KEYS", p).Elems {
			want = append(want, string(e.Str))
		}
		slices.Sort(want)
		got := []string{}
		for _, k := range keys {
			// KEYS * is answered without a match.
			if p == "*" || glob.Match([]byte(p), []byte(k), false) {
				got = append(got, k)
			}
		}
		require.Equal(t, want, got, "pattern %q", p)
	}
	for _, p := range []string{
		"", "*", "**", "***", "?", "?*", "*?", "[", "[^", "[]", "[^]", "[a", "[^a", "[a-", "[a-]", "[-a]", "[a-b", "[^a-b]*", "[\\", "[\\]", "[\\]]",
		"\\", "\\\\", "a\\", "*\\", "*[", "*[^", "*[]*", "[\x01-\xff]", "[\x80-\x7f]*", "[\xff-a]", "[^\x80]", "*a*b*", "*a*a*a*a*", "h*o", "[h]ello",
		"\\h\\e*", "[[]", "[[-]]", "[]-a]", "[a-b-c]", "[^^]", "[^^-a]",
	} {
		check(p)
	}
	for seed := range 1500 {
		check(string(rapid.SliceOfN(letters, 0, 8).Example(seed)))
	}
}

// TestMatchNocaseIsRedis does the same where Redis ignores letter case: names of
// commands.
func TestMatchNocaseIsRedis(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	var names []string
	for _, e := range c.Do("COMMAND", "LIST").Elems {
		names = append(names, string(e.Str))
	}
	slices.Sort(names)
	alphabet := rapid.SampledFrom([]byte("aetAETgsGS[]^-\\*?Zz"))
	for seed := range 1000 {
		p := string(rapid.SliceOfN(alphabet, 1, 7).Example(seed))
		want := []string{}
		for _, e := range c.Do("COMMAND", "LIST", "FILTERBY", "PATTERN", p).Elems {
			want = append(want, string(e.Str))
		}
		slices.Sort(want)
		got := []string{}
		for _, n := range names {
			if glob.Match([]byte(p), []byte(n), true) {
				got = append(got, n)
			}
		}
		require.Equal(t, want, got, "pattern %q", p)
	}
}

// TestManyStars would take longer than the universe is old with one level of
// backtracking for each star.
func TestManyStars(t *testing.T) {
	p := []byte(strings.Repeat("*a", 200) + "b")
	s := bytes.Repeat([]byte("a"), 20_000)
	start := time.Now()
	require.False(t, glob.Match(p, s, false))
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p, s := []byte("user:*:[a-f]?\\*"), []byte("user:1000:bx*")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !glob.Match(p, s, true) {
			t.Fatal("no match")
		}
	}))
}

func TestPrefix(t *testing.T) {
	for _, tc := range []struct {
		pattern, prefix string
		whole           bool
	}{
		{"", "", true},
		{"abc", "abc", true},
		{"ab*c", "ab", false},
		{"*", "", false},
		{"a?", "a", false},
		{"a[b]", "a", false},
		{"a\\*b*", "a*b", false},
		{"\\a\\b", "ab", true},
		{"a\\", "a\\", true},
	} {
		prefix, whole := glob.Prefix([]byte(tc.pattern))
		require.Equal(t, tc.prefix, string(prefix), tc.pattern)
		require.Equal(t, tc.whole, whole, tc.pattern)
	}
}

func BenchmarkMatch(b *testing.B) {
	p, s := []byte("user:*:name"), []byte("user:1234567:name")
	b.ReportAllocs()
	for b.Loop() {
		glob.Match(p, s, false)
	}
}
