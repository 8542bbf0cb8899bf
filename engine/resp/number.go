package resp

import (
	"math"
	"strconv"
)

// ParseInt reads a decimal integer as strictly as Redis does for lengths, for
// arguments and for the integer encoding of values: an optional '-', no '+', no
// spaces, no leading zeros, no "-0", within int64.
func ParseInt(b []byte) (int64, bool) {
	digits := b
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(b) == 1
	}
	var v uint64 // 19 digits fit: 10^19 < 2^64
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return 0, false
		}
		v = v*10 + uint64(c)
	}
	if negative {
		return int64(-v), v <= 1<<63 // two's complement on purpose: -v is right up to 2^63
	}
	return int64(v), v <= math.MaxInt64 // the second result says whether it fits
}

// ParseFloat reads a double as Redis does (strtod over the whole text): decimal
// or hexadecimal, optional sign and exponent, "inf" and "infinity" in any case.
// Not accepted: white space, an empty text, "nan", trailing bytes, numbers that
// overflow, and numbers other than zero that round to zero.
func ParseFloat(b []byte) (float64, bool) {
	num, ok := scanNumber(b)
	if !ok {
		return 0, false
	}
	if num.inf {
		return math.Inf(num.sign()), true
	}
	text := string(b)
	if num.hex && !num.exponent {
		text += "p0" // strconv insists on it
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || (f == 0 && !num.zero) {
		return 0, false
	}
	return f, true
}

// number is what scanNumber found.
type number struct {
	negative, inf, hex, exponent bool
	zero                         bool // all digits are 0
}

func (n number) sign() int {
	if n.negative {
		return -1
	}
	return 1
}

// scanNumber checks b against the grammar of C's strtod in the C locale, without
// leading space and NaN.
func scanNumber(b []byte) (n number, ok bool) {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		n.negative = b[0] == '-'
		b = b[1:]
	}
	if foldEqual(b, "inf") || foldEqual(b, "infinity") {
		n.inf = true
		return n, true
	}
	isDigit, exponentMark := isDecimal, "e"
	if len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x' {
		n.hex = true
		isDigit, exponentMark = func(c byte) bool { return hexValue(c) >= 0 }, "p"
		b = b[2:]
	}
	digits, dot := 0, false
	n.zero = true
	i := 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case isDigit(c):
			digits++
			n.zero = n.zero && c == '0'
			continue
		case c == '.' && !dot:
			dot = true
			continue
		}
		break
	}
	if digits == 0 {
		return n, false
	}
	if i == len(b) {
		return n, true
	}
	n.exponent = true
	if !foldEqual(b[i:i+1], exponentMark) {
		return n, false
	}
	b = b[i+1:]
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	for _, c := range b {
		if !isDecimal(c) {
			return n, false
		}
	}
	return n, len(b) > 0
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }
