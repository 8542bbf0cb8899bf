package resp

import (
	"strconv"

	"github.com/tidwall/redcon"
)

// header writes a RESP3 aggregate or length header.
func (w *Writer) header(kind byte, n int) {
	w.buf = append(w.buf, kind)
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	w.buf = append(w.buf, '\r', '\n')
}

// Null writes the absence of a value.
func (w *Writer) Null() {
	if w.Proto == 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = redcon.AppendNull(w.buf)
}

// NullArray writes the absence of an array: *-1 in protocol 2, the one null in
// protocol 3.
func (w *Writer) NullArray() {
	if w.Proto == 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.Array(-1)
}

// Map begins a map; 2*pairs elements follow, keys and values in turn.
func (w *Writer) Map(pairs int) {
	if w.Proto == 3 {
		w.header('%', pairs)
		return
	}
	w.Array(2 * pairs)
}

// Set begins a set; n elements follow.
func (w *Writer) Set(n int) {
	if w.Proto == 3 {
		w.header('~', n)
		return
	}
	w.Array(n)
}

// Push begins out-of-band data; n elements follow.
func (w *Writer) Push(n int) {
	if w.Proto == 3 {
		w.header('>', n)
		return
	}
	w.Array(n)
}

// DoubleText writes a floating-point number that is text already.
func (w *Writer) DoubleText(text []byte) {
	if w.Proto == 3 {
		w.buf = append(w.buf, ',')
		w.buf = append(w.buf, text...)
		w.buf = append(w.buf, '\r', '\n')
		return
	}
	w.Bulk(text)
}

// Double writes a floating-point number; see AppendDouble for its form.
func (w *Writer) Double(f float64) {
	if w.Proto == 3 {
		w.buf = append(w.buf, ',')
		w.buf = AppendDouble(w.buf, f)
		w.buf = append(w.buf, '\r', '\n')
		return
	}
	var text [32]byte
	w.Bulk(AppendDouble(text[:0], f))
}

// BigNumber writes an integer of any size, given as decimal digits.
func (w *Writer) BigNumber(digits string) {
	if w.Proto == 3 {
		w.buf = append(w.buf, '(')
		w.buf = append(w.buf, digits...)
		w.buf = append(w.buf, '\r', '\n')
		return
	}
	w.BulkString(digits)
}

// Bool writes a truth value.
func (w *Writer) Bool(v bool) {
	switch {
	case w.Proto == 3 && v:
		w.buf = append(w.buf, "#t\r\n"...)
	case w.Proto == 3:
		w.buf = append(w.buf, "#f\r\n"...)
	case v:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Verbatim writes text for people. format has three letters: "txt" or "mkd".
func (w *Writer) Verbatim(format, s string) {
	if len(format) != 3 {
		panic("BUG: resp: format of a verbatim string is not three letters: " + format)
	}
	if w.Proto != 3 {
		w.BulkString(s)
		return
	}
	w.header('=', len(s)+4)
	w.buf = append(w.buf, format...)
	w.buf = append(w.buf, ':')
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, '\r', '\n')
}
