package replica

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"replogd/backlog"
	"replogd/engine"
)

// A full sync by RDB, for replicas that are no replogd. The data set is read at one offset while everybody goes on; the cursor that is
// opened at that offset before the first byte leaves keeps the log behind it, so the stream continues what was sent, however long it took.

// eofMarkBytes is the length of the mark behind an RDB whose size nobody knows before its end.
const eofMarkBytes = 40

// rdbChunkBytes is how much of an RDB is written to the connection with one deadline.
const rdbChunkBytes = 64 << 10

// serveRDB sends the data set and then feeds the replica.
func (f *feed) serveRDB(v verdict, req psyncRequest) error {
	n := f.n
	most := n.settings().SnapshotMaxTransfers
	release, ok := n.snapshots.takeSlot(most)
	if !ok {
		v.line = fmt.Sprintf("-NOMASTERLINK busy: all %d transfers (repl-snapshot-max-transfers) are taken, try again", most)
		return f.sendAway(v)
	}
	defer release()
	n.log.Info("full sync", "replica", f.name, "reason", v.reason, "detail", v.detail, "by", "RDB")
	snap, c, id, err := f.snapshotAt()
	if err != nil {
		v.line = "-NOMASTERLINK " + printable(err.Error())
		return errors.Join(f.sendAway(v), err)
	}
	defer c.Close()
	defer snap.Close()
	n.counts.full.Add(1)
	f.become(func(pr *Progress) { pr.BecomeSnapshot("rdb", snap.Offset) })
	if !req.sync {
		if err := n.writeRaw(f.p.Conn, fmt.Appendf(nil, "+FULLRESYNC %s %d\r\n", id, snap.Offset)); err != nil {
			return err
		}
	}
	send := f.sendRDBOfSize
	if f.p.CapaEOF {
		send = f.sendRDBWithMark
	}
	began := time.Now()
	sent, err := send(snap, id)
	if err != nil {
		return fmt.Errorf("send RDB to replica: %w", err)
	}
	snap.Close()
	release()
	n.log.Info("RDB sent", "replica", f.name, "offset", snap.Offset, "bytes", sent, "took", time.Since(began).Round(time.Millisecond))
	if f.p.RDBOnly {
		return errInterrupted{"it asked for the RDB only, and has it"}
	}
	f.silent.Store(req.sync) // older than PSYNC: it acknowledges nothing
	return f.feedFrom(c, f.p.CapaEOF)
}

// snapshotAt takes a snapshot that is as safe as the policy says, and a cursor behind it.
func (f *feed) snapshotAt() (snap *engine.Snapshot, c *backlog.Cursor, id string, err error) {
	b := f.n.o.Backlog
	// The snapshot is at this offset or behind it: until there is a cursor, the pin keeps the log.
	pin, err := b.Pin(f.name, f.n.o.Engine.Applied())
	if err != nil {
		return nil, nil, "", fmt.Errorf("keep the log for an RDB: %w", err)
	}
	defer pin.Release()
	snap = f.n.o.Engine.Snapshot()
	ctx, cancel := context.WithTimeout(f.ctx, boundaryWait)
	defer cancel()
	if err := b.WaitSafe(ctx, snap.Offset); err != nil {
		snap.Close()
		return nil, nil, "", fmt.Errorf("the log is not written up to offset %d: %w", snap.Offset, err)
	}
	id = b.Current().ID
	c, r, detail, err := b.Continue(f.name, backlog.Pos{ID: id, Offset: snap.Offset})
	if err == nil && r != backlog.Accepted {
		err = fmt.Errorf("the log does not continue offset %d: %s", snap.Offset, detail)
	}
	if err != nil {
		snap.Close()
		return nil, nil, "", err
	}
	return snap, c, id, nil
}

// sendRDBWithMark sends the RDB as it is made, between a mark and the same mark.
func (f *feed) sendRDBWithMark(snap *engine.Snapshot, replid string) (sent int64, err error) {
	var raw [eofMarkBytes / 2]byte
	_, _ = rand.Read(raw[:]) // cannot fail
	mark := hex.EncodeToString(raw[:])
	if err := f.n.writeRaw(f.p.Conn, []byte("$EOF:"+mark+"\r\n")); err != nil {
		return 0, err
	}
	w := &rdbSender{f: f, lastLog: time.Now()}
	if err := snap.WriteRDB(f.ctx, w, replid); err != nil {
		return w.sent, err
	}
	return w.sent, f.n.writeRaw(f.p.Conn, []byte(mark))
}

// sendRDBOfSize writes the RDB to disk first, because its size comes before it.
func (f *feed) sendRDBOfSize(snap *engine.Snapshot, replid string) (sent int64, err error) {
	sp, err := f.spoolRDB(snap, replid)
	if err != nil {
		return 0, err
	}
	defer sp.Remove()
	if err := f.n.writeRaw(f.p.Conn, fmt.Appendf(nil, "$%d\r\n", sp.Size)); err != nil {
		return 0, err
	}
	w := &rdbSender{f: f, lastLog: time.Now(), total: sp.Size}
	_, err = io.CopyBuffer(w, onlyReader{sp.File}, make([]byte, rdbChunkBytes))
	if err == nil && w.sent != sp.Size {
		err = fmt.Errorf("the spooled RDB has %d bytes, not %d", w.sent, sp.Size)
	}
	return w.sent, err
}

// spoolRDB keeps the replica from timing out while the file is written.
func (f *feed) spoolRDB(snap *engine.Snapshot, replid string) (*engine.Spool, error) {
	return whileAlive(f, func(ctx context.Context) (*engine.Spool, error) { return snap.Spool(ctx, replid) }, (*engine.Spool).Remove)
}

// rdbSender writes to the replica, at the shared rate, each piece with a deadline of its own.
type rdbSender struct {
	f           *feed
	sent, total int64 // total is 0 where it is not known
	lastLog     time.Time
}

func (w *rdbSender) Write(p []byte) (written int, err error) {
	n := w.f.n
	for len(p) > 0 {
		piece := p[:min(len(p), rdbChunkBytes, n.chunkSize())]
		if err := n.limiter.WaitN(w.f.ctx, len(piece)); err != nil {
			return written, err
		}
		if err := n.writeRaw(w.f.p.Conn, piece); err != nil {
			return written, err
		}
		n.counts.netOutput.Add(uint64(len(piece)))
		written += len(piece)
		w.sent += int64(len(piece))
		p = p[len(piece):]
	}
	if time.Since(w.lastLog) >= progressLogPeriod {
		w.lastLog = time.Now()
		n.log.Info("sending RDB", "replica", w.f.name, "sent_bytes", w.sent, "total_bytes", w.total)
	}
	return written, nil
}
