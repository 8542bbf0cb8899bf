package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// eventKeeper is a log handler that keeps the errors a part logs, for tools that print one verdict instead of a log. Pebble tells in
// an event which file is damaged, and returns an error that does not.
type eventKeeper struct {
	mu struct {
		sync.Mutex
		lines []string
	}
}

// maxKeptEvents bounds the memory of a store that complains without end.
const maxKeptEvents = 8

var _ slog.Handler = (*eventKeeper)(nil)

func (*eventKeeper) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (k *eventKeeper) Handle(_ context.Context, r slog.Record) error {
	b := []byte(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, "", a)
		return true
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.mu.lines) < maxKeptEvents {
		k.mu.lines = append(k.mu.lines, string(b))
	}
	return nil
}

// WithAttrs and WithGroup leave the handler as it is: the parts are told apart by their words.
func (k *eventKeeper) WithAttrs([]slog.Attr) slog.Handler { return k }

// WithGroup: see WithAttrs.
func (k *eventKeeper) WithGroup(string) slog.Handler { return k }

// explain adds what was logged to err.
func (k *eventKeeper) explain(err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.mu.lines) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(k.mu.lines, "; "))
}
