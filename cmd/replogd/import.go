package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/engine"
	"replogd/engine/rdb"
)

const importUsage = "usage: replogd import FILE.rdb DIR   (DIR becomes a data directory; it must be empty, or not be there yet)\n"

// importProgress is how often an import says how far it is.
const importProgress = 2 * time.Second

// importRDB is `replogd import FILE.rdb DIR`: it makes a data directory of a file that Redis has saved. A server started there has its data,
// and as a replica of the Redis that wrote it, it continues from the file's offset, if that Redis still has the stream from there.
//
// A crash, or an error, leaves a directory without data, to be removed: the data set shows only when all of it is there (Engine.Adopt).
var importRDB = converter{"import", importUsage, func(ctx context.Context, file, dir string, out io.Writer) error {
	i := &importer{file: file, dir: dir, out: out, began: time.Now()}
	return i.run(ctx)
}}

// importer is one import.
type importer struct {
	file, dir string
	out       io.Writer
	began     time.Time
	said      time.Time
	keys      int64
}

func (i *importer) run(ctx context.Context) (err error) {
	in, err := os.Open(i.file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened for reading
	origin, err := originOf(in)
	if err != nil {
		return fmt.Errorf("read %s: %w", i.file, err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if i.dir, err = filepath.Abs(i.dir); err != nil {
		return err
	}
	if names, err := os.ReadDir(i.dir); err == nil && len(names) > 0 {
		return fmt.Errorf("%s is not empty: name a directory that is, or is not there yet", i.dir)
	}
	if err := os.MkdirAll(i.dir, 0o755); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	b, err := backlog.Open(backlog.Options{Dir: i.dir, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(err == nil)) }()
	e, err := engine.Open(ctx, engine.Options{Dir: i.dir, Backlog: b, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(context.WithoutCancel(ctx))) }()
	// Not this node's own history: as a master it begins a new one.
	if err := b.SetRole(false); err != nil {
		return err
	}
	if err := e.BecomeFollower(ctx); err != nil {
		return err
	}
	hs := b.Histories()
	if origin.id != "" {
		hs = []backlog.History{{ID: origin.id}}
	}
	return i.load(ctx, e, in, origin.offset, hs)
}

func (i *importer) load(ctx context.Context, e *engine.Engine, in *os.File, offset uint64, hs []backlog.History) error {
	incoming := vfs.Default.PathJoin(i.dir, "incoming")
	dir := vfs.Default.PathJoin(incoming, "files")
	if err := vfs.Default.MkdirAll(incoming, 0o755); err != nil {
		return err
	}
	defer func() { _ = vfs.Default.RemoveAll(incoming) }() // what is left of a load that failed
	info, err := in.Stat()
	if err != nil {
		return err
	}
	i.said = i.began
	err = e.LoadRDB(ctx, dir, in, offset, func(keys int64) {
		i.keys = keys
		if time.Since(i.said) < importProgress {
			return
		}
		i.said = time.Now()
		at, _ := in.Seek(0, io.SeekCurrent) // for the eye only
		_, _ = fmt.Fprintf(i.out, "%d keys, %d%% of the file\n", keys, 100*at/max(info.Size(), 1))
	})
	if err != nil {
		return err
	}
	if err := e.Adopt(ctx, dir, offset, hs); err != nil {
		return err
	}
	total := int64(0)
	for _, db := range e.DBStats() {
		total += db.Keys
	}
	_, _ = fmt.Fprintf(i.out, "%s: %d keys in %v, replid %s, offset %d\nstart it with: replogd --dir %s\n", i.dir, total,
		time.Since(i.began).Round(time.Millisecond), hs[len(hs)-1].ID, offset, i.dir)
	return nil
}

// origin is where a file says that it comes from.
type origin struct {
	id     string // "" if it does not say
	offset uint64
}

// errEnough ends the reading of a file's head.
var errEnough = errors.New("that is all")

// originSink takes what an RDB file says about itself, up to its first database.
type originSink struct{ aux map[string]string }

func (s *originSink) Aux(name, value string) error {
	s.aux[name] = value
	return nil
}

func (s *originSink) SelectDB(uint64) error               { return errEnough }
func (s *originSink) Key([]byte, int64) (rdb.Sink, error) { return nil, errEnough }
func (s *originSink) EndKey() error                       { return errEnough }

// originOf reads repl-id and repl-offset. A file of a Redis that had no replicas has neither.
func originOf(in io.Reader) (origin, error) {
	s := &originSink{aux: map[string]string{}}
	if err := rdb.NewReader(in).File(s); err != nil && !errors.Is(err, errEnough) {
		return origin{}, err
	}
	id := strings.ToLower(s.aux["repl-id"])
	offset, err := strconv.ParseUint(s.aux["repl-offset"], 10, 63)
	if err != nil || len(id) != 40 || strings.Trim(id, "0123456789abcdef") != "" {
		return origin{}, nil //nolint:nilerr // it does not say
	}
	return origin{id: id, offset: offset}, nil
}
