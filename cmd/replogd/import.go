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

const importUsage = "usage: replogd import FILE.rdb|appendonlydir|FILE.aof DIR   (DIR becomes a data directory; it must be empty, or not be there yet)\n"

// importProgress is how often an import says how far it is.
const importProgress = 2 * time.Second

// importData is `replogd import FROM DIR`: it makes a data directory of what Redis has saved, an RDB file or append-only files. A server
// started there has its data, and of an RDB file also its place in the stream: as a replica of the Redis that wrote it, it continues from
// there, if that Redis still has the stream.
//
// A crash, or an error, leaves a directory to be removed.
var importData = converter{"import", importUsage, func(ctx context.Context, from, dir string, out io.Writer) error {
	i := &importer{from: from, dir: dir, out: out, began: time.Now()}
	return i.run(ctx)
}}

// importer is one import.
type importer struct {
	from, dir string
	out       io.Writer
	began     time.Time
	said      time.Time
}

func (i *importer) run(ctx context.Context) (err error) {
	src, err := openSource(i.from)
	if err != nil {
		return err
	}
	origin, err := originOf(src)
	if err != nil {
		return fmt.Errorf("read %s: %w", src.paths[0], err)
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
	i.said = i.began
	if err := i.read(ctx, e, b, src, origin.offset, hs); err != nil {
		return err
	}
	total := int64(0)
	for _, db := range e.DBStats() {
		total += db.Keys
	}
	i.say("%s: %d keys in %v, replid %s, offset %d\nstart it with: replogd --dir %s", i.dir, total,
		time.Since(i.began).Round(time.Millisecond), b.Current().ID, b.End(), i.dir)
	return nil
}

// read takes the files in turn: an RDB, if the first one begins with it, and commands.
func (i *importer) read(ctx context.Context, e *engine.Engine, b *backlog.Backlog, src *source, offset uint64, hs []backlog.History) error {
	commands := newCommandImport(i, e, b)
	for n := range src.paths {
		if err := func() error {
			f, err := src.open(n)
			if err != nil {
				return err
			}
			defer f.close()
			if n == 0 && f.isRDB() {
				if err := i.load(ctx, e, f, offset, hs); err != nil {
					return err
				}
			}
			if ended, err := f.ended(); ended || err != nil {
				return err
			}
			return commands.file(ctx, f, n == len(src.paths)-1)
		}(); err != nil {
			return err
		}
	}
	return commands.finish(ctx)
}

// load takes an RDB.
func (i *importer) load(ctx context.Context, e *engine.Engine, f *sourceFile, offset uint64, hs []backlog.History) error {
	incoming := vfs.Default.PathJoin(i.dir, "incoming")
	dir := vfs.Default.PathJoin(incoming, "files")
	if err := vfs.Default.MkdirAll(incoming, 0o755); err != nil {
		return err
	}
	defer func() { _ = vfs.Default.RemoveAll(incoming) }() // what is left of a load that failed
	err := e.LoadRDB(ctx, dir, f.Reader, offset, func(keys int64) {
		i.tell(func() string { return fmt.Sprintf("%d keys, %d%%", keys, f.percent()) })
	})
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return e.Adopt(ctx, dir, offset, hs)
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

func (s *originSink) Library([]byte) error                { return nil }
func (s *originSink) SelectDB(uint64) error               { return errEnough }
func (s *originSink) Key([]byte, int64) (rdb.Sink, error) { return nil, errEnough }
func (s *originSink) EndKey() error                       { return errEnough }

// originOf reads repl-id and repl-offset of an RDB file. A file of a Redis that had no replicas has neither, and one with commands behind it
// (a base, a preamble) stands for no place in a stream.
func originOf(src *source) (origin, error) {
	f, err := src.open(0)
	if err != nil {
		return origin{}, err
	}
	defer func() { _ = f.file.Close() }() // opened for reading
	if len(src.paths) > 1 || !f.isRDB() {
		return origin{}, nil
	}
	s := &originSink{aux: map[string]string{}}
	if err := rdb.NewReader(f.Reader).File(s); err != nil && !errors.Is(err, errEnough) {
		return origin{}, err
	}
	id := strings.ToLower(s.aux["repl-id"])
	offset, err := strconv.ParseUint(s.aux["repl-offset"], 10, 63)
	if err != nil || len(id) != 40 || strings.Trim(id, "0123456789abcdef") != "" || s.aux["aof-base"] == "1" || s.aux["aof-preamble"] == "1" {
		return origin{}, nil //nolint:nilerr // it does not say
	}
	return origin{id: id, offset: offset}, nil
}
