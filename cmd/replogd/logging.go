package main

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The levels of redis.conf on slog's scale. What the rooms log with Info is a notice, with Warn or Error a warning.
const (
	levelVerbose = slog.Level(-2)
	levelNothing = slog.Level(100)
)

// levelOf translates loglevel; config accepts no other word.
func levelOf(word string) slog.Level {
	switch word {
	case "debug":
		return slog.LevelDebug
	case "verbose":
		return levelVerbose
	case "warning":
		return slog.LevelWarn
	case "nothing":
		return levelNothing
	}
	return slog.LevelInfo
}

func levelWord(l slog.Level) string {
	switch {
	case l < levelVerbose:
		return "debug"
	case l < slog.LevelInfo:
		return "verbose"
	case l < slog.LevelWarn:
		return "notice"
	case l < slog.LevelError:
		return "warning"
	}
	return "error"
}

// logTime is fixed in width, so that columns line up.
const logTime = "2006-01-02 15:04:05.000"

// handler writes one line per record:
//
//	4711:M 2026-11-23 07:59:38.123 notice  ready to accept connections address=127.0.0.1:6379
//
// process id, role (L loading, M master, S replica), local time, level, message, key=value. Values with blanks or control characters
// are quoted as Go strings, so that a record is always one line, whatever a client had logged.
type handler struct {
	out    *logOutput
	level  *slog.LevelVar
	role   func() byte
	attrs  string // of WithAttrs, formatted, each with a blank before it
	prefix string // of WithGroup, "group."
}

var _ slog.Handler = (*handler)(nil)

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	buf := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buf)
	b := strconv.AppendInt((*buf)[:0], int64(pid), 10)
	b = append(b, ':', h.role(), ' ')
	t := r.Time
	if t.IsZero() {
		t = time.Now()
	}
	b = t.AppendFormat(b, logTime)
	word := levelWord(r.Level)
	b = append(append(b, ' '), word...)
	const widest = len("verbose")
	b = append(append(b, "       "[:max(0, widest-len(word))]...), ' ')
	b = append(b, oneLine(r.Message)...)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	b = append(b, '\n')
	*buf = b
	return h.out.write(b)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b []byte
	for _, a := range attrs {
		b = appendAttr(b, h.prefix, a)
	}
	c.attrs += string(b)
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, prefix, member)
		}
		return b
	}
	b = append(append(append(b, ' '), prefix...), a.Key...)
	b = append(b, '=')
	var s string
	if v.Kind() == slog.KindTime {
		s = v.Time().Format(time.RFC3339Nano)
	} else {
		s = v.String()
	}
	if s == "" || strings.ContainsFunc(s, needsQuotes) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

func needsQuotes(r rune) bool {
	return r <= ' ' || r == '"' || r == '=' || r == 0x7f || !strconv.IsPrint(r)
}

// oneLine keeps a message on its line; messages are our own words, so this is rare.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return s
	}
	return strconv.Quote(s)
}
