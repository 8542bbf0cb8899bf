package resp

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/redcon"
)

// Writer appends replies to a growing buffer in the client's protocol. What a
// protocol 2 client gets in place of the types of protocol 3 is in the package
// comment. The zero value writes protocol 2. A Writer sets no bound on its
// buffer: the owner of the connection watches Bytes, and may take a long reply
// in portions while it is written (HandOut, Portion).
type Writer struct {
	// Proto is 3 after HELLO 3; any other value means protocol 2.
	Proto int
	// HandOut, if set, takes the beginning of what has been written, before the
	// rest of a long reply is: it returns how many bytes of p it has taken, and
	// more if it wants to be called again. An error ends the reply.
	HandOut func(p []byte) (taken int, more bool, err error)

	// Limit, if positive, bounds the length of a reply: Portion fails with ErrLong
	// once more than so many bytes are there, and the reply is taken back.
	Limit int

	buf  []byte
	base []byte      // what buf was before it became big; nil: it has not
	big  *largeReply // whose memory buf has since then, unless it has outgrown that too
	head []byte      // of the last bulk string: most of a reply have one length
	size int         // that length, of head
	out  int         // bytes handed out since Reset; buf follows them
	torn bool        // a reply was broken off, see Torn
}

// portion is how much is written between two calls of HandOut.
const portion = 256 << 10

// ErrLong is returned by Portion when Limit is passed.
var ErrLong = errors.New("resp: reply longer than its limit")

// Portion is called by whoever writes a long reply, between two elements of it:
// at times it hands out what there is. After an error nobody reads on.
func (w *Writer) Portion() error {
	if w.Limit > 0 && len(w.buf) > w.Limit {
		return ErrLong
	}
	if len(w.buf) < portion || w.HandOut == nil {
		return nil
	}
	taken, more, err := w.HandOut(w.buf)
	w.out += taken
	w.buf = w.buf[:copy(w.buf, w.buf[taken:])]
	if !more {
		w.HandOut = nil
	}
	w.torn = w.torn || err != nil
	return err
}

// Torn says that HandOut has failed, or that a reply was handed out in part and
// then taken back: the stream of replies has no continuation, and the connection
// must be closed.
func (w *Writer) Torn() bool { return w.torn }

// Bytes returns what has been written and not handed out, valid until the next
// append or Reset.
func (w *Writer) Bytes() []byte { return w.buf }

// Since returns what was written since Len was n; nil if some of it has been
// handed out.
func (w *Writer) Since(n int) []byte {
	if n < w.out {
		return nil
	}
	return w.buf[n-w.out:]
}

// Len returns the number of bytes written since Reset, handed out or not.
func (w *Writer) Len() int { return w.out + len(w.buf) }

// Truncate drops what was written after the first n bytes: to take back the
// replies of a run that was not made durable, or of CLIENT REPLY OFF.
func (w *Writer) Truncate(n int) {
	if n < w.out {
		n, w.torn = w.out, true
	}
	w.buf = w.buf[:n-w.out]
}

// Reset empties the buffer and keeps its memory up to 64 KiB; what it has taken
// beyond that others may use.
func (w *Writer) Reset() {
	w.out = 0
	if w.big != nil {
		largeReplies.Put(w.big)
		w.buf, w.base, w.big = w.base, nil, nil
	}
	if cap(w.buf) > maxKeptReply {
		w.buf = nil
		return
	}
	w.buf = w.buf[:0]
}

// largeReply is memory for a reply that is longer than what a Writer keeps. All
// Writers share what is not in use: else each long reply would leave garbage of
// twice its length behind.
type largeReply [512 << 10]byte

var largeReplies = sync.Pool{New: func() any { return new(largeReply) }}

// reserve makes room for n more bytes of a long reply.
func (w *Writer) reserve(n int) {
	need := len(w.buf) + n
	if need <= cap(w.buf) || need <= maxKeptReply/2 || need > len(largeReply{}) || w.big != nil {
		return // append sees to it
	}
	if need <= maxKeptReply {
		// What append would take may be more than Reset keeps, and then each long reply grows its buffer anew.
		w.buf = append(make([]byte, 0, maxKeptReply), w.buf...)
		return
	}
	w.big = largeReplies.Get().(*largeReply)
	w.base, w.buf = w.buf[:0], append(w.big[:0], w.buf...)
}

// Simple writes a simple string; CR and LF in it become spaces.
func (w *Writer) Simple(s string) { w.buf = redcon.AppendString(w.buf, s) }

// OK writes +OK.
func (w *Writer) OK() { w.buf = redcon.AppendOK(w.buf) }

// Error writes an error. s is the full text with its code and without '-', for
// example "ERR syntax error". CR and LF at its ends are dropped, within it they
// become spaces, as in Redis.
func (w *Writer) Error(s string) {
	w.buf = redcon.AppendError(w.buf, strings.Trim(s, "\r\n"))
}

// Int writes an integer.
func (w *Writer) Int(n int64) { w.buf = redcon.AppendInt(w.buf, n) }

// Bulk writes a bulk string; nil is the empty string, not Null. b is copied.
func (w *Writer) Bulk(b []byte) {
	if len(b) != w.size || len(w.head) == 0 {
		w.size, w.head = len(b), strconv.AppendInt(append(w.head[:0], '$'), int64(len(b)), 10)
		w.head = append(w.head, "\r\n"...)
	}
	w.reserve(len(w.head) + len(b) + len("\r\n"))
	w.buf = append(append(append(w.buf, w.head...), b...), "\r\n"...)
}

// BulkString is Bulk for a string.
func (w *Writer) BulkString(s string) { w.buf = redcon.AppendBulkString(w.buf, s) }

// BulkInt writes an integer as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var digits [20]byte
	w.Bulk(strconv.AppendInt(digits[:0], n, 10))
}

// Array begins an array; n elements follow.
func (w *Writer) Array(n int) { w.buf = redcon.AppendArray(w.buf, n) }

// Raw appends a reply that is already encoded. b is copied.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// AppendDouble appends f as Redis 7.0.15 prints a double in a reply: C's %.17g,
// with inf and -inf for the infinities.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}
