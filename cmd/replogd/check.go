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
	"replogd/wal"
)

const checkUsage = "usage: replogd check DIR   (the data directory, that is dir of the configuration; its server must be stopped)\n"

// check is `replogd check DIR`. It looks at meta.db, at every record of the log, and rehearses a start of the keyspace, replay
// included, with every change going to a scratch directory; then it reads every key. It changes nothing in DIR.
func check(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && isHelp(args[0]) {
		_, _ = io.WriteString(stdout, checkUsage) // nobody to tell
		return exitOK
	}
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		_, _ = io.WriteString(stderr, checkUsage)
		return exitUsage
	}
	dir, err := filepath.Abs(args[0])
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = errors.New("it is no directory")
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd check: cannot read %s: %v\n", args[0], err)
		return exitUsage
	}
	c := &checker{dir: dir, out: stdout}
	c.all()
	return c.verdict()
}

// checker collects what is wrong.
type checker struct {
	dir      string
	out      io.Writer
	damage   int
	unclear  int // parts that could not be looked at
	segments []wal.SegmentReport
}

func (c *checker) say(part, format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, "%-10s %s\n", part, fmt.Sprintf(format, args...)) // nobody else to tell
}

func (c *checker) damaged(part string, err error) {
	c.damage++
	c.say(part, "DAMAGED: %v", err)
}

func (c *checker) unreadable(part string, err error) {
	c.unclear++
	c.say(part, "CANNOT BE READ: %v", err)
}

// judge sorts an error: damage of the data, or something that kept us from looking.
func (c *checker) judge(part string, err error) {
	var locked *backlog.LockedError
	switch {
	case errors.As(err, &locked), errors.Is(err, os.ErrPermission), errors.Is(err, backlog.ErrUnsupported), errors.Is(err, wal.ErrVersion):
		c.unreadable(part, err)
	default:
		c.damaged(part, err)
	}
}

func (c *checker) verdict() int {
	switch {
	case c.damage > 0:
		c.say("result", "DAMAGED (%d). Nothing was changed. Keep a copy of %s, then restore what is named above from a backup, or, if another "+
			"server has the data, move the directory away and start as its replica for a full sync.", c.damage, c.dir)
		return exitFailed
	case c.unclear > 0:
		c.say("result", "not everything could be read, see above")
		return exitUsage
	}
	c.say("result", "healthy")
	return exitOK
}

// all runs the parts. The log's files are read one by one even if the backlog cannot be opened, so that all damage is named.
func (c *checker) all() {
	looksUsed := false
	for _, name := range []string{"meta.db", "wal", "data"} {
		_, err := os.Stat(filepath.Join(c.dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			c.unreadable("directory", err)
			return
		}
		looksUsed = looksUsed || err == nil
	}
	if !looksUsed {
		c.unreadable("directory", fmt.Errorf("%s holds neither meta.db nor wal nor data: it is no data directory", c.dir))
		return
	}
	b, err := backlog.Open(backlog.Options{Dir: c.dir, ReadOnly: true})
	var locked *backlog.LockedError
	if errors.As(err, &locked) {
		c.unreadable("directory", err)
		return
	}
	generation := uint64(0)
	if err != nil {
		c.judge("identity", err)
	} else {
		defer func() { _ = b.Close(false) }() // read-only: nothing to lose
		generation = b.Generation()
		c.identity(b)
	}
	c.log(generation)
	if b != nil && c.damage == 0 {
		c.keyspace(b)
	} else {
		c.say("keyspace", "not looked at: it cannot be judged without its log")
	}
}

func (c *checker) identity(b *backlog.Backlog) {
	end := "clean"
	if b.Unclean() {
		end = "not clean (the next start recovers)"
	}
	h := b.Current()
	c.say("identity", "ok: node %s, generation %d, replid %s from offset %d, %d histories, last shutdown %s",
		b.NodeID(), b.Generation(), h.ID, h.Start, len(b.Histories()), end)
}

// log reads every record of every segment of the generation (0: of all), and looks whether the segments join.
func (c *checker) log(generation uint64) {
	paths, err := wal.ListSegments(vfs.Default, filepath.Join(c.dir, "wal"))
	if err != nil {
		c.judge("log", err)
		return
	}
	var records uint64
	for i, path := range paths {
		rep, err := wal.VerifySegment(vfs.Default, path, nil)
		if err != nil {
			c.judge("log", err)
			continue
		}
		if rep.Info.Generation < generation {
			c.say("log", "%s belongs to data that a full sync has replaced; the next start removes it", filepath.Base(path))
			continue
		}
		records += rep.Records
		c.tail(path, rep, i == len(paths)-1)
		c.segments = append(c.segments, rep)
	}
	for i := 1; i < len(c.segments); i++ {
		before, after := c.segments[i-1].Info, c.segments[i].Info
		if before.End != after.Start {
			c.damaged("log", fmt.Errorf("%s ends at offset %d, but %s begins at %d: a segment is missing, or cut; restore it from a backup",
				filepath.Base(before.Path), before.End, filepath.Base(after.Path), after.Start))
		}
	}
	if c.damage == 0 && len(c.segments) > 0 {
		c.say("log", "ok: %d segments, %d records, offsets %d to %d", len(c.segments), records,
			c.segments[0].Info.Start, c.segments[len(c.segments)-1].Info.End)
	}
}

// tail judges what follows the last record of a segment.
func (c *checker) tail(path string, rep wal.SegmentReport, last bool) {
	if rep.Tail != wal.TailTorn {
		return
	}
	if last {
		c.say("log", "%s has a torn tail of %d bytes at file position %d, as a crash leaves it; the next start cuts it off", filepath.Base(path), rep.TornBytes, rep.EndPos)
		return
	}
	c.damaged("log", fmt.Errorf("%s: no record at file position %d (stream offset %d): %w; restore the file from a backup",
		filepath.Base(path), rep.EndPos, rep.Info.End, rep.TornCause))
}

// keyspace looks whether every file can be read, then rehearses a start. The rehearsal runs beside: if the scratch directory fails, or
// the store gives up, it never ends. It is left behind then, as the process ends next.
func (c *checker) keyspace(b *backlog.Backlog) {
	if !c.readFiles(filepath.Join(c.dir, "data", strconv.FormatUint(b.Generation(), 10))) {
		return
	}
	scratch, err := os.MkdirTemp("", "replogd-check-")
	if err != nil {
		c.unreadable("keyspace", fmt.Errorf("make a scratch directory: %w (%s)", err, scratchRemedy))
		return
	}
	defer func() { _ = os.RemoveAll(scratch) }() // a left-over in the temporary directory harms nobody
	noScratch, gaveUp, done := make(chan error, 1), make(chan error, 1), make(chan rehearsal, 1)
	fs := newScratchFS(vfs.Default, scratch, func(err error) { offer(noScratch, err) })
	go func() { done <- c.rehearse(b, fs, gaveUp) }()
	var r rehearsal
	select {
	case r = <-done:
	case r.err = <-gaveUp:
	case err := <-noScratch:
		c.unreadable("keyspace", fmt.Errorf("write to the scratch directory: %w (%s)", err, scratchRemedy))
		return
	}
	if r.err != nil {
		c.judge("keyspace", r.err)
		return
	}
	c.say("keyspace", "ok: %d keys, all read in %v, at offset %d with the log replayed", r.keys, r.took.Round(time.Millisecond), r.at)
}

const scratchRemedy = "the rehearsal needs about as much space as the part of the log that is to be replayed; set TMPDIR to a directory that has it"

// offer puts the first error into ch.
func offer(ch chan<- error, err error) {
	select {
	case ch <- err:
	default:
	}
}

// readFiles reads every file of a keyspace to its end. The rehearsal would do without those that no key leads to.
func (c *checker) readFiles(dir string) (ok bool) {
	ok = true
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a keyspace may be all in the log
		c.judge("keyspace", fmt.Errorf("list keyspace: %w", err))
		return false
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		if err := readFile(filepath.Join(dir, entry.Name())); err != nil {
			c.judge("keyspace", fmt.Errorf("read keyspace: %w", err))
			ok = false
		}
	}
	return ok
}

func readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	_, err = io.Copy(io.Discard, f)
	return err
}

// rehearsal is how a start went.
type rehearsal struct {
	keys int64
	took time.Duration
	at   uint64
	err  error
}

// rehearse opens the keyspace as a start would, on a scratch copy of nothing but what changes, and reads every key.
func (c *checker) rehearse(b *backlog.Backlog, fs vfs.FS, gaveUp chan<- error) (r rehearsal) {
	events := &eventKeeper{}
	e, err := engine.Open(context.Background(), engine.Options{
		FS: fs, Dir: c.dir, Backlog: b, Logger: slog.New(events), RowCacheBytes: -1, RowFilterBytes: -1,
		Fatal: func(err error) {
			offer(gaveUp, err)
			select {} // must not return; the process ends
		},
	})
	if err != nil {
		r.err = events.explain(nameTables(err, c.dir, b.Generation()))
		return r
	}
	start := time.Now()
	_, err = e.Digest(context.Background())
	for _, db := range e.DBStats() {
		r.keys += db.Keys
	}
	r.took, r.at = time.Since(start), e.Applied()
	_ = e.Close(context.Background()) // only the scratch directory is at stake
	if err != nil {
		r.err = events.explain(err)
	}
	return r
}
