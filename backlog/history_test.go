package backlog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckHistoriesRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		hs   []History
		err  string // "" = accepted
	}{
		{"one", []History{{id('a'), 0}}, ""},
		{"growing", []History{{id('a'), 5}, {id('b'), 9}}, ""},
		{"ended where it began", []History{{id('a'), 5}, {id('b'), 5}, {id('c'), 5}}, ""},
		{"upper case is made lower", []History{{strings.ToUpper(id('a')), 0}}, ""},
		{"empty", nil, "it is empty"},
		{"short id", []History{{"abc", 0}}, "has 3 characters"},
		{"not hexadecimal", []History{{id('g'), 0}}, `holds 'g'`},
		{"falling", []History{{id('a'), 5}, {id('b'), 4}}, "before its predecessor"},
		{"twice", []History{{id('a'), 0}, {id('b'), 1}, {id('a'), 2}}, "appears twice"},
		{"twice but for case", []History{{id('a'), 0}, {strings.ToUpper(id('a')), 1}}, "appears twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := checkHistories(c.hs)
			if c.err == "" {
				require.NoError(t, err)
				require.Len(t, got, len(c.hs))
				require.Equal(t, strings.ToLower(c.hs[0].ID), got[0].ID)
				return
			}
			require.ErrorIs(t, err, ErrHistories)
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestNewIDsAreWellFormedAndDiffer(t *testing.T) {
	a, b := newID(), newID()
	require.NotEqual(t, a, b)
	n, err := normalID(a)
	require.NoError(t, err)
	require.Equal(t, a, n)
}

func TestActiveHistoryAndBoundary(t *testing.T) {
	l := line("a", 0, "b", 100, "c", 100, "d", 200)
	for _, c := range []struct {
		end      uint64
		active   int
		boundary uint64
	}{
		{0, 0, 100},
		{99, 0, 100},
		{100, 2, 200}, // b ended where it began
		{199, 2, 200},
		{200, 3, unbounded},
		{900, 3, unbounded},
	} {
		require.Equal(t, c.active, l.active(c.end), "end %d", c.end)
		require.Equal(t, c.boundary, l.boundary(c.end), "end %d", c.end)
	}
	late := line("a", 50, "b", 60)
	require.Equal(t, 0, late.active(10), "bytes before the first known history count as its")
	require.Equal(t, uint64(60), late.boundary(10))
}

func TestBegunPullsAnnouncedHistoriesBack(t *testing.T) {
	l := line("a", 0, "b", 100, "c", 200)
	n := l.begun(id('d'), 150)
	require.Equal(t, "a@0/1 b@100/2 c@150/3 d@150/4", n.brief())
	require.True(t, n.own)
	require.Equal(t, "a@0/1 b@100/2 c@200/3", l.brief(), "the old list is untouched")

	// A position on c up to where we left it is a prefix of ours; one beyond is not.
	r, _ := n.accept(Pos{id('c'), 150}, 0, 180)
	require.Equal(t, Accepted, r)
	r, _ = n.accept(Pos{id('c'), 151}, 0, 180)
	require.Equal(t, Forked, r)
}

func TestAdopted(t *testing.T) {
	for _, c := range []struct {
		name string
		ours *lineage
		hs   []History
		end  uint64
		last uint32 // highest epoch in our log
		want string // "" = refused
	}{
		{
			"the same list keeps its epochs", line("a", 0, "b", 100),
			[]History{{id('a'), 0}, {id('b'), 100}},
			150, 2, "a@0/1 b@100/2",
		},
		{
			"a new history ahead is announced", line("a", 0),
			[]History{{id('a'), 0}, {id('b'), 100}},
			50, 1, "a@0/1 b@100/2",
		},
		{
			"older entries that the upstream forgot stay in front", line("a", 0, "b", 100, "c", 200),
			[]History{{id('b'), 100}, {id('c'), 200}, {id('d'), 300}},
			300, 3, "a@0/1 b@100/2 c@200/3 d@300/4",
		},
		{
			"our own empty history is given up", line("a", 0, "b", 100),
			[]History{{id('a'), 0}, {id('c'), 120}},
			100, 1, "a@0/1 c@120/3",
		},
		{
			"going back to a history whose epoch is passed gives it a new one", line("a", 0, "b", 100),
			[]History{{id('a'), 0}},
			100, 2, "a@0/3",
		},
		{
			"our bytes went on past the fork", line("a", 0),
			[]History{{id('a'), 0}, {id('b'), 100}},
			101, 1, "",
		},
		{
			"our history is not in the list", line("a", 0),
			[]History{{id('b'), 0}},
			10, 1, "",
		},
		{
			"only an announced history of ours is in the list", line("a", 0, "b", 100),
			[]History{{id('b'), 100}, {id('c'), 130}},
			50, 1, "a@0/1 b@100/2 c@130/3",
		},
		{
			"our own bytes on b are not on a", line("a", 0, "b", 100),
			[]History{{id('a'), 0}},
			110, 2, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := c.ours.adopted(c.hs, c.end, c.last)
			if c.want == "" {
				require.ErrorIs(t, err, ErrHistories)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, n.brief())
			require.False(t, n.own, "the history is the upstream's")
		})
	}
}

func TestTrimmedKeepsWhatPositionsNeed(t *testing.T) {
	l := line("a", 0, "b", 100, "c", 200, "d", 300)
	for _, c := range []struct {
		start uint64
		want  string
	}{
		{0, "a@0/1 b@100/2 c@200/3 d@300/4"},
		{100, "a@0/1 b@100/2 c@200/3 d@300/4"}, // (a, 100) can still be accepted
		{101, "b@100/2 c@200/3 d@300/4"},
		{201, "c@200/3 d@300/4"},
		{900, "c@200/3 d@300/4"}, // the last two always stay
	} {
		require.Equal(t, c.want, l.trimmed(c.start).brief(), "start %d", c.start)
	}
	require.Same(t, l, l.trimmed(100), "nothing to do is told by identity")
}

func TestListIsLimited(t *testing.T) {
	l := line("a", 0)
	for i := range uint64(MaxHistories + 10) {
		l = l.begun(newID(), i)
	}
	require.Len(t, l.hs, MaxHistories)
	require.Len(t, l.epochs, MaxHistories)
	require.Equal(t, uint64(MaxHistories+9), l.current().Start)
	_, err := decodeLineage(encodeLineage(l))
	require.NoError(t, err)
}
