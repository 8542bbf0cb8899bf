package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/time/rate"

	"replogd/backlog"
	"replogd/engine/resp"
)

// serveCheckpoint gives the replica a checkpoint: +CHECKPOINT, then whatever it asks, until it asks to be fed. It returns that
// request, and the checkpoint, whose pin the caller keeps until the replica's own cursor is open.
func (f *feed) serveCheckpoint(v verdict) (*snapshot, psyncRequest, error) {
	n := f.n
	most := n.settings().SnapshotMaxTransfers
	release, ok := n.snapshots.takeSlot(most)
	if !ok {
		v.line = fmt.Sprintf("-NOMASTERLINK busy: all %d checkpoint transfers (repl-snapshot-max-transfers) are taken, try again", most)
		return nil, psyncRequest{}, f.sendAway(v)
	}
	defer release()
	defer n.o.Engine.YieldCompactions()()
	n.log.Info("full sync", "replica", f.name, "reason", v.reason, "detail", v.detail)
	snap, err := f.waitSnapshot(v.reason == reasonForced)
	if err != nil {
		v.line = "-NOMASTERLINK " + printable(err.Error())
		return nil, psyncRequest{}, errors.Join(f.sendAway(v), err)
	}
	m := snap.manifest
	if f.p.Snapshot != m.id {
		n.counts.full.Add(1) // a resumed transfer is the same full sync
	}
	f.become(func(pr *Progress) { pr.BecomeSnapshot(m.id, m.offset) })
	n.noteReplica(f, true)
	if err := n.writeRaw(f.p.Conn, fmt.Appendf(nil, "+CHECKPOINT %s %s %d\r\n", m.id, m.replid, m.offset)); err != nil {
		return snap, psyncRequest{}, err
	}
	req, err := f.answerSnapshot(snap, release)
	return snap, req, err
}

// waitSnapshot acquires a checkpoint and keeps the replica from timing out meanwhile. A fresh one is begun after the request: who asks for
// everything on purpose wants to get past what stands in the log now.
func (f *feed) waitSnapshot(fresh bool) (*snapshot, error) {
	var notBefore time.Time
	if fresh {
		notBefore = time.Now()
	}
	acquire := func(ctx context.Context) (*snapshot, error) {
		return f.n.snapshots.acquire(ctx, f.p.Snapshot, notBefore)
	}
	return whileAlive(f, acquire, f.n.snapshots.release)
}

// stillContinues checks that the stream behind the checkpoint can be sent: its bytes are held, and they follow it.
func (n *Node) stillContinues(snap *snapshot) error {
	if snap.cp.Lost() {
		return errLogTaken
	}
	pos := backlog.Pos{ID: snap.manifest.replid, Offset: snap.manifest.offset}
	if r, detail := n.o.Backlog.Check(pos); r != backlog.Accepted {
		return fmt.Errorf("the log does not continue the checkpoint any more: %s", detail)
	}
	return nil
}

// giveUp tells the replica why its full sync comes to nothing. It adopts nothing, keeps its data and comes again.
func (f *feed) giveUp(snap *snapshot, reason error, answer []byte) error {
	f.n.log.Warn("full sync given up", "replica", f.name, "id", snap.manifest.id, "offset", snap.manifest.offset, "reason", reason)
	_ = f.n.writeRaw(f.p.Conn, answer) // a courtesy: the end of the connection says enough
	return errInterrupted{reason.Error()}
}

// answerReady confirms, or not, that the replica may adopt what it has received.
func (f *feed) answerReady(snap *snapshot) error {
	if err := f.n.stillContinues(snap); err != nil {
		return f.giveUp(snap, err, errorReply("NOMASTERLINK "+printable(err.Error())))
	}
	return f.n.writeRaw(f.p.Conn, replyOK)
}

// answerSnapshot is the serving loop: MANIFEST, FETCH index byte, READY, and PSYNC id offset, which ends it.
func (f *feed) answerSnapshot(snap *snapshot, releaseSlot func()) (psyncRequest, error) {
	fetched := false
	for {
		args, err := f.readCommand(func() {})
		if err != nil {
			return psyncRequest{}, fmt.Errorf("read request of replica with checkpoint %s: %w", snap.manifest.id, err)
		}
		switch {
		case isCommand(args, "manifest") && len(args) == 1:
			w := resp.Writer{}
			w.Bulk(appendManifest(nil, snap.manifest))
			err = f.n.writeRaw(f.p.Conn, w.Bytes())
		case isCommand(args, "fetch") && len(args) == 3 && !fetched:
			fetched = true // once per connection: the slot is given back behind it
			err = f.answerFetch(snap, string(args[1]), string(args[2]))
			releaseSlot() // installing it may take long and needs nothing from us
		case isCommand(args, "ready") && len(args) == 1 && fetched:
			err = f.answerReady(snap)
		case isCommand(args, "psync") && len(args) == 3:
			off, err := parseOffset(string(args[2]))
			if err != nil {
				return psyncRequest{}, err
			}
			return psyncRequest{id: string(args[1]), offset: int64(off), afterCheckpoint: true}, nil // #nosec G115 -- below 2^63
		default:
			err = protocolErrorf("replica sends %q instead of asking for its checkpoint", clip(string(args[0])))
		}
		if err != nil {
			return psyncRequest{}, err
		}
	}
}

func isCommand(args [][]byte, name string) bool {
	return len(args) > 0 && strings.EqualFold(string(args[0]), name)
}

// answerFetch sends the files from byte pos of file index to the end, in one stream of frames.
func (f *feed) answerFetch(snap *snapshot, indexText, posText string) error {
	m := snap.manifest
	index, err := strconv.Atoi(indexText)
	if err != nil || index < 0 || index > len(m.files) {
		return protocolErrorf("FETCH of file %q of %d", clip(indexText), len(m.files))
	}
	pos, err := parseOffset(posText)
	if err != nil {
		return err
	}
	switch {
	case index == len(m.files) && pos != 0, index < len(m.files) && pos > uint64(m.files[index].Size): // #nosec G115 -- not negative
		return protocolErrorf("FETCH from byte %d of file %d, past its end", pos, index)
	}
	s := &fileSender{f: f, snap: snap, began: time.Now(), buf: make([]byte, chunkHeaderBytes+f.n.tune.chunkBytes)}
	s.lastLog = s.began
	err = s.run(index, int64(pos)) // #nosec G115 -- at most the file's size
	if errors.Is(err, errLogTaken) {
		return f.giveUp(snap, errLogTaken, appendStopFrame(nil, raiseBacklogMax))
	}
	return err
}

// fileSender sends a checkpoint's files. Its memory is one chunk.
type fileSender struct {
	f              *feed
	snap           *snapshot
	buf            []byte
	sent           int64
	began, lastLog time.Time
}

func (s *fileSender) run(index int, pos int64) error {
	m := s.snap.manifest
	for i := index; i < len(m.files); i++ {
		if err := s.file(i, pos); err != nil {
			return fmt.Errorf("send file %q of checkpoint %s: %w", m.files[i].Name, m.id, err)
		}
		pos = 0
	}
	if s.snap.cp.Lost() {
		return errLogTaken
	}
	total := m.totalBytes()
	if err := s.f.n.writeRaw(s.f.p.Conn, appendEndFrame(nil, uint64(total))); err != nil { // #nosec G115 -- not negative
		return err
	}
	s.f.n.log.Info("checkpoint sent", "replica", s.f.name, "id", m.id, "bytes", s.sent, "of", total, "took", time.Since(s.began).Round(time.Millisecond))
	return nil
}

// file sends bytes from pos on, and the hash of the whole file: for that the bytes before pos are read again here.
func (s *fileSender) file(i int, pos int64) error {
	n, want := s.f.n, s.snap.manifest.files[i]
	in, err := n.o.FS.Open(n.o.FS.PathJoin(s.snap.cp.Dir, want.Name), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened for reading
	hash := xxhash.New()
	if _, err := io.CopyBuffer(hash, io.LimitReader(onlyReader{in}, pos), s.buf); err != nil {
		return err
	}
	for pos < want.Size {
		if s.snap.cp.Lost() {
			return errLogTaken
		}
		size := min(int64(n.chunkSize()), want.Size-pos)
		chunk := s.buf[:chunkHeaderBytes+size]
		if _, err := io.ReadFull(in, chunk[chunkHeaderBytes:]); err != nil {
			return fmt.Errorf("read at %d of %d: %w", pos, want.Size, err)
		}
		_, _ = hash.Write(chunk[chunkHeaderBytes:]) // cannot fail
		putChunk(chunk)
		if err := n.limiter.WaitN(s.f.ctx, int(size)); err != nil {
			return err
		}
		if err := n.writeRaw(s.f.p.Conn, chunk); err != nil {
			return err
		}
		n.counts.netOutput.Add(uint64(size)) // #nosec G115 -- positive
		pos += size
		s.sent += size
		s.logProgress()
	}
	return n.writeRaw(s.f.p.Conn, appendFileFrame(nil, i, hash.Sum64()))
}

// chunkSize renews the shared rate limit and keeps chunks small under a low one, so that each of them is sent within a fraction of
// a second and the replica sees a live link.
func (n *Node) chunkSize() int {
	size, limit := n.tune.chunkBytes, rate.Inf
	if bps := n.settings().SnapshotRateLimit; bps > 0 {
		limit = rate.Limit(bps)
		size = int(min(int64(size), max(bps/4, minChunkBytes)))
	}
	if n.limiter.Limit() != limit {
		n.limiter.SetLimit(limit)
		if limit != rate.Inf {
			n.limiter.AllowN(time.Now(), maxChunkBytes) // no burst saved up from the time without a limit
		}
	}
	return min(size, n.tune.chunkBytes)
}

func (s *fileSender) logProgress() {
	if time.Since(s.lastLog) < progressLogPeriod {
		return
	}
	s.lastLog = time.Now()
	s.f.n.log.Info("sending checkpoint", "replica", s.f.name, "id", s.snap.manifest.id, "sent_bytes", s.sent, "total_bytes", s.snap.manifest.totalBytes())
}

// onlyReader hides a file's other methods from io.CopyBuffer, which would use a buffer of its own.
type onlyReader struct{ io.Reader }
