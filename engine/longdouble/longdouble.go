package longdouble

import (
	"bytes"
	"math/big"
)

// Add returns the sum of two values that Parse returned. It is refused (ok false) when it is infinite or not a number.
func Add(a, b *big.Float) (sum *big.Float, ok bool) {
	if a.IsInf() || b.IsInf() {
		return nil, false
	}
	// Both are multiples of the smallest value, so a sum small enough to have fewer bits is exact: no second rounding.
	sum = newFloat().Add(a, b)
	return sum, sum.MantExp(nil) <= maxExp
}

// Append appends value, which is finite, with at most 17 digits behind the point, without an exponent and without zeros at the
// end. Zero of either sign is "0".
func Append(dst []byte, value *big.Float) []byte {
	start := len(dst)
	dst = value.Append(dst, 'f', 17)
	dst = bytes.TrimRight(dst, "0") // there is a point to stop at
	dst = bytes.TrimSuffix(dst, []byte("."))
	if string(dst[start:]) == "-0" {
		dst = append(dst[:start], '0')
	}
	return dst
}
