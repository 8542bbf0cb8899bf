package engine

import (
	"math/bits"

	"replogd/engine/resp"
)

// Arithmetic on the bits of a string. Bit 0 is the highest of the first byte, as in Redis.

// countBits counts the bits that are set from bit first to bit last, both included and within b.
func countBits(b []byte, first, last int64) (n int64) {
	for first <= last && first%8 != 0 {
		n += int64(bitAt(b, first))
		first++
	}
	for ; last-first >= 63; first += 64 {
		n += int64(bits.OnesCount64(word(b[first/8:])))
	}
	for ; first <= last; first++ {
		n += int64(bitAt(b, first))
	}
	return n
}

// word reads 8 bytes, whatever their order: for counting and for comparing with all ones or none.
func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// bitAt is a bit of b; behind its end all are 0.
func bitAt(b []byte, at int64) byte {
	if at/8 >= int64(len(b)) {
		return 0
	}
	return b[at/8] >> (7 - at%8) & 1
}

// findBit returns the first position from first to last, both within b, whose bit is bit; -1: there is none.
func findBit(b []byte, bit byte, first, last int64) int64 {
	none := uint64(0) // a word without the bit
	if bit == 0 {
		none = ^none
	}
	for first <= last {
		if first%8 == 0 && last-first >= 63 && word(b[first/8:]) == none {
			first += 64
			continue
		}
		if bitAt(b, first) == bit {
			return first
		}
		first++
	}
	return -1
}

// combineBits writes sources[0] op sources[1] ... into dst, which is as long as the longest of them; shorter ones end in zeros. For "not"
// there is one source.
func combineBits(dst []byte, op bitOp, sources [][]byte) {
	for i := range dst {
		at := func(s []byte) byte {
			if i < len(s) {
				return s[i]
			}
			return 0
		}
		out := at(sources[0])
		for _, s := range sources[1:] {
			switch op {
			case bitAnd:
				out &= at(s)
			case bitOr:
				out |= at(s)
			case bitXor:
				out ^= at(s)
			case bitNot:
			}
		}
		if op == bitNot {
			out = ^out
		}
		dst[i] = out
	}
}

type bitOp uint8

const (
	bitAnd bitOp = iota
	bitOr
	bitXor
	bitNot
)

// bitField is a type of BITFIELD: an integer of 1 to 64 bits.
type bitField struct {
	signed bool
	width  int64
}

// parseBitField reads "i5" or "u63".
func parseBitField(arg []byte) (f bitField, ok bool) {
	if len(arg) == 0 || arg[0] != 'i' && arg[0] != 'u' {
		return f, false
	}
	f.signed = arg[0] == 'i'
	f.width, ok = resp.ParseInt(arg[1:])
	most := int64(63)
	if f.signed {
		most = 64
	}
	return f, ok && f.width >= 1 && f.width <= most
}

// get reads the field at a bit offset. What lies behind the end of b is 0.
func (f bitField) get(b []byte, at int64) int64 {
	var v uint64
	for i := range f.width {
		v = v<<1 | uint64(bitAt(b, at+i))
	}
	return f.extend(v)
}

// extend makes an integer of the lowest width bits.
func (f bitField) extend(v uint64) int64 {
	shift := uint(64 - f.width)
	if f.signed {
		return int64(v<<shift) >> shift
	}
	return int64(v << shift >> shift)
}

// set writes the lowest width bits of v; b reaches that far.
func (f bitField) set(b []byte, at, v int64) {
	for i := range f.width {
		bit := byte(uint64(v)>>(f.width-1-i)) & 1
		shift := 7 - (at+i)%8
		b[(at+i)/8] = b[(at+i)/8]&^(1<<shift) | bit<<shift
	}
}

type bitOverflow uint8

const (
	overflowWrap bitOverflow = iota
	overflowSat
	overflowFail
)

// limits are the smallest and the largest value of the field.
func (f bitField) limits() (lowest, highest int64) {
	if f.signed {
		highest = int64(uint64(1)<<(f.width-1) - 1)
		return -highest - 1, highest
	}
	return 0, int64(uint64(1)<<f.width - 1)
}

// add computes old+by as the field can hold it. ok is false if it cannot and policy is to fail. What SET writes is an old value plus 0,
// which may itself be out of range; a negative one is a very large one for an unsigned field.
func (f bitField) add(old, by int64, policy bitOverflow) (v int64, ok bool) {
	lowest, highest := f.limits()
	sum := uint64(old) + uint64(by)
	if !f.signed {
		value := uint64(old)
		above := value > uint64(highest) || by > 0 && uint64(by) > uint64(highest)-value
		below := !above && by < 0 && by < -old
		return f.settle(sum, above, below, policy)
	}
	// They may overflow: at a width of 64, where only the signs below count, and far outside of the field's limits, where they wrap as in
	// Redis: SET of the lowest integer there is, to a field of 8 bits with SAT, writes 127.
	room, depth := highest-old, lowest-old
	above := old > highest || f.width != 64 && by > room || old >= 0 && by > 0 && by > room
	below := !above && (old < lowest || f.width != 64 && by < depth || old < 0 && by < 0 && by < depth)
	return f.settle(sum, above, below, policy)
}

func (f bitField) settle(v uint64, above, below bool, policy bitOverflow) (int64, bool) {
	lowest, highest := f.limits()
	switch {
	case !above && !below || policy == overflowWrap:
		return f.extend(v), true
	case policy == overflowFail:
		return 0, false
	case above:
		return highest, true
	}
	return lowest, true
}
