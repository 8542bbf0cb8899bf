package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/engine"
)

const exportUsage = "usage: replogd export DIR FILE.rdb   (DIR is a server's data directory, the server stopped; of a running one: BGSAVE)\n"

// exportRDB is `replogd export DIR FILE.rdb`: it writes the keyspace of a stopped server as an RDB file, which any Redis loads. DIR is only
// read: what the log holds beyond the keyspace's files is replayed into a scratch directory.
var exportRDB = converter{"export", exportUsage, func(ctx context.Context, dir, file string, out io.Writer) error {
	x := &exporter{dir: dir, file: file, out: out, began: time.Now(), gaveUp: make(chan error, 1)}
	return x.run(ctx)
}}

// exporter is one export.
type exporter struct {
	dir, file string
	out       io.Writer
	began     time.Time
	said      time.Time
	gaveUp    chan error // why it cannot end
}

// run waits for the export, or for the scratch directory or the store to fail, which it would never come back from.
func (x *exporter) run(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(x.dir, "meta.db")); err != nil {
		return fmt.Errorf("%s is no data directory: %w", x.dir, err)
	}
	scratch, err := os.MkdirTemp("", "replogd-export-")
	if err != nil {
		return fmt.Errorf("make a scratch directory: %w (%s)", err, scratchRemedy)
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a left-over in the temporary directory harms nobody
	done := make(chan error, 1)
	go func() { done <- x.export(ctx, scratch) }()
	select {
	case err := <-done:
		return err
	case err := <-x.gaveUp:
		return err
	}
}

func (x *exporter) export(ctx context.Context, scratch string) (err error) {
	b, err := backlog.Open(backlog.Options{Dir: x.dir, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(false) }() // read-only: nothing to lose
	fs := newScratchFS(vfs.Default, scratch, func(err error) {
		offer(x.gaveUp, fmt.Errorf("write to the scratch directory: %w (%s)", err, scratchRemedy))
	})
	e, err := engine.Open(ctx, engine.Options{
		FS: fs, Dir: x.dir, Backlog: b, Logger: slog.New(slog.DiscardHandler), RowCacheBytes: -1, RowFilterBytes: -1,
		Fatal: func(err error) {
			offer(x.gaveUp, err)
			select {} // must not return; the process ends
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(context.WithoutCancel(ctx))) }()
	replid := b.Current().ID
	if b.LostTailPossible() {
		replid = "" // the next start begins another history: a replica must not continue from this one's end
	}
	x.said = x.began
	snap := e.Snapshot()
	defer snap.Close()
	total := snap.Keys()
	snap.Progress = func(keys int64) {
		if time.Since(x.said) >= importProgress {
			x.said = time.Now()
			_, _ = fmt.Fprintf(x.out, "%d of %d keys\n", keys, total)
		}
	}
	size, err := snap.SaveRDB(ctx, vfs.Default, x.file, replid)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(x.out, "%s: %d keys, %d bytes in %v, offset %d\n", x.file, total, size, time.Since(x.began).Round(time.Millisecond), snap.Offset)
	return nil
}
