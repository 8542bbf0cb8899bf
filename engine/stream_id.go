package engine

import (
	"bytes"
	"math"
	"strconv"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

const errStreamID = "ERR Invalid stream ID specified as stream command argument"

// maxStreamIDText is the longest text that Redis takes for an id.
const maxStreamIDText = 127

// parseStreamID reads "ms" or "ms-seq"; seq is what a missing one means. Unless strict, "-" and "+" are the lowest and the highest id.
func parseStreamID(arg []byte, seq uint64, strict bool) (id keys.StreamID, ok bool) {
	id, auto, ok := parseStreamIDAuto(arg, seq, strict)
	return id, ok && !auto
}

// parseStreamIDAuto is parseStreamID that also takes "ms-*": auto is true then.
func parseStreamIDAuto(arg []byte, seq uint64, strict bool) (id keys.StreamID, auto, ok bool) {
	if len(arg) > maxStreamIDText {
		return id, false, false
	}
	arg = cString(arg)
	if len(arg) == 1 && (arg[0] == '-' || arg[0] == '+') {
		if arg[0] == '+' {
			id = keys.MaxStreamID
		}
		return id, false, !strict
	}
	ms, rest, has := bytes.Cut(arg, []byte{'-'})
	if id.Ms, ok = parseUnsigned(ms); !ok {
		return id, false, false
	}
	id.Seq = seq
	switch {
	case !has:
		return id, false, true
	case len(rest) == 1 && rest[0] == '*':
		id.Seq = 0
		return id, true, true
	}
	id.Seq, ok = parseUnsigned(rest)
	return id, false, ok
}

// parseUnsigned reads a number as Redis' string2ull: strictly if it fits in 63 bits, else as C's strtoull.
func parseUnsigned(arg []byte) (uint64, bool) {
	if n, ok := resp.ParseInt(arg); ok {
		return uint64(n), n >= 0
	}
	text := bytes.TrimLeft(arg, " \t\n\v\f\r")
	negative := len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// argStreamID reads args[i] as an id, or answers the error.
func (c *call) argStreamID(i int) (id keys.StreamID, ok bool) {
	id, ok = parseStreamID(c.args[i], 0, true)
	if !ok {
		c.w.Error(errStreamID)
	}
	return id, ok
}

// argInterval reads the two ends of a range of ids, "(" before one leaves it out; or answers the error.
func (c *call) argInterval(low, high int) (first, last keys.StreamID, ok bool) {
	first, out, ok := c.argIntervalEnd(low, 0)
	if !ok {
		return first, last, false
	}
	if out {
		if first, ok = first.Next(); !ok {
			c.w.Error("ERR invalid start ID for the interval")
			return first, last, false
		}
	}
	last, out, ok = c.argIntervalEnd(high, math.MaxUint64)
	if !ok {
		return first, last, false
	}
	if out {
		if last, ok = last.Prev(); !ok {
			c.w.Error("ERR invalid end ID for the interval")
			return first, last, false
		}
	}
	return first, last, true
}

func (c *call) argIntervalEnd(i int, seq uint64) (id keys.StreamID, exclusive, ok bool) {
	arg := c.args[i]
	if len(arg) > 1 && arg[0] == '(' {
		exclusive, arg = true, arg[1:]
	}
	id, ok = parseStreamID(arg, seq, exclusive)
	if !ok {
		c.w.Error(errStreamID)
	}
	return id, exclusive, ok
}
