package hll

import "math"

// Registers are those of a union of sketches.
type Registers [registerCount]byte

// Merge raises the registers to those of s. ErrCorrupt: some may have been raised.
func (r *Registers) Merge(s Sketch) error {
	if s.Dense() {
		for i := range r {
			r[i] = max(r[i], s.denseRegister(i))
		}
		return nil
	}
	return s.eachRun(func(from, n int, value byte) {
		for i := from; value > 0 && i < from+n; i++ {
			r[i] = max(r[i], value)
		}
	})
}

// Into raises the registers of s to those of r.
func (r *Registers) Into(s Sketch, sparseMax int) (Sketch, error) {
	var err error
	for i, rank := range r {
		if rank == 0 {
			continue
		}
		if s, _, err = s.raise(i, rank, sparseMax); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Count estimates how many elements the union holds.
func (r *Registers) Count() uint64 {
	var h histogram
	for _, rank := range r {
		h[rank]++
	}
	return h.estimate()
}

// Count estimates how many elements are in the sketch.
func (s Sketch) Count() (uint64, error) {
	var h histogram
	if s.Dense() {
		for i := range registerCount {
			h[s.denseRegister(i)]++
		}
		return h.estimate(), nil
	}
	err := s.eachRun(func(_, n int, value byte) { h[value] += n })
	return h.estimate(), err
}

// histogram counts registers by value.
type histogram [maxRegister + 1]int

// alpha is 1/(2 ln 2).
const alpha = 0.721347520444481703680

// estimate is Ertl's estimator. The conversions to float64 keep a compiler from fusing two operations, which would round differently.
func (h *histogram) estimate() uint64 {
	const m = float64(registerCount)
	z := m * tau((m-float64(h[rankBits+1]))/m)
	for rank := rankBits; rank >= 1; rank-- {
		z = float64(z+float64(h[rank])) * 0.5
	}
	z += float64(m * sigma(float64(h[0])/m))
	return uint64(math.Round(float64(alpha*m*m) / z))
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= float64(float64((1-x)*(1-x)) * y)
		if before == z {
			return z / 3
		}
	}
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += float64(x * y)
		y += y
		if before == z {
			return z
		}
	}
}
