package longdouble

import "math/big"

const (
	precision = 64     // bits of the significand
	maxExp    = 16384  // finite values are below 2^maxExp
	minExp    = -16382 // values below 2^minExp have fewer bits
	minBit    = -16445 // 2^minBit is the smallest value above zero

	// MaxText is the number of bytes from which a text is refused, whatever it says.
	MaxText = 5 * 1024

	// Exponents are cut off here while they are read: no text within MaxText can bring such a value back into range.
	exponentCap = 1 << 20
	// Decimal values of 10^maxDigits and above, or below 10^minDigits, are far out of range.
	maxDigits = 4940
	minDigits = -4960
)

// Parse reads a number as Redis' string2ld does: sign, decimal or hexadecimal digits, exponent, or the word inf or infinity,
// and nothing else around it. The value is rounded to a long double. It is refused (ok false) when it is too large, when it is
// not zero but rounds to it, when it is not a number, and when it has MaxText bytes or more. The result may be infinite.
func Parse(s []byte) (value *big.Float, ok bool) {
	if len(s) == 0 || len(s) >= MaxText {
		return nil, false
	}
	negative := false
	if s[0] == '+' || s[0] == '-' {
		negative = s[0] == '-'
		s = s[1:]
	}
	switch {
	case isFold(s, "inf"), isFold(s, "infinity"):
		return newFloat().SetInf(negative), true
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x':
		value, ok = parseHex(s[2:])
	default:
		value, ok = parseDecimal(s)
	}
	if ok && negative {
		value.Neg(value)
	}
	return value, ok
}

func newFloat() *big.Float { return new(big.Float).SetPrec(precision).SetMode(big.ToNearestEven) }

// isFold reports whether s is word (lower-case letters) in any case.
func isFold(s []byte, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i, b := range s {
		if b|0x20 != word[i] {
			return false
		}
	}
	return true
}

// parseDecimal reads digits[.digits][e[+-]digits].
func parseDecimal(s []byte) (*big.Float, bool) {
	digits, scale, rest, ok := splitDigits(s, isDecimal)
	if !ok {
		return nil, false
	}
	exponent, ok := parseExponent(rest, 'e')
	if !ok {
		return nil, false
	}
	if len(digits) == 0 {
		return newFloat(), true
	}
	exponent -= scale
	if magnitude := len(digits) + exponent; magnitude > maxDigits || magnitude < minDigits {
		return nil, false
	}
	mantissa, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return nil, false
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent >= 0 {
		return round(mantissa.Mul(mantissa, power), big.NewInt(1), 0)
	}
	return round(mantissa, power, 0)
}

// parseHex reads what follows 0x: hexdigits[.hexdigits][p[+-]digits].
func parseHex(s []byte) (*big.Float, bool) {
	digits, scale, rest, ok := splitDigits(s, isHex)
	if !ok {
		return nil, false
	}
	exponent, ok := parseExponent(rest, 'p')
	if !ok {
		return nil, false
	}
	if len(digits) == 0 {
		return newFloat(), true
	}
	mantissa, ok := new(big.Int).SetString(string(digits), 16)
	if !ok {
		return nil, false
	}
	return round(mantissa, big.NewInt(1), exponent-4*scale)
}

func isDecimal(b byte) bool { return b >= '0' && b <= '9' }

func isHex(b byte) bool { return isDecimal(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

// splitDigits takes digits with at most one point off the front of s. It returns them without the point and without leading
// zeros, how many stood behind the point, and the rest. There must be at least one digit.
func splitDigits(s []byte, isDigit func(byte) bool) (digits []byte, scale int, rest []byte, ok bool) {
	digits = make([]byte, 0, len(s))
	point := false
	for len(s) > 0 {
		switch {
		case isDigit(s[0]):
			ok = true
			if point {
				scale++
			}
			if s[0] != '0' || len(digits) > 0 {
				digits = append(digits, s[0])
			}
		case s[0] == '.' && !point:
			point = true
		default:
			return digits, scale, s, ok
		}
		s = s[1:]
	}
	return digits, scale, nil, ok
}

// parseExponent reads an exponent behind mark, or nothing. Large ones are cut off at exponentCap.
func parseExponent(s []byte, mark byte) (exponent int, ok bool) {
	if len(s) == 0 {
		return 0, true
	}
	if s[0]|0x20 != mark {
		return 0, false
	}
	s = s[1:]
	negative := false
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	for _, b := range s {
		if !isDecimal(b) {
			return 0, false
		}
		exponent = min(exponent*10+int(b-'0'), exponentCap)
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

// round returns num/den * 2^shift as a long double, rounded once, from the exact quotient. num and den are above zero.
func round(num, den *big.Int, shift int) (*big.Float, bool) {
	a, b := new(big.Float).SetInt(num), new(big.Float).SetInt(den) // exact: their precision is their size
	a.SetMantExp(a, shift)
	value := newFloat().Quo(a, b)
	exponent := value.MantExp(nil) // value is in [2^(exponent-1), 2^exponent)
	if exponent > maxExp {
		return nil, false
	}
	if exponent > minExp {
		return value, true
	}
	switch bits := exponent - minBit; {
	case bits > 0:
		// From the exact operands again: rounding what has been rounded can be off by one.
		value = newFloat().SetPrec(uint(bits)).Quo(a, b)
		return value.SetPrec(precision), true
	case bits == 0 && (value.MinPrec() > 1 || value.Acc() == big.Below):
		// Above half of the smallest value; half of it exactly would go to even, which is zero.
		return newFloat().SetMantExp(big.NewFloat(1), minBit), true
	default:
		return nil, false
	}
}
