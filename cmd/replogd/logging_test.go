package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testLog returns a logger that writes into a buffer.
func testLog(level string) (*slog.Logger, *bytes.Buffer, *slog.LevelVar) {
	buf := &bytes.Buffer{}
	out, err := openLog("", buf)
	if err != nil {
		panic(err)
	}
	lv := &slog.LevelVar{}
	lv.Set(levelOf(level))
	return slog.New(&handler{out: out, level: lv, role: func() byte { return 'M' }}), buf, lv
}

func TestLogLine(t *testing.T) {
	log, buf, _ := testLog("debug")
	log.Info("replica connected", "addr", "127.0.0.1:6380", "lag", 3*time.Second, "n", 5)
	require.Regexp(t, regexp.MustCompile(`^\d+:M \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} notice  replica connected addr=127\.0\.0\.1:6380 lag=3s n=5\n$`), buf.String())
}

func TestLogValuesStayOnTheirLine(t *testing.T) {
	for _, c := range []struct {
		do   func(l *slog.Logger)
		want string
	}{
		{func(l *slog.Logger) { l.Error("x", "err", errors.New("a b\nFAKE:M line")) }, `error   x err="a b\nFAKE:M line"`},
		{func(l *slog.Logger) { l.Warn("two\nlines") }, `warning "two\nlines"`},
		{func(l *slog.Logger) {
			l.Info("x", "empty", "", "quote", `"`, "eq", "a=b", "utf", "ä", "esc", "\x1b[1m")
		}, `notice  x empty="" quote="\"" eq="a=b" utf=ä esc="\x1b[1m"`},
		{func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).Info("x", "c", 3) }, `notice  x a=1 g.b=2 g.c=3`},
		{func(l *slog.Logger) { l.Info("x", slog.Group("g", "a", 1, "b", "two words"), slog.Attr{}) }, `notice  x g.a=1 g.b="two words"`},
		{func(l *slog.Logger) { l.Info("x", "t", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }, `notice  x t=2026-01-02T03:04:05Z`},
	} {
		log, buf, _ := testLog("notice")
		c.do(log)
		line := buf.String()
		require.Equal(t, 1, strings.Count(line, "\n"))
		_, rest, _ := strings.Cut(line, " ") // pid:role
		_, rest, _ = strings.Cut(rest, " ")  // date
		_, rest, _ = strings.Cut(rest, " ")  // time
		require.Equal(t, c.want+"\n", rest)
	}
}

func TestLevelsOfRedis(t *testing.T) {
	all := []slog.Level{slog.LevelDebug, levelVerbose, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for word, want := range map[string]int{"debug": 5, "verbose": 4, "notice": 3, "warning": 2, "nothing": 0} {
		log, buf, _ := testLog(word)
		for _, l := range all {
			log.Log(t.Context(), l, "x")
		}
		require.Equal(t, want, strings.Count(buf.String(), "\n"), word)
	}
	log, buf, level := testLog("warning")
	log.Info("hidden")
	level.Set(levelOf("notice"))
	log.Info("shown")
	require.NotContains(t, buf.String(), "hidden")
	require.Contains(t, buf.String(), "shown")
}

func TestLogfileIsReopenedByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	out, err := openLog(path, io.Discard)
	require.NoError(t, err)
	defer out.close()
	require.NoError(t, out.write([]byte("one\n")))
	require.NoError(t, os.Rename(path, path+".1"))
	require.NoError(t, out.write([]byte("two\n")))
	require.NoError(t, out.reopen())
	require.NoError(t, out.write([]byte("three\n")))
	old, err := os.ReadFile(path + ".1")
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(old))
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "three\n", string(now))

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
	require.Error(t, out.reopen())
	require.NoError(t, out.write([]byte("four\n")), "the old file stays in use")
	_, err = openLog(filepath.Join(t.TempDir(), "none", "x.log"), io.Discard)
	require.ErrorContains(t, err, "does its directory exist")
}
