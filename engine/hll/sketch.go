package hll

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The format's constants.
const (
	headerSize    = 16
	registerCount = 1 << indexBits
	indexBits     = 14
	rankBits      = 64 - indexBits // of the hash that remain for the rank
	registerBits  = 6
	maxRegister   = 1<<registerBits - 1

	// DenseSize is the length of a dense sketch in bytes.
	DenseSize = headerSize + registerCount*registerBits/8

	encodingDense  = 0
	encodingSparse = 1

	staleCount = 1 << 7 // in the last byte of the count
)

// ErrCorrupt is a sketch whose registers do not add up.
var ErrCorrupt = errors.New("corrupted HyperLogLog")

// Sketch is a HyperLogLog. Methods that change it work in place where they can and return the sketch as it is then, as append does.
type Sketch []byte

// New returns an empty sketch.
func New() Sketch {
	s := make(Sketch, headerSize, headerSize+16)
	copy(s, "HYLL")
	s[4] = encodingSparse
	return appendZeros(s, registerCount)
}

// Is reports whether b has the header of a sketch, and the length of one if it is dense. The registers are not looked at.
func Is(b []byte) bool {
	if len(b) < headerSize || string(b[:4]) != "HYLL" || b[4] > encodingSparse {
		return false
	}
	return b[4] == encodingSparse || len(b) == DenseSize
}

// Dense reports whether the sketch has room for every register.
func (s Sketch) Dense() bool { return s[4] == encodingDense }

// Cached returns the count stored in the sketch; ok is false if registers have changed since.
func (s Sketch) Cached() (n uint64, ok bool) {
	if s[headerSize-1]&staleCount != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(s[8:]), true
}

// SetCached stores the count.
func (s Sketch) SetCached(n uint64) { binary.LittleEndian.PutUint64(s[8:], n) }

// Touch says that the stored count no longer holds.
func (s Sketch) Touch() { s[headerSize-1] |= staleCount }

// Add puts an element in; changed says that a register has grown. A sketch may become up to DenseSize bytes long if it is sparse and
// would exceed sparseMax bytes. ErrCorrupt: it is as it was.
func (s Sketch) Add(element []byte, sparseMax int) (out Sketch, changed bool, err error) {
	hash := murmur64A(element)
	index := int(hash & (registerCount - 1))
	rank := byte(bits.TrailingZeros64(hash>>indexBits|1<<rankBits) + 1)
	return s.raise(index, rank, sparseMax)
}

// raise makes a register at least rank.
func (s Sketch) raise(index int, rank byte, sparseMax int) (out Sketch, changed bool, err error) {
	if !s.Dense() {
		out, changed, tooLarge, err := s.raiseSparse(index, rank, sparseMax)
		if err != nil || !tooLarge {
			return out, changed, err
		}
		if s, err = s.ToDense(); err != nil {
			return s, false, err
		}
	}
	return s, s.raiseDense(index, rank), nil
}

func (s Sketch) raiseDense(index int, rank byte) (changed bool) {
	if s.denseRegister(index) >= rank {
		return false
	}
	at, shift := denseAt(index)
	s[at] = s[at]&^(maxRegister<<shift) | rank<<shift
	if shift > 8-registerBits {
		high := 8 - shift
		s[at+1] = s[at+1]&^(maxRegister>>high) | rank>>high
	}
	return true
}

func (s Sketch) denseRegister(index int) byte {
	at, shift := denseAt(index)
	v := s[at] >> shift
	if shift > 8-registerBits {
		v |= s[at+1] << (8 - shift)
	}
	return v & maxRegister
}

func denseAt(index int) (at int, shift uint) {
	bit := index * registerBits
	return headerSize + bit/8, uint(bit % 8)
}

// ToDense returns the sketch with room for every register, a new slice if it was sparse.
func (s Sketch) ToDense() (Sketch, error) {
	if s.Dense() {
		return s, nil
	}
	dense := make(Sketch, DenseSize)
	copy(dense, s[:headerSize])
	dense[4] = encodingDense
	if err := s.eachRun(func(from, n int, value byte) {
		for i := from; value > 0 && i < from+n; i++ {
			dense.raiseDense(i, value)
		}
	}); err != nil {
		return s, err
	}
	return dense, nil
}

// murmurSeed is the one that Redis chose.
const murmurSeed = 0xadc83b19

// murmur64A is Austin Appleby's MurmurHash2, 64 bits, reading words in little endian.
func murmur64A(b []byte) uint64 {
	const (
		m = 0xc6a4a7935bd1e995
		r = 47
	)
	h := murmurSeed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		h = (h ^ (k^k>>r)*m) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}
