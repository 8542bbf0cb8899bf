package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/backlog"
)

// hex40 makes an id that is easy to recognise in a failure.
func hex40(c byte) string { return strings.Repeat(string(c), 40) }

func histories(pairs ...any) (hs []backlog.History) {
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, backlog.History{ID: hex40(pairs[i].(string)[0]), Start: uint64(pairs[i+1].(int))})
	}
	return hs
}

func TestLineageTextIsReadBackAsWritten(t *testing.T) {
	want := lineage{path: []string{hex40('1'), hex40('2')}, histories: histories("a", 0, "b", 100, "c", 100)}
	text := appendLineage(nil, want)
	require.Equal(t, "replogd 1\npath "+hex40('1')+" "+hex40('2')+"\nhistory "+hex40('a')+" 0\nhistory "+hex40('b')+" 100\nhistory "+hex40('c')+" 100\n", string(text))
	got, err := parseLineage(text)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLineageTextIsRefusedWhenItIsNotExactlyThat(t *testing.T) {
	path, h := "path "+hex40('1')+"\n", "history "+hex40('a')+" 0\n"
	for name, text := range map[string]string{
		"empty":              "",
		"no line feed":       "replogd 1\n" + path + strings.TrimSuffix(h, "\n"),
		"other version":      "replogd 2\n" + path + h,
		"no path":            "replogd 1\npath\n" + h,
		"short node id":      "replogd 1\npath abc\n" + h,
		"endless path":       "replogd 1\npath" + strings.Repeat(" "+hex40('1'), maxLineagePath+1) + "\n" + h,
		"no history":         "replogd 1\n" + path,
		"carriage return":    "replogd 1\n" + path + strings.Replace(h, "\n", "\r\n", 1),
		"upper case id":      "replogd 1\n" + path + "history " + hex40('A') + " 0\n",
		"short id":           "replogd 1\n" + path + "history abc 0\n",
		"negative start":     "replogd 1\n" + path + "history " + hex40('a') + " -1\n",
		"start overflows":    "replogd 1\n" + path + "history " + hex40('a') + " 9223372036854775808\n",
		"leading zero":       "replogd 1\n" + path + "history " + hex40('a') + " 00\n",
		"signed start":       "replogd 1\n" + path + "history " + hex40('a') + " +1\n",
		"starts fall":        "replogd 1\n" + path + "history " + hex40('a') + " 5\nhistory " + hex40('b') + " 4\n",
		"same id twice":      "replogd 1\n" + path + h + h,
		"something else":     "replogd 1\n" + path + h + "hello\n",
		"too many histories": "replogd 1\n" + path + manyHistories(maxHistories+1),
	} {
		_, err := parseLineage([]byte(text))
		require.ErrorIs(t, err, ErrProtocol, name)
	}
	_, err := parseLineage([]byte("replogd 1\n" + path + manyHistories(maxHistories)))
	require.NoError(t, err)
}

func manyHistories(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "history %040x %d\n", i, i)
	}
	return b.String()
}

func FuzzParseLineage(f *testing.F) {
	f.Add(appendLineage(nil, lineage{path: []string{hex40('1')}, histories: histories("a", 0, "b", 7)}))
	f.Add([]byte("replogd 1\npath \nhistory  \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLineage(text)
		if err != nil {
			return
		}
		require.Equal(t, string(text), string(appendLineage(nil, l)), "accepted text has one form")
	})
}

func TestPositionIsAskedUnderTheNewestNameTheMasterKnows(t *testing.T) {
	for _, c := range []struct {
		name   string
		ours   []backlog.History
		end    uint64
		theirs []backlog.History
		want   byte
	}{
		{"the usual: same current history", histories("a", 0), 50, histories("a", 0), 'a'},
		{"the master was promoted since", histories("a", 0), 50, histories("a", 0, "b", 80), 'a'},
		{"we were promoted and wrote nothing: the old name does", histories("a", 0, "b", 50), 50, histories("a", 0), 'a'},
		{"we were promoted twice and wrote nothing", histories("a", 0, "b", 50, "c", 50), 50, histories("a", 0), 'a'},
		{"we were promoted and wrote: only the new name is true", histories("a", 0, "b", 50), 60, histories("a", 0), 'b'},
		{"a branch that was announced, not reached", histories("a", 0, "b", 100), 50, histories("a", 0), 'a'},
		{"and the master knows it", histories("a", 0, "b", 100), 50, histories("a", 0, "b", 100), 'b'},
		{"the master left our name before our end: nothing else to ask", histories("a", 0), 50, histories("a", 0, "c", 40), 'a'},
		{"a stock master: the current name", histories("a", 0, "b", 50), 50, nil, 'b'},
	} {
		require.Equal(t, hex40(c.want), askID(c.ours, c.end, c.theirs), c.name)
	}
}

func TestContinuingAStockMasterAddsItsName(t *testing.T) {
	require.Equal(t, histories("a", 0, "n", 50), succeedLineage(histories("a", 0), hex40('n'), 50))
	require.Equal(t, histories("a", 0, "b", 50, "n", 50), succeedLineage(histories("a", 0, "b", 50), hex40('n'), 50), "a name without bytes stays: replicas may know it")
	require.Equal(t, histories("a", 0, "n", 50), succeedLineage(histories("a", 0, "b", 80), hex40('n'), 50), "a branch never reached goes")
}
