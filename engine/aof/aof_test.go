package aof_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/aof"
	"replogd/engine/resp"
)

func TestManifest(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		files      []string
		err        string
	}{
		{"base and increments", "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n", []string{"a.1.base.rdb", "a.1.incr.aof", "a.2.incr.aof"}, ""},
		{"no base", "file a seq 1 type i", []string{"a"}, ""},
		{"history", "file a seq 1 type h\nfile b seq 2 type b\n", []string{"b"}, ""},
		{"comments", "# hello\n\nfile a seq 1 type b\n", []string{"a"}, ""},
		{"quotes", `file "a b\x2e" seq 1 type b`, []string{"a b."}, ""},
		{"any order of fields", "type b seq 1 file a", []string{"a"}, ""},
		{"empty", "", nil, "names no file"},
		{"two bases", "file a seq 1 type b\nfile b seq 2 type b\n", nil, "line 2: a second base"},
		{"out of order", "file a seq 2 type i\nfile b seq 1 type i\n", nil, "out of order"},
		{"a path", "file ../a seq 1 type b", nil, "not in the directory"},
		{"unknown type", "file a seq 1 type x", nil, "not known"},
		{"half a line", "file a seq", nil, "is not"},
		{"no number", "file a seq x type b", nil, "is not"},
		{"quotes that do not end", `file "a seq 1 type b`, nil, "unbalanced"},
		{"too long", "file " + strings.Repeat("a", 2000) + " seq 1 type b", nil, "too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := aof.ReadManifest(strings.NewReader(tc.text))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.files, m.Files())
		})
	}
}

// readAll returns the commands, the error that ended them, and where.
func readAll(text string) (commands []string, pos int64, err error) {
	r := aof.NewReader(bufio.NewReader(strings.NewReader(text)), 0)
	for {
		args, err := r.Next()
		if err != nil {
			return commands, r.Pos(), err
		}
		commands = append(commands, string(bytes.Join(args, []byte{' '})))
	}
}

func TestReader(t *testing.T) {
	set, del := "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n", "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"
	for _, tc := range []struct {
		name, text string
		commands   []string
		pos        int
		err        string // "": the end
	}{
		{"nothing", "", nil, 0, ""},
		{"two", set + del, []string{"SET a ", "DEL a"}, len(set + del), ""},
		{"notes", "#TS:123\r\n" + set + "#x\r\n#TS:4\r\n" + del + "#end\r\n", []string{"SET a ", "DEL a"}, 0, ""},
		{"cut in a length", set + "*2\r\n$3", []string{"SET a "}, len(set), "ends within"},
		{"cut in a string", set + del[:len(del)-3], []string{"SET a "}, len(set), "ends within"},
		{"cut behind a string", set + del[:len(del)-1], []string{"SET a "}, len(set), "ends within"},
		{"cut in a note", set + "#TS:1", []string{"SET a "}, len(set), "ends within"},
		{"cut at the star", set + "*", []string{"SET a "}, len(set), "ends within"},
		{"inline", "SET a b\r\n", nil, 0, `byte 0: 'S' where '*' is due`},
		{"empty command", "*0\r\n", nil, 0, "empty command"},
		{"negative", "*-1\r\n", nil, 0, "bad length"},
		{"huge", "*1\r\n$600000000\r\n", nil, 0, "bad length"},
		{"not a number", "*x\r\n", nil, 0, "bad length"},
		{"string too long", "*1\r\n$1\r\nab\r\n", nil, 0, "longer than it says"},
		{"garbage behind", set + "\x00\x00\x00", []string{"SET a "}, len(set), "byte 26"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			commands, pos, err := readAll(tc.text)
			require.Equal(t, tc.commands, commands)
			if tc.err == "" {
				require.ErrorIs(t, err, io.EOF)
				return
			}
			require.ErrorContains(t, err, tc.err)
			require.EqualValues(t, tc.pos, pos)
			require.Equal(t, strings.Contains(tc.err, "ends within"), errors.Is(err, aof.ErrTruncated))
		})
	}
}

// Whatever the bytes are, reading ends, and what was read is read again from its plain form.
func FuzzReader(f *testing.F) {
	f.Add("*1\r\n$4\r\nPING\r\n#TS:1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
	f.Add("*1\r\n$4\r\nPI")
	f.Add("*3\r\n$1\r\na\r\n$-1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		commands := func(text string) (plain []byte, end error) {
			r := aof.NewReader(bufio.NewReaderSize(strings.NewReader(text), 64), 0)
			for {
				args, err := r.Next()
				if err != nil {
					return plain, err
				}
				plain = resp.AppendCommand(plain, args...)
			}
		}
		plain, _ := commands(text)
		again, err := commands(string(plain))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, string(plain), string(again))
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("file a seq 1 type b\nfile \"b c\" seq 2 type i\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = aof.ReadManifest(bytes.NewReader(text)) })
}
