package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"replogd/backlog"
	"replogd/engine"
	"replogd/engine/aof"
	"replogd/engine/resp"
	"replogd/wal"
)

const (
	// importRecordBytes is how many bytes of commands go into one record of the log.
	importRecordBytes = 256 << 10
	// importUnitBytes bounds one MULTI ... EXEC.
	importUnitBytes = 1 << 30
)

// commandImport executes the commands of append-only files as a follower executes its master's stream: they go into the log, and the applier
// does the rest. What a MULTI holds that has no EXEC never happened.
type commandImport struct {
	i *importer
	e *engine.Engine
	b *backlog.Backlog

	units    *resp.UnitScanner
	batch    []byte
	frame    []byte
	open     bool // within MULTI
	commands int64
}

func newCommandImport(i *importer, e *engine.Engine, b *backlog.Backlog) *commandImport {
	return &commandImport{i: i, e: e, b: b, units: resp.NewUnitScanner(importUnitBytes)}
}

// file reads one file to its end. last says that it may end in the middle of something, as a server that died leaves it.
func (c *commandImport) file(ctx context.Context, f *sourceFile, last bool) error {
	r := aof.NewReader(f.Reader, f.pos())
	for {
		args, err := r.Next()
		switch {
		case err == nil:
			if err := c.command(ctx, args); err != nil {
				return fmt.Errorf("%s, before byte %d: %w", f.path, r.Pos(), err)
			}
			c.i.tell(func() string { return fmt.Sprintf("%d commands, %d%%", c.commands, f.percent()) })
		case errors.Is(err, io.EOF) && !c.open:
			return nil
		case errors.Is(err, io.EOF) && last:
			c.i.say("%s ends between MULTI and EXEC, as a server that died leaves it: that transaction is left out", f.path)
			return nil
		case errors.Is(err, aof.ErrTruncated) && last:
			c.i.say("%s ends within the command at byte %d, as a server that died leaves it: that command is left out", f.path, r.Pos())
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%s ends between MULTI and EXEC, and is not the last file", f.path)
		case errors.Is(err, aof.ErrTruncated):
			return fmt.Errorf("%s: command at byte %d: %w, and it is not the last file", f.path, r.Pos(), err)
		default:
			return fmt.Errorf("%s: %w (redis-check-aof shows, and can cut off, a damaged end)", f.path, err)
		}
	}
}

func (c *commandImport) command(ctx context.Context, args [][]byte) error {
	c.commands++
	switch strings.ToLower(string(args[0])) {
	case "multi":
		c.open = true
	case "exec":
		c.open = false
	}
	c.frame = resp.AppendCommand(c.frame[:0], args...)
	c.units.Feed(c.frame)
	for {
		u, ok, err := c.units.Next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if len(c.batch) > 0 && len(c.batch)+len(u.Raw) > importRecordBytes {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
		c.batch = append(c.batch, u.Raw...)
	}
}

// flush appends the batch to the log. The applier has stopped for good if it met something that it cannot execute.
func (c *commandImport) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return nil
	}
	if err := c.e.ApplyError(); err != nil {
		return err
	}
	if err := c.b.WaitRoom(ctx); err != nil {
		return err
	}
	if _, err := c.b.Append(wal.KindData, c.batch); err != nil {
		return err
	}
	c.batch = c.batch[:0]
	return ctx.Err()
}

// finish waits until everything has been executed.
func (c *commandImport) finish(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	end := c.b.End()
	for c.e.Applied() < end {
		slice, cancel := context.WithTimeout(ctx, importProgress)
		err := c.e.WaitApplied(slice, end)
		cancel()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			return err
		}
		c.i.tell(func() string { return fmt.Sprintf("%d of %d bytes executed", c.e.Applied(), end) })
	}
	return nil
}

// say tells what has happened.
func (i *importer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(i.out, format+"\n", args...) // nobody to tell that it cannot be told
}

// tell says how far the import is, now and then.
func (i *importer) tell(text func() string) {
	if time.Since(i.said) >= importProgress {
		i.said = time.Now()
		i.say("%s", text())
	}
}
