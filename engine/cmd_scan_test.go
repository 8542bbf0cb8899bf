package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
)

// scanReply takes the reply to SCAN apart.
func scanReply(t testCase, reply string) (cursor string, found []string) {
	t.Helper()
	lines := strings.Split(reply, "\r\n")
	require.Greater(t, len(lines), 3, reply)
	require.Equal(t, "*2", lines[0], reply)
	n, err := strconv.Atoi(lines[3][1:])
	require.NoError(t, err, reply)
	for i := range n {
		found = append(found, lines[5+2*i])
	}
	return lines[2], found
}

// Whatever is written between the calls: a key that is there from the first to the last is returned once, no key is returned
// twice, and a page is no longer than COUNT.
func TestScanReturnsWhatStays(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	rapid.Check(t, func(t *rapid.T) {
		n.do("FLUSHALL")
		var stay []string
		for i := range rapid.IntRange(0, 60).Draw(t, "keys") {
			stay = append(stay, fmt.Sprintf("stay%d", i))
			n.do("SET " + stay[i] + " v")
		}
		count := rapid.IntRange(1, 30).Draw(t, "count")
		cursor, all := "0", []string(nil)
		for calls := 0; calls == 0 || cursor != "0"; calls++ {
			require.Less(t, calls, 1000)
			var page []string
			cursor, page = scanReply(t, n.do(fmt.Sprintf("SCAN %s COUNT %d", cursor, count)))
			require.LessOrEqual(t, len(page), count)
			all = append(all, page...)
			for range rapid.IntRange(0, 3).Draw(t, "writes") {
				verb := rapid.SampledFrom([]string{"SET come%d v", "DEL come%d", "APPEND stay0 x"}).Draw(t, "verb")
				if strings.Contains(verb, "%d") {
					verb = fmt.Sprintf(verb, rapid.IntRange(0, 50).Draw(t, "which"))
				}
				if len(stay) > 0 || !strings.Contains(verb, "stay") {
					n.do(verb)
				}
			}
		}
		slices.Sort(all)
		require.Len(t, slices.Compact(slices.Clone(all)), len(all), "a key came twice")
		for _, key := range stay {
			require.Contains(t, all, key)
		}
	})
}

// A cursor is made of positions alone, so it means the same after a restart and on another node.
func TestScanCursorsOutliveTheServer(t *testing.T) {
	n := newNode(t).lead()
	defer func() { n.close() }()
	for i := range 100 {
		n.do(fmt.Sprintf("SET key%d v", i))
	}
	replica := newNode(t).follow()
	defer replica.close()
	replica.receive(n.stream(0))

	cursor, first := scanReply(t, n.do("SCAN 0 COUNT 40"))
	n.close()
	require.NoError(t, n.open())
	n.client = Session{}
	n.lead()
	next, second := scanReply(t, n.do("SCAN "+cursor+" COUNT 40"))
	nextThere, secondThere := scanReply(t, replica.do("SCAN "+cursor+" COUNT 40"))
	require.Equal(t, next, nextThere)
	require.Equal(t, second, secondThere)
	end, third := scanReply(t, replica.do("SCAN "+next+" COUNT 40"))
	require.Equal(t, "0", end)
	all := slices.Concat(first, second, third)
	require.Len(t, all, 100)
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 100)
}

// Keys that share a position cannot be told apart by a cursor: they are returned together, beyond COUNT if need be.
func TestScanPage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		count int64
		at    []keys.Pos
		taken int
		next  uint64
	}{
		{"nothing", 10, nil, 0, 0},
		{"fewer than asked for", 3, []keys.Pos{0, 7}, 2, 0},
		{"as many as asked for", 2, []keys.Pos{0, 7}, 2, 0},
		{"more than asked for", 2, []keys.Pos{0, 7, 9}, 2, 8},
		{"the last position is shared", 2, []keys.Pos{1, 7, 7, 7, 9}, 4, 8},
		{"the end is shared", 1, []keys.Pos{7, 7, 7}, 3, 0},
		{"position 0 is shared", 1, []keys.Pos{0, 0, 1}, 2, 1},
		{"the largest position", 1, []keys.Pos{5, keys.Slots<<48 - 1}, 1, 6},
	} {
		page, taken := scanPage{room: tc.count}, 0
		for _, pos := range tc.at {
			if !page.take(pos) {
				break
			}
			taken++
		}
		require.Equal(t, tc.taken, taken, tc.name)
		require.Equal(t, tc.next, page.next, tc.name)
	}
}

func TestParseCursor(t *testing.T) {
	for _, tc := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"0", 0, true},
		{"18446744073709551615", 1<<64 - 1, true},
		{"18446744073709551616", 0, false},
		{"-1", 1<<64 - 1, true},
		{"+7", 7, true},
		{"007", 7, true},
		{"", 0, true},
		{"\x00", 0, true},
		{"7\x00x", 7, true},
		{"+", 0, false},
		{"-", 0, false},
		{"+-7", 0, false},
		{" 7", 0, false},
		{"7 ", 0, false},
		{"1_0", 0, false},
		{"x", 0, false},
	} {
		got, ok := parseCursor([]byte(tc.text))
		require.Equal(t, tc.ok, ok, "%q", tc.text)
		require.Equal(t, tc.want, got, "%q", tc.text)
	}
}
