package hll

import (
	"fmt"
	"math"
	"strings"
)

// Encoding is "dense" or "sparse".
func (s Sketch) Encoding() string {
	if s.Dense() {
		return "dense"
	}
	return "sparse"
}

// Registers returns the registers of a dense sketch.
func (s Sketch) Registers() *Registers {
	var r Registers
	for i := range r {
		r[i] = s.denseRegister(i)
	}
	return &r
}

// Decode writes a sparse sketch's opcodes as PFDEBUG DECODE does: "Z:16000 v:2,1 z:30". Whether they cover the registers is not asked.
func (s Sketch) Decode() string {
	var words []string
	for p := s[headerSize:]; len(p) > 0; {
		n, value, size := opcode(p)
		switch {
		case value > 0:
			words = append(words, fmt.Sprintf("v:%d,%d", value, n))
		case size == 2:
			words = append(words, fmt.Sprintf("Z:%d", n))
		default:
			words = append(words, fmt.Sprintf("z:%d", n))
		}
		p = p[min(size, len(p)):]
	}
	return strings.Join(words, " ")
}

// selfTestElements is how many elements SelfTest counts; selfTestErrors how many standard errors it may be wrong.
const (
	selfTestElements = 50_000
	selfTestErrors   = 6
)

// SelfTest counts elements in a sparse and in a dense sketch: both must hold the same registers as long as the first is sparse, and the
// counts must be right within a few standard errors.
func SelfTest() error {
	sparse := New()
	dense, err := New().ToDense()
	if err != nil {
		return err
	}
	for i := range selfTestElements {
		element := fmt.Append(nil, "element:", i)
		if sparse, _, err = sparse.Add(element, DenseSize); err != nil {
			return err
		}
		if dense, _, err = dense.Add(element, DenseSize); err != nil {
			return err
		}
		if n := i + 1; n&(n-1) == 0 || n == selfTestElements {
			if err := compare(sparse, dense, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func compare(sparse, dense Sketch, n int) error {
	a, err := sparse.Count()
	if err != nil {
		return err
	}
	b, err := dense.Count()
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("the sparse sketch counts %d, the dense one %d", a, b)
	}
	const standardError = 1.04 / 128 // of the square root of the number of registers
	if math.Abs(float64(a)-float64(n)) > max(1, selfTestErrors*standardError*float64(n)) {
		return fmt.Errorf("%d elements are counted as %d", n, a)
	}
	return nil
}
