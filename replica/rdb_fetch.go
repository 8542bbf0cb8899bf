package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"replogd/backlog"
	"replogd/engine/resp"
)

const (
	rdbIncoming = "rdb"      // below Dir/incoming
	rdbFile     = "dump.rdb" // below that
	maxRDBLine  = 128        // "$EOF:" and a mark, or "$" and a size
)

// rdbFetch receives an RDB from a stock master.
type rdbFetch struct {
	s       *session
	dir     string // Dir/incoming/rdb
	size    int64  // -1: up to the mark
	mark    []byte
	read    int64
	began   time.Time
	lastLog time.Time
	keys    atomic.Int64 // loaded so far
}

// fullSyncRDB receives the data set of a stock master and has the engine adopt it. The RDB goes to disk as fast as it comes, so that the
// master's buffer for what is written meanwhile stays small however slowly it is loaded; it is loaded from there beside the old data, which is
// served until then; the stream waits in the connection. The file's checksum says whether it is whole.
//
// Crash argument. Until Engine.Adopt nothing outside Dir/incoming/rdb changes: a crash leaves the old data, and parts that the next full sync
// or change of role removes. Adopt leaves the old data or the new, which stands at the offset that the master named.
func (s *session) fullSyncRDB(a answer) error {
	n := s.n
	f := &rdbFetch{s: s, dir: n.o.FS.PathJoin(n.o.Dir, incomingDir, rdbIncoming), began: time.Now()}
	f.lastLog = f.began
	n.dropIncoming("")
	defer n.dropIncoming("")
	if err := n.o.FS.MkdirAll(f.dir, 0o755); err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	defer n.o.Engine.YieldCompactions()()
	if err := f.head(); err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	n.log.Info("full sync begins", "master", addr(s.l.host, s.l.port), "by", "RDB", "replid", a.replid, "offset", a.offset, "bytes", f.size)
	files := n.o.FS.PathJoin(f.dir, filesDir)
	received, err := f.receiveAndLoad(files, a.offset)
	if err != nil {
		return fmt.Errorf("full sync: %w", err)
	}
	hs := []backlog.History{{ID: a.replid}}
	if err := s.install(files, a.offset, hs); err != nil {
		return fmt.Errorf("full sync: install RDB: %w", err)
	}
	n.log.Info("full sync done", "by", "RDB", "offset", a.offset, "replid", a.replid, "bytes", f.read,
		"received_in", received.Round(time.Millisecond), "took", time.Since(f.began).Round(time.Millisecond))
	return nil
}

// head reads the line before the RDB, however long the master takes to make it: each of its line feeds starts the deadline anew.
func (f *rdbFetch) head() error {
	for {
		alive, err := resp.SkipKeepAlives(f.s.r)
		if err != nil {
			return fmt.Errorf("wait for the RDB: %w", err)
		}
		if !alive {
			break
		}
	}
	line, err := f.s.r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read the line before the RDB: %w", err)
	}
	text := strings.TrimRight(string(line), "\r\n")
	switch {
	case len(text) > maxRDBLine:
	case strings.HasPrefix(text, "-"):
		return masterError{"PSYNC", printable(text)}
	case strings.HasPrefix(text, "$EOF:") && len(text) == len("$EOF:")+eofMarkBytes:
		f.size, f.mark = -1, []byte(text[len("$EOF:"):])
		return nil
	case strings.HasPrefix(text, "$"):
		if size, err := strconv.ParseInt(text[1:], 10, 64); err == nil && size >= 0 {
			f.size = size
			return nil
		}
	}
	return protocolErrorf("bad line before the RDB: %q", clip(printable(text)))
}

// receiveAndLoad writes the RDB to its file and has the engine make a keyspace of it in dir meanwhile.
func (f *rdbFetch) receiveAndLoad(dir string, offset uint64) (received time.Duration, err error) {
	n, l := f.s.n, f.s.l
	l.syncTotal.Store(max(f.size, 0))
	l.syncRead.Store(0)
	l.syncLastIO.Store(time.Now().UnixNano())
	file, err := newGrowingFile(n.o.FS, n.o.FS.PathJoin(f.dir, rdbFile))
	if err != nil {
		return 0, err
	}
	loaded := make(chan error, 1)
	l.loadRead.Store(0)
	l.loadSince.Store(time.Now().UnixNano())
	defer l.loadSince.Store(0)
	go func() {
		err := n.o.Engine.LoadRDB(f.s.ctx, dir, file, offset, func(keys int64) { f.keys.Store(keys); l.loadRead.Store(file.readBytes()) })
		file.leave()
		loaded <- err
	}()
	receive := f.receiveSize
	if f.size < 0 {
		receive = f.receiveMarked
	}
	err = receive(file)
	received = time.Since(f.began)
	if err == nil {
		file.end(io.EOF)
	} else {
		file.end(err)
	}
	loadErr := f.s.busy(func() error { return f.awaitLoad(loaded) })
	cerr := file.close()
	switch {
	case err != nil && !errors.Is(err, errReaderLeft):
		return 0, fmt.Errorf("receive RDB: %w", err)
	case loadErr != nil:
		return 0, fmt.Errorf("%w: %w", ErrRDBTransfer, loadErr)
	}
	return received, cerr
}

// awaitLoad waits for the load and logs how it gets on.
func (f *rdbFetch) awaitLoad(loaded chan error) error {
	t := time.NewTicker(progressLogPeriod)
	defer t.Stop()
	for {
		select {
		case err := <-loaded:
			return err
		case <-t.C:
			f.s.n.log.Info("loading RDB", "keys", f.keys.Load())
		}
	}
}

func (f *rdbFetch) receiveSize(out io.Writer) error {
	buf := make([]byte, linkReadBytes)
	for f.read < f.size {
		k, err := f.s.r.Read(buf[:min(int64(len(buf)), f.size-f.read)])
		if err := f.take(out, buf[:k], k); err != nil {
			return err
		}
		if err != nil && f.read < f.size {
			return err
		}
	}
	return nil
}

// receiveMarked holds the last bytes back until it is clear whether they are the mark. The master sends nothing behind it before our ACK.
func (f *rdbFetch) receiveMarked(out io.Writer) error {
	buf := make([]byte, eofMarkBytes+linkReadBytes)
	held := 0
	for {
		k, err := f.s.r.Read(buf[held:])
		held += k
		if held >= eofMarkBytes && bytes.Equal(buf[held-eofMarkBytes:held], f.mark) {
			return f.take(out, buf[:held-eofMarkBytes], k)
		}
		if sure := held - eofMarkBytes; sure > 0 {
			if err := f.take(out, buf[:sure], k); err != nil {
				return err
			}
			held = copy(buf, buf[sure:held])
		}
		if err != nil {
			return err
		}
	}
}

// take writes bytes of the RDB; arrived is how many have come with them.
func (f *rdbFetch) take(out io.Writer, p []byte, arrived int) error {
	if len(p) > 0 {
		if _, err := out.Write(p); err != nil {
			return fmt.Errorf("write it to disk: %w", err)
		}
	}
	f.read += int64(len(p))
	l := f.s.l
	l.syncRead.Add(int64(arrived))
	now := time.Now()
	l.syncLastIO.Store(now.UnixNano())
	if now.Sub(f.lastLog) >= progressLogPeriod {
		f.lastLog = now
		f.s.n.log.Info("receiving RDB", "bytes", f.read, "of", f.size, "keys_loaded", f.keys.Load())
	}
	return nil
}
