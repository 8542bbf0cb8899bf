package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitArgs(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{`port 6379`, []string{"port", "6379"}},
		{"\t bind  127.0.0.1\t::1 ", []string{"bind", "127.0.0.1", "::1"}},
		{`requirepass "a b"`, []string{"requirepass", "a b"}},
		{`save ""`, []string{"save", ""}},
		{`requirepass 'a "b" \'c\' \n'`, []string{"requirepass", `a "b" 'c' \n`}},
		{`x "\n\r\t\b\a\\\"\q\x41\x4g"`, []string{"x", "\n\r\t\b\a\\\"qAx4g"}},
		{`x ab"c d"`, []string{"x", "abc d"}},
		{`logfile C:\log\x`, []string{"logfile", `C:\log\x`}},
		{`x # no comment`, []string{"x", "#", "no", "comment"}},
		{``, nil},
	} {
		got, err := splitArgs(c.in)
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, got, c.in)
	}
	for _, in := range []string{`a "b`, `a 'b`, `a "b"c`, `a 'b'c`, `a "b\`, `a "b\"`, `"`} {
		_, err := splitArgs(in)
		require.ErrorIs(t, err, errQuotes, in)
	}
}

func TestParseConfKeepsNumbersAndSkipsComments(t *testing.T) {
	lines := parseConf([]byte("\xef\xbb\xbf# first\r\n\r\n  port 1 \r\nlogfile \"x\n"))
	require.Len(t, lines, 5)
	require.Nil(t, lines[0].words)
	require.Nil(t, lines[1].words)
	require.Equal(t, confLine{number: 3, text: "port 1", words: []string{"port", "1"}}, lines[2])
	require.ErrorIs(t, lines[3].err, errQuotes)
}

func TestQuotedWordsSplitBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))).Draw(t, "words")
		line := "name " + quoteArgs(words)
		require.NotContains(t, line, "\n", "a value must stay on its line")
		got, err := splitArgs(line)
		require.NoError(t, err)
		require.Equal(t, append([]string{"name"}, words...), got)
	})
}

func FuzzParseConf(f *testing.F) {
	for _, seed := range []string{
		"port 6379\nsave \"\"\n", "bind \"a\\x41\" 'b\\'c'\r\n# x", "include *.conf\nclient-output-buffer-limit normal 1 2 3 slave 0 0 0",
		"requirepass \"", "user default on ~* +@all\nrename-command a \"\"", "replicaof 127.0.0.1 6379\nsave 1 2\nsave 3 4", "\xef\xbb\xbfdir .",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range parseConf(data) {
			if l.err != nil || l.words == nil {
				continue
			}
			again, err := splitArgs(quoteArgs(l.words))
			if err != nil || strings.Join(again, "\x00") != strings.Join(l.words, "\x00") || len(again) != len(l.words) {
				t.Fatalf("%q: quoted and split again: %q, %v", l.words, again, err)
			}
		}
		// Whatever is accepted can be written and read back.
		r := &reader{}
		if strings.Contains(strings.ToLower(string(data)), includeDirective) {
			return // would read files of the machine
		}
		if r.conf("fuzz.conf", data) != nil {
			return
		}
		s, err := resolve(r.entries, nil, nil)
		if err != nil {
			return
		}
		content, err := s.rewritten("fuzz.conf", data)
		if err != nil {
			t.Fatalf("rewrite: %v", err)
		}
		if content != string(data) {
			t.Fatalf("a rewrite without a change changed the file:\n%q\n%q", data, content)
		}
		content, err = s.rewritten("fuzz.conf", nil)
		if err != nil {
			t.Fatalf("rewrite of an empty file: %v", err)
		}
		again := &reader{}
		if err := again.conf("fuzz.conf", []byte(content)); err != nil {
			t.Fatalf("the written file does not read: %v\n%s", err, content)
		}
	})
}
