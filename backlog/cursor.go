package backlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"replogd/wal"
)

// waitSlice is how long a waiting cursor sleeps at most before it looks again at the policy, its pin and its generation.
const waitSlice = time.Second

// Cursor reads the stream's bytes from an offset on: from the shared tail when near the end of the log, else from segments,
// with checksums verified. It is a Pin: it holds the log from the offset it will read next. It reads the generation it was
// opened in; after a switch it returns wal.ErrTrimmed for ever.
//
// One goroutine uses a cursor at a time. To stop a Read that waits, end its context. Memory per cursor is that of one
// wal.Reader while it reads segments, and next to nothing while it reads the tail.
type Cursor struct {
	b      *Backlog
	pin    *Pin
	off    uint64
	reader *wal.Reader // nil while reading the tail
	rec    []byte      // what is left of the reader's current record: the bytes at off
	closed bool
}

// OpenCursor opens a cursor that delivers the bytes after offset off; name is for INFO and the log. wal.ErrTrimmed when they
// are no longer retained, wal.ErrNotYet when off lies past End. It does not ask whose bytes those are: see Continue.
func (b *Backlog) OpenCursor(name string, off uint64) (*Cursor, error) {
	if end := b.End(); off > end {
		return nil, fmt.Errorf("open cursor for %s: offset %d, log ends at %d: %w", name, off, end, wal.ErrNotYet)
	}
	pin, err := b.Pin(name, off)
	if err != nil {
		return nil, err
	}
	b.tail.start(b.End())
	return &Cursor{b: b, pin: pin, off: off}, nil
}

// Offset is the stream offset of the next byte that Read returns.
func (c *Cursor) Offset() uint64 { return c.off }

// Lost reports whether retention or a generation switch has overtaken the cursor. A Read may still find what it needs.
func (c *Cursor) Lost() bool { return c.pin.Lost() }

// Close releases the pin and the file. Closing twice is harmless.
func (c *Cursor) Close() {
	c.closed = true
	c.closeReader()
	c.pin.Release()
}

// Read copies at least one safe byte into p, waiting for it, and moves on. It never returns bytes past Safe(). p must not be
// empty. Errors: the context's, wal.ErrTrimmed (the bytes were dropped, or the generation switched), wal.ErrFailed,
// *wal.CorruptionError (segment file and position), ErrClosed after Close.
func (c *Cursor) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, io.ErrShortBuffer
	}
	if c.closed {
		return 0, fmt.Errorf("read log for %s: %w", c.pin.name, ErrClosed)
	}
	safe, err := c.waitSafe(ctx)
	if err != nil {
		return 0, err
	}
	if n := safe - c.off; uint64(len(p)) > n {
		p = p[:n]
	}
	n := c.b.tail.read(p, c.off)
	if n > 0 {
		c.closeReader()
	} else if n, err = c.readSegments(p); err != nil {
		return 0, err
	}
	// Asked after the bytes were copied: a switch marks the pin before a byte of the new log can appear anywhere.
	if c.pin.gone.Load() {
		return 0, c.errGone()
	}
	c.off += uint64(n)
	c.pin.Move(c.off)
	return n, nil
}

// waitSafe waits for the byte at the cursor's offset and returns how far it is safe.
func (c *Cursor) waitSafe(ctx context.Context) (uint64, error) {
	for {
		if c.pin.gone.Load() {
			return 0, c.errGone()
		}
		if safe := c.b.Safe(); safe > c.off {
			// Returns at once. Asked because a log that has failed ships nothing any more.
			if err := c.b.WaitSafe(ctx, c.off+1); err != nil {
				return 0, err
			}
			return safe, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		slice, cancel := context.WithTimeout(ctx, waitSlice)
		err := c.b.WaitSafe(slice, c.off+1)
		cancel()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			return 0, err
		}
	}
}

func (c *Cursor) errGone() error {
	return fmt.Errorf("read log for %s: the dataset was replaced by a full sync: %w", c.pin.name, wal.ErrTrimmed)
}

func (c *Cursor) closeReader() {
	if c.reader != nil {
		_ = c.reader.Close() // nothing was written through it
	}
	c.reader, c.rec = nil, nil
}

// readSegments fills p, which asks for safe bytes only, from the log's files. The reader stays open between calls and goes on
// where it was; it is replaced only when the tail was read in between. An error after some bytes is left to the next call,
// which meets it again.
func (c *Cursor) readSegments(p []byte) (n int, err error) {
	for n < len(p) {
		if len(c.rec) == 0 {
			if c.rec, err = c.nextRecord(c.off + uint64(n)); err != nil {
				if n > 0 {
					return n, nil
				}
				return 0, err
			}
		}
		k := copy(p[n:], c.rec)
		c.rec = c.rec[k:]
		n += k
	}
	return n, nil
}

// nextRecord returns the bytes of the log's record at offset off, to its end.
func (c *Cursor) nextRecord(off uint64) ([]byte, error) {
	if c.reader == nil {
		r, err := c.b.log.NewReader(off)
		if err != nil {
			return nil, c.wrap(err)
		}
		c.reader = r
	}
	rec, err := c.reader.Next()
	switch {
	case errors.Is(err, io.EOF):
		// The byte at off is written, so this is a switch in progress or a broken promise of the log.
		return nil, c.wrap(fmt.Errorf("no record at offset %d although the log is written up to %d: %w",
			off, c.b.Written(), io.ErrUnexpectedEOF))
	case err != nil:
		return nil, c.wrap(err)
	case rec.Start != off:
		return nil, c.wrap(fmt.Errorf("record of offset %d where %d was due: %w", rec.Start, off, wal.ErrCorrupt))
	}
	return rec.Payload, nil
}

// wrap words an error of the log and drops the reader, whose position can no longer be trusted.
func (c *Cursor) wrap(err error) error {
	c.closeReader()
	if c.pin.gone.Load() {
		return c.errGone()
	}
	return fmt.Errorf("read log for %s at offset %d: %w", c.pin.name, c.off, err)
}
