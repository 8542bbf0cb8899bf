package hll

// Limits of the sparse opcodes.
const (
	maxZeroRun  = 64
	maxXZeroRun = 16384
	maxValRun   = 4
	maxVal      = 32

	// mergeScan is how many opcodes from the one before a change are looked at for neighbours of the same value, as in Redis.
	mergeScan = 5
)

func isVal(op byte) bool     { return op&0x80 != 0 }
func valOf(op byte) byte     { return op>>2&0x1f + 1 }
func valRun(op byte) int     { return int(op&3) + 1 }
func val(v byte, n int) byte { return 0x80 | (v-1)<<2 | byte(n-1) }

// appendZeros appends the opcode for n registers that are 0.
func appendZeros(b []byte, n int) []byte {
	switch {
	case n == 0:
		return b
	case n <= maxZeroRun:
		return append(b, byte(n-1))
	}
	return append(b, 0x40|byte((n-1)>>8), byte(n-1))
}

// opcode decodes the opcode at b[0]: n registers of that value, in size bytes. If b ends within it the rest counts as 0, as in Redis.
func opcode(b []byte) (n int, value byte, size int) {
	switch op := b[0]; {
	case isVal(op):
		return valRun(op), valOf(op), 1
	case op&0x40 == 0:
		return int(op) + 1, 0, 1
	case len(b) < 2:
		return int(op&0x3f)<<8 + 1, 0, 2
	default:
		return int(op&0x3f)<<8 + int(b[1]) + 1, 0, 2
	}
}

// eachRun calls f for the runs of a sparse sketch. ErrCorrupt: they do not cover the registers; f may have been called for some.
func (s Sketch) eachRun(f func(from, n int, value byte)) error {
	at := 0
	for p := s[headerSize:]; len(p) > 0; {
		n, value, size := opcode(p)
		if at+n > registerCount {
			return ErrCorrupt
		}
		f(at, n, value)
		at += n
		p = p[min(size, len(p)):]
	}
	if at != registerCount {
		return ErrCorrupt
	}
	return nil
}

// raiseSparse makes a register at least rank; tooLarge: a sparse sketch cannot hold that, and it is as it was.
func (s Sketch) raiseSparse(index int, rank byte, sparseMax int) (out Sketch, changed, tooLarge bool, err error) {
	if rank > maxVal {
		return s, false, true, nil
	}
	prev, p, first := headerSize, headerSize, 0
	var n, size int
	var value byte
	for {
		if p >= len(s) {
			return s, false, false, ErrCorrupt
		}
		if n, value, size = opcode(s[p:]); p+size > len(s) {
			return s, false, false, ErrCorrupt
		}
		if index < first+n {
			break
		}
		first += n
		prev, p = p, p+size
	}
	if value >= rank {
		return s, false, false, nil
	}
	if n == 1 && size == 1 {
		s[p] = val(rank, 1)
	} else {
		var buf [5]byte
		seq := appendRun(buf[:0], value, index-first)
		seq = append(seq, val(rank, 1))
		seq = appendRun(seq, value, first+n-1-index)
		if len(seq) > size && len(s)+len(seq)-size > sparseMax {
			return s, false, true, nil
		}
		s = splice(s, p, size, seq)
	}
	s = s.mergeVals(prev)
	s.Touch()
	return s, true, false, nil
}

func appendRun(b []byte, value byte, n int) []byte {
	if value == 0 || n == 0 {
		return appendZeros(b, n)
	}
	return append(b, val(value, n))
}

// splice puts seq in place of size bytes at p.
func splice(s Sketch, p, size int, seq []byte) Sketch {
	tail := len(s) - p - size
	out := append(s, seq[:max(len(seq)-size, 0)]...) // room; the bytes are overwritten
	out = out[:p+len(seq)+tail]
	copy(out[p+len(seq):], s[p+size:p+size+tail])
	copy(out[p:], seq)
	return out
}

// mergeVals joins neighbours of the same value around p, as far as Redis looks.
func (s Sketch) mergeVals(p int) Sketch {
	for range mergeScan {
		if p >= len(s) {
			break
		}
		if !isVal(s[p]) {
			_, _, size := opcode(s[p:])
			p += size
			continue
		}
		if p+1 < len(s) && isVal(s[p+1]) && valOf(s[p]) == valOf(s[p+1]) && valRun(s[p])+valRun(s[p+1]) <= maxValRun {
			s[p+1] = val(valOf(s[p]), valRun(s[p])+valRun(s[p+1]))
			s = append(s[:p], s[p+1:]...)
			continue
		}
		p++
	}
	return s
}
