package replica

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/engine/resp"
)

// Names below Dir/incoming/<id>.
const (
	manifestName = "manifest" // the manifest's text, written first, whole or not at all
	progressName = "progress" // one line per file that is complete, verified and fsynced
	filesDir     = "files"    // what the engine adopts
)

// fetch receives one checkpoint. Files come in the manifest's order, so what is at hand is always: some whole files, and a
// part of the next.
type fetch struct {
	s    *session
	m    *manifest
	fs   vfs.FS
	dir  string // Dir/incoming/<id>
	done int    // whole files: durable, or in the spool's hands

	spool *spool // from open on

	file vfs.File // the one being received, nil between files
	pos  int64    // bytes of it received
	hash *xxhash.Digest

	began, lastLog time.Time
	resumedAt      int64
}

// fullSync receives the checkpoint and has the engine adopt it. The old data is served until then.
//
// Crash argument. While files arrive nothing outside Dir/incoming/<id> changes: a crash leaves the old data, and a part
// that the next connection goes on with if the leader still has the checkpoint, and else removes. A line of progress is written after
// its file was fsynced (settler), so it never promises more than the disk holds; a lost line costs that file again; bytes of the
// incomplete file that a power cut has spoilt show in its hash, and the file is fetched again. Every file and the directory are
// fsynced before Engine.Adopt, whose own switch leaves the old data or the new. A crash between that switch and the
// removal of Dir/incoming/<id> leaves a directory without files, which the next full sync or change of role removes.
func (s *session) fullSync(a answer) error {
	f := &fetch{s: s, fs: s.n.o.FS, began: time.Now()}
	f.lastLog = f.began
	defer f.closeFiles()
	defer s.n.o.Engine.YieldCompactions()()
	text, err := s.fetchManifest(a)
	if err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	if f.m, err = parseManifest(text); err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	if f.m.id != a.checkpoint || f.m.replid != a.replid || f.m.offset != a.offset {
		return protocolErrorf("full sync: the manifest is not of the checkpoint that was offered")
	}
	if err := s.busy(func() error { return f.open(text) }); err != nil {
		return fmt.Errorf("full sync: prepare %s: %w", f.dir, err)
	}
	s.n.log.Info("full sync begins", "master", addr(s.l.host, s.l.port), "checkpoint", f.m.id, "offset", f.m.offset,
		"files", len(f.m.files), "bytes", f.m.totalBytes(), "at_hand", f.resumedAt)
	err = f.receive()
	received := time.Since(f.began)
	if err == nil {
		err = s.confirm(f.m.id)
	}
	if errors.Is(err, errGivenUp) {
		f.closeFiles()
		s.n.dropIncoming("") // nobody will offer it again
	}
	if err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	if err := s.adopt(f); err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	s.n.log.Info("full sync done", "checkpoint", f.m.id, "offset", f.m.offset, "replid", f.m.replid,
		"bytes", f.m.totalBytes(), "received_in", received.Round(time.Millisecond), "took", time.Since(f.began).Round(time.Millisecond))
	return nil
}

func (s *session) fetchManifest(a answer) ([]byte, error) {
	if _, err := s.conn.Write(resp.AppendCommandStrings(nil, "MANIFEST")); err != nil {
		return nil, fmt.Errorf("ask for the manifest of %s: %w", a.checkpoint, err)
	}
	r, err := s.reply(maxManifestBytes + 64)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the manifest of %s: %w", a.checkpoint, err)
	case r.Kind == '-':
		return nil, masterError{"MANIFEST", printable(string(r.Str))}
	case r.Kind != '$' || r.Null:
		return nil, protocolErrorf("master answers MANIFEST with %q", r.Kind)
	}
	return r.Str, nil
}

// confirm asks the master whether it still holds the log behind the checkpoint. The old data is given up only for data that can
// be continued.
func (s *session) confirm(id string) error {
	if _, err := s.conn.Write(resp.AppendCommandStrings(nil, "READY")); err != nil {
		return fmt.Errorf("ask whether checkpoint %s can be continued: %w", id, err)
	}
	r, err := s.reply(maxMasterReply)
	switch {
	case err != nil:
		return fmt.Errorf("read whether checkpoint %s can be continued: %w", id, err)
	case r.Kind == '-':
		return fmt.Errorf("%w: %w", errGivenUp, masterError{"READY", printable(string(r.Str))})
	case r.Kind != '+' || string(r.Str) != "OK":
		return protocolErrorf("master answers READY with %q", clip(printable(string(r.Str))))
	}
	return nil
}

// busy runs work that sends nothing, with a line feed a second so that the master sees that we live.
func (s *session) busy(work func() error) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		t := time.NewTicker(keepAlivePeriod)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				// A broken connection shows at the next read; the work is worth finishing without it.
				_, _ = s.conn.Write([]byte{'\n'})
			}
		}
	}()
	err := work()
	close(stop)
	<-stopped
	return err
}

// open makes the directory ready: what is there of this very checkpoint is kept, everything else below incoming/ goes.
func (f *fetch) open(manifestText []byte) error {
	n := f.s.n
	f.dir = f.fs.PathJoin(n.o.Dir, incomingDir, f.m.id)
	n.dropIncoming(f.m.id)
	have, err := readAll(f.fs, f.fs.PathJoin(f.dir, manifestName), maxManifestBytes)
	if err != nil || string(have) != string(manifestText) {
		if err := f.begin(manifestText); err != nil {
			return err
		}
	}
	if err := f.loadProgress(); err != nil {
		return err
	}
	if err := f.enterFile(true); err != nil {
		return err
	}
	f.resumedAt = f.m.bytesBefore(f.done, f.pos)
	l := f.s.l
	l.syncTotal.Store(f.m.totalBytes())
	l.syncRead.Store(f.resumedAt)
	l.syncLastIO.Store(time.Now().UnixNano())
	return f.checkRoom()
}

// begin makes an empty directory with the manifest in it.
func (f *fetch) begin(manifestText []byte) error {
	if err := f.fs.RemoveAll(f.dir); err != nil {
		return err
	}
	if err := f.fs.MkdirAll(f.fs.PathJoin(f.dir, filesDir), 0o755); err != nil {
		return err
	}
	tmp := f.fs.PathJoin(f.dir, manifestName+".tmp")
	if err := writeSynced(f.fs, tmp, manifestText); err != nil {
		return err
	}
	if err := f.fs.Rename(tmp, f.fs.PathJoin(f.dir, manifestName)); err != nil {
		return err
	}
	return syncDir(f.fs, f.dir)
}

// loadProgress finds out how many files are whole: their lines are intact and in order, and the files have their sizes.
func (f *fetch) loadProgress() error {
	path := f.fs.PathJoin(f.dir, progressName)
	text, err := readAll(f.fs, path, maxManifestBytes)
	if err != nil {
		text = nil // none yet
	}
	var good []string
	for line := range strings.Lines(string(text)) {
		if f.done >= len(f.m.files) || line != progressLine(f.done, f.m) {
			break
		}
		want := f.m.files[f.done]
		info, err := f.fs.Stat(f.path(want.Name))
		if err != nil || info.Size() != want.Size {
			break
		}
		f.done++
		good = append(good, line)
	}
	// Written anew, so that no line of a file that has to be fetched again survives behind the good ones.
	progress, err := f.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	f.spool = newSpool(newSettler(f, progress, f.done))
	_, err = progress.Write([]byte(strings.Join(good, ""))) // before the settler has anything to write
	return err
}

// path is where the file of that name is received.
func (f *fetch) path(name string) string { return f.fs.PathJoin(f.dir, filesDir, name) }

// progressLine is "<index> <size> <name> <crc32c>\n".
func progressLine(index int, m *manifest) string {
	body := strconv.Itoa(index) + " " + strconv.FormatInt(m.files[index].Size, 10) + " " + m.files[index].Name
	return fmt.Sprintf("%s %08x\n", body, crc32.Checksum([]byte(body), castagnoli))
}

// enterFile opens the first file that is not whole. With resume it goes on behind what is there of it, which it hashes; without, the
// leader sends the file from its first byte.
func (f *fetch) enterFile(resume bool) error {
	f.pos = 0
	if f.done >= len(f.m.files) {
		return nil
	}
	want := f.m.files[f.done]
	path := f.path(want.Name)
	if info, err := f.fs.Stat(path); err == nil {
		if !resume || info.Size() > want.Size {
			if err := f.fs.Remove(path); err != nil {
				return err
			}
		} else {
			f.pos = info.Size()
		}
	}
	var err error
	if f.file, err = f.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return err
	}
	f.hash = xxhash.New()
	_, err = io.Copy(f.hash, io.NewSectionReader(f.file, 0, f.pos))
	return err
}

// checkRoom refuses a transfer that cannot fit beside the old data, before it fills the disk the log needs.
func (f *fetch) checkRoom() error {
	need := uint64(max(f.m.totalBytes()-f.resumedAt, 0)) // #nosec G115 -- not negative
	usage, err := f.fs.GetDiskUsage(f.s.n.o.Dir)
	if err != nil {
		return nil //nolint:nilerr // a file system that cannot tell: the writes will
	}
	if usage.AvailBytes < need {
		return fmt.Errorf("the checkpoint needs %d more bytes, %d are free: make room in %s (the old data stays until the new is complete)",
			need, usage.AvailBytes, f.s.n.o.Dir)
	}
	return nil
}

// receive asks for everything behind what is at hand, and checks and stores it.
func (f *fetch) receive() error {
	cmd := resp.AppendCommandStrings(nil, "FETCH", strconv.Itoa(f.done), strconv.FormatInt(f.pos, 10))
	if _, err := f.s.conn.Write(cmd); err != nil {
		return fmt.Errorf("ask for files: %w", err)
	}
	d := frameReader{r: f.s.r}
	for {
		if err := f.spool.failure(); err != nil {
			return err
		}
		if d.buf == nil {
			d.buf = f.spool.buffer()
		}
		fr, err := d.next()
		if err != nil {
			return fmt.Errorf("receive files, %d of %d whole: %w", f.done, len(f.m.files), err)
		}
		switch fr.kind {
		case frameChunk:
			if err = f.chunk(fr.payload); err == nil {
				d.buf = nil // the spool's
			}
		case frameFile:
			err = f.endFile(fr)
		case frameEnd:
			return f.s.busy(func() error { return f.finish(fr) })
		case frameStop:
			err = fmt.Errorf("%w: %s", errGivenUp, printable(string(fr.payload)))
		}
		if err != nil {
			return err
		}
	}
}

// chunk hashes p and hands it over.
func (f *fetch) chunk(p []byte) error {
	if f.file == nil || f.pos+int64(len(p)) > f.m.files[f.done].Size {
		return protocolErrorf("bytes past the end of file %d of %d", f.done, len(f.m.files))
	}
	_, _ = f.hash.Write(p) // cannot fail; before the write, which may change p
	f.spool.write(f.file, f.pos, p)
	f.pos += int64(len(p))
	l := f.s.l
	l.syncRead.Add(int64(len(p)))
	l.syncLastIO.Store(time.Now().UnixNano())
	if time.Since(f.lastLog) >= progressLogPeriod {
		f.lastLog = time.Now()
		f.s.n.log.Info("full sync goes on", "checkpoint", f.m.id, "bytes", l.syncRead.Load(), "of", f.m.totalBytes())
	}
	return nil
}

// endFile verifies the file and has it made durable while the next one comes.
func (f *fetch) endFile(fr frame) error {
	if fr.index != f.done || f.file == nil || f.pos != f.m.files[f.done].Size {
		return protocolErrorf("file %d ends where file %d is at byte %d", fr.index, f.done, f.pos)
	}
	name := f.m.files[f.done].Name
	if f.hash.Sum64() != fr.sum {
		// Whatever is wrong with it, the network or our disk: it is fetched again from its first byte.
		f.spool.finishWrites()
		err := f.file.Close()
		f.file = nil
		return errors.Join(fmt.Errorf("%w: checksum of file %q", ErrTransfer, name), err,
			f.fs.Remove(f.path(name)))
	}
	f.spool.settle(f.done, f.file)
	f.file = nil
	f.done++
	return f.enterFile(false)
}

// finish: nothing is missing, and all of it is durable.
func (f *fetch) finish(fr frame) error {
	if f.done != len(f.m.files) || fr.total != uint64(f.m.totalBytes()) { // #nosec G115 -- not negative
		return protocolErrorf("the transfer ends after %d of %d files", f.done, len(f.m.files))
	}
	if err := f.spool.wait(); err != nil {
		return err
	}
	if err := syncDir(f.fs, f.fs.PathJoin(f.dir, filesDir)); err != nil {
		return fmt.Errorf("make received files durable: %w", err)
	}
	return syncDir(f.fs, f.dir)
}

func (f *fetch) closeFiles() {
	// What is still open here is either incomplete, and checked again when it is resumed, or a hint.
	if f.spool != nil {
		f.spool.finishWrites()
	}
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
	if f.spool != nil {
		_ = f.spool.wait() // the files that are whole are worth keeping
	}
}

// adopt replaces the data set by a checkpoint that was received.
func (s *session) adopt(f *fetch) error {
	n := s.n
	err := s.install(f.fs.PathJoin(f.dir, filesDir), f.m.offset, f.m.histories)
	if err != nil && s.ctx.Err() != nil {
		return fmt.Errorf("install checkpoint %s: %w", f.m.id, err) // interrupted: it is as good as before
	}
	if rmErr := n.o.FS.RemoveAll(f.dir); rmErr != nil {
		n.log.Warn("cannot remove a received checkpoint; the next full sync tries again", "dir", f.dir, "err", rmErr)
	}
	if err != nil {
		return fmt.Errorf("install checkpoint %s: %w", f.m.id, err)
	}
	return nil
}

// install replaces the data set by files, which stand at offset. Our own replicas are sent away first: the log they are fed from is about to
// be replaced, at offsets that may mean other bytes. They come back to the new one.
func (s *session) install(files string, offset uint64, hs []backlog.History) error {
	n := s.n
	n.adopting.Store(true)
	defer n.adopting.Store(false)
	if err := n.feeds.drain(s.ctx, errInterrupted{"this node installs a full sync"}); err != nil {
		return err
	}
	n.snapshots.replaceDataSet()
	return s.busy(func() error { return n.o.Engine.Adopt(s.ctx, files, offset, hs) })
}

// resumable is the id of the checkpoint of which a part is at hand, "" if none.
func (n *Node) resumable() string {
	dir := n.o.FS.PathJoin(n.o.Dir, incomingDir)
	names, err := n.o.FS.List(dir)
	if err != nil {
		return "" // no such directory
	}
	sort.Strings(names)
	for _, name := range names {
		if !validSnapshotID(name) {
			continue
		}
		if _, err := n.o.FS.Stat(n.o.FS.PathJoin(dir, name, manifestName)); err == nil {
			return name
		}
	}
	return ""
}

// dropIncoming removes parts of checkpoints other than keep.
func (n *Node) dropIncoming(keep string) {
	dir := n.o.FS.PathJoin(n.o.Dir, incomingDir)
	names, err := n.o.FS.List(dir)
	if err != nil {
		return // no such directory
	}
	for _, name := range names {
		if name == keep {
			continue
		}
		if err := n.o.FS.RemoveAll(n.o.FS.PathJoin(dir, name)); err != nil {
			n.log.Warn("cannot remove a part of an old checkpoint", "dir", n.o.FS.PathJoin(dir, name), "err", err)
		}
	}
}

func readAll(fs vfs.FS, path string, most int64) ([]byte, error) {
	in, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // opened for reading
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("read %s: more than %d bytes", path, most)
	}
	return text, err
}

func writeSynced(fs vfs.FS, path string, text []byte) error {
	out, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = out.Write(append([]byte(nil), text...)) // Write may change its argument
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
