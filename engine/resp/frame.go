package resp

import (
	"bytes"

	"github.com/tidwall/redcon"
)

// frame is the scanner's place in one array of bulk strings. Offsets count from
// the frame's first byte, so the frame may move in memory between two calls.
//
// INVARIANT: everything before pos has been checked, and pos never moves back;
// linePos >= pos is how far the search for the end of the current line went.
type frame struct {
	pos      int
	linePos  int
	argc     int   // arguments announced; 0 = the first line is not complete
	left     int   // arguments not yet passed
	bulk     int64 // length of the argument at pos; -1 = its length line is next
	name     int   // offset and length of the first argument, once known
	nameLen  int
	odd      bool // some terminator is not CRLF: Redis takes it, redcon does not
	nulFound bool // the current line holds a NUL: its end is never found
}

// frameRules is what scan holds a frame to.
type frameRules struct {
	Limits
	strict   bool // replication stream: exact CRLF, at least one argument
	maxFrame int  // strict only: bytes the frame may take in all
}

func (f *frame) reset() { *f = frame{bulk: -1} }

// scan goes on where the last call stopped. done means that buf[:f.pos] is one
// whole frame (argc 0: an empty command).
func (f *frame) scan(buf []byte, r *frameRules) (done bool, err *ProtocolError) {
	if f.argc == 0 {
		count, ok, err := f.length(buf, r, errMultibulkLength, errMultibulkLine)
		if !ok || err != nil {
			return false, err
		}
		switch {
		case count > int64(r.MaxArgs):
			return false, errMultibulkLength
		case r.Unauthenticated && count > UnauthenticatedMaxArgs:
			return false, errMultibulkUnauth
		case r.strict && count <= 0:
			return false, errStreamEmpty
		case r.strict && count > int64(r.maxFrame)/minArgBytes:
			return false, errStreamTooBig
		case count <= 0:
			return true, nil
		}
		f.argc, f.left = int(count), int(count)
	}
	for f.left > 0 {
		if f.bulk < 0 {
			if ok, err := f.bulkHeader(buf, r); !ok || err != nil {
				return false, err
			}
		}
		end := int64(f.pos) + f.bulk + 2 // at most MaxBulk beyond bytes in memory: no overflow
		if end > int64(len(buf)) {
			return false, nil
		}
		if buf[end-2] != '\r' || buf[end-1] != '\n' {
			if r.strict {
				return false, errStreamLineEnd
			}
			f.odd = true
		}
		if f.left == f.argc {
			f.name, f.nameLen = f.pos, int(f.bulk)
		}
		f.pos, f.linePos = int(end), int(end)
		f.bulk = -1
		f.left--
	}
	return true, nil
}

// bulkHeader reads the "$<length>" line at pos.
func (f *frame) bulkHeader(buf []byte, r *frameRules) (ok bool, err *ProtocolError) {
	start := f.pos
	// Redis looks at the first byte once the line is complete, before the number.
	invalid := errBulkLength
	if start < len(buf) && buf[start] != '$' {
		invalid = errExpectedBulk(buf[start])
	}
	n, ok, err := f.length(buf, r, invalid, errBulkLine)
	if err != nil || !ok {
		return false, err
	}
	switch {
	case buf[start] != '$':
		return false, invalid
	case n < 0 || n > r.MaxBulk:
		return false, errBulkLength
	case r.Unauthenticated && n > UnauthenticatedMaxBulk:
		return false, errBulkUnauth
	case r.strict && n > int64(r.maxFrame-f.pos-2):
		return false, errStreamTooBig
	}
	f.bulk = n
	return true, nil
}

// length reads the line at pos, a marker byte and a number, and moves behind it.
// ok is false while the line is incomplete.
func (f *frame) length(buf []byte, r *frameRules, invalid, tooLong *ProtocolError) (n int64, ok bool, err *ProtocolError) {
	// The usual case: up to 18 digits and CRLF, all there.
	if f.linePos == f.pos && f.pos < len(buf) && (buf[f.pos] == '$' || buf[f.pos] == '*') {
		i, v := f.pos+1, int64(0)
		for i < len(buf) && i-f.pos <= 18 && buf[i]-'0' <= 9 {
			v = v*10 + int64(buf[i]-'0')
			i++
		}
		if i+1 < len(buf) && i > f.pos+1 && buf[i] == '\r' && buf[i+1] == '\n' &&
			(buf[f.pos+1] != '0' || i == f.pos+2) {
			f.pos, f.linePos = i+2, i+2
			return v, true, nil
		}
	}
	cr, found, over := f.lineEnd(buf, '\r', r.MaxInline)
	if over {
		return 0, false, tooLong
	}
	if !found || cr+1 >= len(buf) {
		return 0, false, nil
	}
	if buf[cr+1] != '\n' {
		if r.strict {
			return 0, false, errStreamLineEnd
		}
		f.odd = true
	}
	// A line that is only a CR has no marker byte; Redis' parser sees an empty number.
	var digits []byte
	if cr > f.pos {
		digits = buf[f.pos+1 : cr]
	}
	n, ok = ParseInt(digits)
	if !ok {
		return 0, false, invalid
	}
	f.pos, f.linePos = cr+2, cr+2
	return n, true, nil
}

// lineEnd searches the line at pos for its end byte. over means that the line is
// longer than limit. The search stops for good at a NUL, as strchr does.
func (f *frame) lineEnd(buf []byte, end byte, limit int) (at int, found, over bool) {
	if !f.nulFound {
		// One byte more than the limit is enough to know that it is broken.
		window := buf[f.linePos:min(len(buf), f.pos+limit+1)]
		at = bytes.IndexByte(window, end)
		seen := window
		if at >= 0 {
			seen = window[:at]
		}
		if bytes.IndexByte(seen, 0) >= 0 {
			f.nulFound = true
		} else if at >= 0 {
			// Not linePos = at+1: the next call has to find the same end again.
			f.linePos += at
			return f.linePos, true, false
		}
		f.linePos += len(window)
	}
	return 0, false, len(buf)-f.pos > limit
}

// split cuts a complete frame into its arguments, appended to dst, which must
// have room for f.argc more. They alias raw.
func (f *frame) split(raw []byte, dst [][]byte) [][]byte {
	if f.odd {
		return splitOdd(raw, f.argc, dst)
	}
	complete, args, kind, rest, err := redcon.ReadNextCommand(raw, dst)
	if err != nil || !complete || kind != redcon.Redis || len(rest) != 0 || len(args) != f.argc {
		panic("BUG: resp: redcon does not accept a frame that the scanner found complete")
	}
	return args
}

// splitOdd is split for a frame with odd terminators. The frame has been
// scanned, so every length in it is good.
func splitOdd(raw []byte, argc int, dst [][]byte) [][]byte {
	line := func(pos int) (n, next int) {
		cr := pos + bytes.IndexByte(raw[pos:], '\r')
		v, ok := ParseInt(raw[pos+1 : cr])
		if !ok {
			panic("BUG: resp: bad length in a frame that the scanner found complete")
		}
		return int(v), cr + 2
	}
	_, pos := line(0)
	for range argc {
		n, next := line(pos)
		dst = append(dst, raw[next:next+n:next+n])
		pos = next + n + 2
	}
	return dst
}

// readCommand cuts one frame, known to be whole and strict, off raw. The
// arguments are written into dst's spare room if that is large enough.
func readCommand(raw []byte, dst [][]byte) (args [][]byte, rest []byte) {
	complete, args, kind, rest, err := redcon.ReadNextCommand(raw, dst)
	if err != nil || !complete || kind != redcon.Redis || len(args) == 0 {
		panic("BUG: resp: redcon does not accept a frame that the scanner found complete")
	}
	return args, rest
}
