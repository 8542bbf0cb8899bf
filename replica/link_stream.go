package replica

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"replogd/engine/resp"
	"replogd/wal"
)

// stream receives the master's stream until the connection ends. Whole units are appended to the log, from where the engine applies
// them and our replicas are fed, neither waited for here. Bytes of a unit that never became whole were never appended: the next
// connection asks for them again.
//
// Crash argument: the log's end is the position. A crash loses unwritten records from the end on, and the next PSYNC asks from there.
func (s *session) stream() error {
	s.l.enter(linkConnected)
	s.l.setError("")
	b := s.n.o.Backlog
	s.n.log.Info("link to master up", "master", addr(s.l.host, s.l.port), "replogd", s.native, "replid", b.Current().ID, "offset", b.End())
	rx := &receiver{s: s, units: resp.NewUnitCutter(maxUnitBytes), pushed: make(chan struct{}, pushedSignalBacklog), acks: make(chan uint64, 1)}
	var helpers sync.WaitGroup
	helpers.Add(2)
	go func() { defer helpers.Done(); s.cancel(rx.pushLoop()) }()
	go func() { defer helpers.Done(); s.cancel(rx.ackLoop()) }()
	err := rx.receive()
	s.cancel(err)
	helpers.Wait()
	return context.Cause(s.ctx)
}

// receiver cuts the stream into units and appends them.
type receiver struct {
	s      *session
	units  *resp.UnitScanner
	batch  []byte        // data units not yet appended; at most maxRecordBytes
	pushed chan struct{} // something was appended
	acks   chan uint64   // acknowledge once applied up to there
}

func (rx *receiver) receive() error {
	buf := make([]byte, linkReadBytes)
	for {
		k, err := rx.s.r.Read(buf)
		if k > 0 {
			if err := rx.take(buf[:k]); err != nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
	}
}

// take appends all units that p completes.
func (rx *receiver) take(p []byte) error {
	rx.units.Feed(p)
	for {
		u, ok, err := rx.units.Next()
		if err != nil {
			return protocolErrorf("stream at offset %d: %v", rx.offset(), err)
		}
		if !ok {
			break
		}
		if err := rx.unit(u); err != nil {
			return err
		}
	}
	if err := rx.flush(); err != nil {
		return err
	}
	return rx.keepBounded()
}

// offset is the end of what was received as whole units.
func (rx *receiver) offset() uint64 { return rx.s.n.o.Backlog.End() + uint64(len(rx.batch)) }

func (rx *receiver) unit(u resp.Unit) error {
	switch {
	case rx.s.native && isKeepAlive(u):
		return nil // not part of the stream
	case u.GetAck:
		before := rx.offset()
		defer rx.acknowledge(before)
	}
	if u.Noop {
		if err := rx.flush(); err != nil {
			return err
		}
		return rx.append(wal.KindNoop, u.Raw)
	}
	if len(rx.batch)+len(u.Raw) > maxRecordBytes {
		if err := rx.flush(); err != nil {
			return err
		}
	}
	if len(u.Raw) > maxRecordBytes {
		return rx.append(wal.KindData, u.Raw)
	}
	rx.batch = append(rx.batch, u.Raw...)
	return nil
}

func isKeepAlive(u resp.Unit) bool {
	return len(u.Raw) == len(keepAlive) && string(u.Raw) == string(keepAlive)
}

func (rx *receiver) flush() error {
	if len(rx.batch) == 0 {
		return nil
	}
	err := rx.append(wal.KindData, rx.batch)
	rx.batch = rx.batch[:0]
	return err
}

// append adds a record. A full disk is waited out, with the units at hand and the socket unread: dropping them would only mean to
// fetch them again.
func (rx *receiver) append(kind wal.Kind, payload []byte) error {
	b := rx.s.n.o.Backlog
	for {
		_, err := b.Append(kind, payload)
		switch {
		case err == nil:
			select {
			case rx.pushed <- struct{}{}:
			default:
			}
			return nil
		case !errors.Is(err, wal.ErrDiskFull):
			return fmt.Errorf("append to log: %w", err)
		}
		if rx.s.l.setError(err.Error()) {
			rx.s.n.log.Error("log is full: the stream waits", "err", err)
		}
		if err := sleep(rx.s.ctx, diskFullRetryDelay); err != nil {
			return err
		}
	}
}

// keepBounded waits while more than maxUnwrittenBytes were received but not written: the master's side of the connection fills instead
// of our memory. How far the applier lags costs disk only, so it is not waited for.
func (rx *receiver) keepBounded() error {
	b := rx.s.n.o.Backlog
	end := b.End()
	if behind(end, b.Written()) <= maxUnwrittenBytes {
		return nil
	}
	if err := b.WaitSafe(rx.s.ctx, end-maxUnwrittenBytes); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// pushLoop sees to it that what was appended gets written, also when nobody else waits for it.
func (rx *receiver) pushLoop() error {
	b := rx.s.n.o.Backlog
	for {
		select {
		case <-rx.pushed:
			if err := b.WaitSafe(rx.s.ctx, b.End()); err != nil {
				return fmt.Errorf("write log: %w", err)
			}
		case <-rx.s.ctx.Done():
			return context.Cause(rx.s.ctx)
		}
	}
}

// acknowledge has an ACK sent as soon as everything before off is applied. A pending request for less is replaced.
func (rx *receiver) acknowledge(off uint64) {
	for {
		select {
		case rx.acks <- off:
			return
		default:
		}
		select {
		case <-rx.acks:
		default:
		}
	}
}

// ackLoop sends an ACK when the stream begins, every second, and as soon as what a GETACK asks for is applied.
func (rx *receiver) ackLoop() error {
	t := time.NewTicker(ackPeriod)
	defer t.Stop()
	for {
		if err := rx.sendAck(); err != nil {
			return err
		}
		select {
		case <-t.C:
		case off := <-rx.acks:
			if err := rx.waitApplied(off); err != nil {
				return err
			}
		case <-rx.s.ctx.Done():
			return context.Cause(rx.s.ctx)
		}
		if err := rx.s.n.o.Engine.ApplyError(); err != nil {
			return fmt.Errorf("%w: %w", errApplier, err)
		}
	}
}

// waitApplied waits for the applier, sending an ACK every getAckWait that it lasts: the master must not take a busy
// replica for a dead one.
func (rx *receiver) waitApplied(off uint64) error {
	e := rx.s.n.o.Engine
	for e.Applied() < off && e.ApplyError() == nil {
		ctx, cancel := context.WithTimeout(rx.s.ctx, getAckWait)
		err := e.WaitApplied(ctx, off)
		cancel()
		if rx.s.ctx.Err() != nil {
			return context.Cause(rx.s.ctx)
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("wait for the applier: %w", err)
		}
		if err != nil {
			if err := rx.sendAck(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendAck reports the applied offset and, to a replogd, the fsynced one.
func (rx *receiver) sendAck() error {
	n := rx.s.n
	args := []string{"REPLCONF", "ACK", strconv.FormatUint(n.o.Engine.Applied(), 10)}
	if rx.s.native {
		args = append(args, "FACK", strconv.FormatUint(n.o.Backlog.Synced(), 10))
	}
	if _, err := rx.s.conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		return fmt.Errorf("send ACK: %w", err)
	}
	return nil
}
