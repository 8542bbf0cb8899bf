package rowmap

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

const pageBytes = 32 << 10

// Region is the memory that several Maps share. Its methods may be called from many goroutines.
type Region struct {
	memory []byte
	mu     struct {
		sync.Mutex
		taken int // pages, from the front
	}
}

// NewRegion reserves memory of so many bytes, rounded down to whole pages. It is used only as rows come.
func NewRegion(bytes int64) (*Region, error) {
	bytes = max(bytes/pageBytes, 1) * pageBytes
	memory, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes for the row cache: %w", bytes, err)
	}
	// Rows lie all over it: with small pages nearly every look-up misses the processor's table of them. A kernel that cannot does without.
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE)
	return &Region{memory: memory}, nil
}

// Pages is how many there are.
func (r *Region) Pages() int { return len(r.memory) / pageBytes }

// Bytes is what has been taken.
func (r *Region) Bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.mu.taken) * pageBytes
}

// take returns another page, nil if there is none left.
func (r *Region) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.mu.taken * pageBytes
	if from >= len(r.memory) {
		return nil
	}
	r.mu.taken++
	return r.memory[from : from+pageBytes : from+pageBytes]
}

// Close gives the memory back. No Map of the region may be used any more.
func (r *Region) Close() error {
	if err := unix.Munmap(r.memory); err != nil {
		return fmt.Errorf("give back the row cache: %w", err)
	}
	return nil
}
