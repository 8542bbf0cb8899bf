package backlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	bolt "go.etcd.io/bbolt"

	"replogd/wal"
)

// Severity of a Finding.
type Severity uint8

// Severities, in growing order.
const (
	Note    Severity = iota // as it should be after a crash; the next start deals with it
	Warning                 // worth knowing; the server starts
	Damage                  // the server refuses to start, or would fail when it reads there
)

// String is a lower-case word.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	default:
		return "damage"
	}
}

// Finding is one thing that Inspect has to say.
type Finding struct {
	Severity Severity
	File     string
	Offset   int64 // position in File, -1 when it is about the whole file
	Text     string
	Remedy   string // what to do, "" when nothing is
}

// Report is what Inspect found. Fields about meta.db are zero when it could not be read.
type Report struct {
	NodeID     string
	Generation uint64
	Histories  []History
	Role       string // that the last run ended in
	Clean      bool   // the last run ended with a clean shutdown
	LostTail   bool   // the next leader must begin a new history

	Segments   int
	Records    uint64 // that are whole
	Start, End uint64 // of the log, as far as it is whole
	Findings   []Finding
}

// Worst is the highest severity found; Note when there is nothing to say.
func (r *Report) Worst() Severity {
	worst := Note
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

func (r *Report) add(s Severity, file string, offset int64, remedy, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Severity: s, File: file, Offset: offset, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

const (
	remedySegment = "nothing was changed; restore the file from a copy, or, on a replica, move the data directory away and start " +
		"again for a full sync"
	remedyStop = "stop that process first: only the log is checked below, as far as it was written just now"
)

// Inspect reads meta.db and every record of every segment below dir and reports all it finds wrong, going on past damage
// where it can. It changes nothing and takes no lock; a running server is noticed. fs nil and metaPath "" have the defaults
// of Options. The error is ctx's; whatever else goes wrong is a finding.
func Inspect(ctx context.Context, fs vfs.FS, dir, metaPath string) (*Report, error) {
	o := Options{FS: fs, Dir: dir, MetaPath: metaPath}
	o.ensureDefaults()
	r := &Report{}
	st := r.inspectMeta(o.MetaPath)
	if err := r.inspectLog(ctx, o.FS, o.FS.PathJoin(o.Dir, walDir), st); err != nil {
		return r, fmt.Errorf("inspect log: %w", err)
	}
	return r, nil
}

func (r *Report) inspectMeta(path string) *metaState {
	if _, err := os.Stat(path + tempSuffix); err == nil {
		r.add(Note, path+tempSuffix, -1, "", "left by a crash while meta.db was first made; the next start removes it")
	}
	if _, err := os.Stat(path); err != nil {
		r.add(Damage, path, -1, "check that this is a data directory; restore meta.db from a backup", "meta.db cannot be opened: %v", err)
		return nil
	}
	s, err := openMeta(path, true)
	var locked *LockedError
	if errors.As(err, &locked) {
		r.add(Warning, filepath.Join(locked.Dir, lockName), -1, remedyStop, "the directory is in use by process %d", locked.PID)
		return nil
	}
	if err != nil {
		r.addMetaError(path, err)
		return nil
	}
	defer func() { _ = s.close() }()
	st, err := s.load()
	if err != nil {
		r.addMetaError(path, err)
		return nil
	}
	r.NodeID, r.Generation, r.Histories = st.node, st.gen.gen, slices.Clone(st.lineage.hs)
	r.Role, r.Clean = st.run.role.String(), st.run.clean
	r.LostTail = st.run.lostTailNext()
	for _, text := range st.dropped {
		r.add(Warning, path, -1, "none: it is made anew when the replica comes back", "damaged note of replica %s", text)
	}
	r.inspectPages(s)
	return st
}

func (r *Report) addMetaError(path string, err error) {
	var me *MetaError
	if errors.As(err, &me) {
		r.add(Damage, path, -1, me.Remedy, "%s: %v", me.Op, me.Err)
		return
	}
	r.add(Damage, path, -1, remedyDamaged, "%v", err)
}

// inspectPages has bbolt check its own pages, and looks for keys that this version does not know. Values are whole already.
func (r *Report) inspectPages(s *metaStore) {
	known := []string{keyFormat, keyNode, keyGeneration, keyHistories, keyRun}
	err := s.view(func(tx *bolt.Tx) error {
		// All problems are drained: bbolt's checker blocks else.
		for err := range tx.Check() {
			r.add(Warning, s.path, -1, "back up the directory; the values are readable now, but a later write may fail", "page structure: %v", err)
		}
		err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if n := string(name); n != bucketMeta && n != bucketReplicas {
				r.add(Warning, s.path, -1, "", "unknown bucket %q", n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).ForEach(func(k, _ []byte) error {
			if !slices.Contains(known, string(k)) {
				r.add(Warning, s.path, -1, "", "unknown value %q", k)
			}
			return nil
		})
	})
	if err != nil {
		r.addMetaError(s.path, err)
	}
}

func (r *Report) inspectLog(ctx context.Context, fs vfs.FS, dir string, st *metaState) error {
	paths, err := listSegments(fs, dir)
	if err != nil {
		r.add(Damage, dir, -1, "check permissions and the disk", "log segments cannot be listed: %v", err)
		return nil
	}
	w := segmentWalk{r: r, fs: fs, st: st}
	for i, p := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.one(ctx, p, i == len(paths)-1)
	}
	if st != nil && r.End < st.run.floor && !w.broken && w.any {
		r.add(Damage, dir, -1, remedySegment, "the log ends at offset %d, but it was fsynced up to %d: segments were removed or cut", r.End, st.run.floor)
	}
	if st != nil && !w.any && st.run.floor > st.gen.start {
		r.add(Damage, dir, -1, remedySegment, "there is no log, but it was fsynced up to offset %d", st.run.floor)
	}
	return ctx.Err()
}

// segmentWalk goes over the segments in order.
type segmentWalk struct {
	r      *Report
	fs     vfs.FS
	st     *metaState // nil: unknown
	any    bool       // a segment of the current generation was seen
	broken bool       // the last one was damaged: its end is not known
	epoch  uint32
}

func (w *segmentWalk) one(ctx context.Context, path string, last bool) {
	r := w.r
	rep, err := wal.VerifySegment(w.fs, path, func(rec wal.Record) error {
		if rec.Epoch < w.epoch {
			r.add(Warning, path, rec.FilePos, "", "record of epoch %d after epoch %d", rec.Epoch, w.epoch)
		}
		w.epoch = max(w.epoch, rec.Epoch)
		return ctx.Err()
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil && last && allZero(w.fs, path) {
		r.add(Note, path, -1, "", "left by a crash while the segment was made; the next start removes it")
		return
	}
	r.Segments++
	r.Records += rep.Records
	if w.st != nil && err == nil && !w.generation(path, rep.Info) {
		return
	}
	if !w.any {
		r.Start = rep.Info.Start
	} else if !w.broken && rep.Info.Start != r.End {
		r.add(Damage, path, 0, remedySegment, "the segment begins at offset %d, the one before ends at %d: segments are missing or overlap",
			rep.Info.Start, r.End)
	}
	w.any, w.broken, r.End = true, err != nil, rep.Info.End
	switch {
	case err != nil:
		w.damaged(path, err)
	case rep.Tail == wal.TailTorn && last:
		r.add(Note, path, rep.EndPos, "", "torn tail of %d bytes after offset %d (%v); the next start cuts it", rep.TornBytes, rep.Info.End, rep.TornCause)
	case rep.Tail == wal.TailTorn:
		w.broken = true
		r.add(Damage, path, rep.EndPos, remedySegment, "no record at offset %d although the segment is not the last: %v", rep.Info.End, rep.TornCause)
	}
	if w.st != nil && err == nil {
		if text := w.st.lineage.disowns(rep.Info.Epoch, rep.Info.History); text != "" {
			r.add(Damage, path, 0, remedyStale, "%s", text)
		}
	}
}

func (w *segmentWalk) damaged(path string, err error) {
	var ce *wal.CorruptionError
	if errors.As(err, &ce) {
		w.r.add(Damage, path, ce.Offset, remedySegment, "damaged at stream offset %d: %v", ce.Stream, ce.Err)
		return
	}
	remedy := "check permissions and the disk"
	if errors.Is(err, wal.ErrVersion) {
		remedy = remedyNewer
	}
	w.r.add(Damage, path, -1, remedy, "%v", err)
}

// generation reports whether the segment is of the current generation.
func (w *segmentWalk) generation(path string, info wal.SegmentInfo) bool {
	switch cur := w.st.gen.gen; {
	case info.Generation < cur:
		w.r.add(Note, path, -1, "", "of generation %d, superseded by a full sync (now %d); the next start removes it", info.Generation, cur)
		return false
	case info.Generation > cur:
		w.r.add(Damage, path, -1, remedyStale, "of generation %d, but meta.db knows only %d", info.Generation, cur)
		return false
	}
	return true
}

// allZero reports whether a file holds nothing but zeros.
func allZero(fs vfs.FS, path string) bool {
	f, err := fs.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 64<<10)
	for {
		n, err := f.Read(b)
		for _, c := range b[:n] {
			if c != 0 {
				return false
			}
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
