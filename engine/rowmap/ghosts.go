package rowmap

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"

	"golang.org/x/sys/unix"
)

// Ghosts remembers of rows that a cache had to give up that they are there: 16 bytes of hash for each, in sets of four that share a cache line.
// Of more than a set has room for, one goes. The hash is seeded, so that nobody who chooses rows can choose hashes, and of 127 bits: that two of
// 2^40 rows share one is less likely than 2^-47.
//
// Nothing here locks: it may be read by many goroutines while nobody writes it.
type Ghosts struct {
	memory []byte // sets, one after the other; empty: nothing is remembered
	count  int
	hand   int // in a full set, the place that is taken next
}

const (
	ghostBytes = 16 // a hash; all zeros: the place is free
	ghostSet   = 64
	ghostWays  = ghostSet / ghostBytes
)

// GhostMemory is the memory of several Ghosts.
type GhostMemory struct{ memory []byte }

// NewGhostMemory reserves memory of so many bytes. It is used only as rows come.
func NewGhostMemory(bytes int64) (*GhostMemory, error) {
	bytes = max(bytes, ghostSet)
	memory, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes for the row cache's ghosts: %w", bytes, err)
	}
	return &GhostMemory{memory}, nil
}

// Part makes the i'th of n Ghosts, which share the memory evenly. Each may be made once.
func (m *GhostMemory) Part(i, n int) *Ghosts {
	size := len(m.memory) / n / ghostSet * ghostSet
	return &Ghosts{memory: m.memory[i*size : (i+1)*size : (i+1)*size]}
}

// Close gives the memory back. No Ghosts in it may be used any more.
func (m *GhostMemory) Close() error {
	if err := unix.Munmap(m.memory); err != nil {
		return fmt.Errorf("give back the row cache's ghosts: %w", err)
	}
	return nil
}

// Len is how many rows are remembered.
func (g *Ghosts) Len() int { return g.count }

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// place returns a row's set and its hash.
func (g *Ghosts) place(row []byte) (set []byte, a, b uint64) {
	a, b = maphash.Bytes(seeds[0], row), maphash.Bytes(seeds[1], row)|1
	at := (a >> 32) * uint64(len(g.memory)/ghostSet) >> 32 * ghostSet
	return g.memory[at : at+ghostSet : at+ghostSet], a, b
}

func ghostAt(set []byte, way int) (a, b uint64) {
	place := set[way*ghostBytes : (way+1)*ghostBytes]
	return binary.LittleEndian.Uint64(place), binary.LittleEndian.Uint64(place[8:])
}

func setGhost(set []byte, way int, a, b uint64) {
	place := set[way*ghostBytes : (way+1)*ghostBytes]
	binary.LittleEndian.PutUint64(place, a)
	binary.LittleEndian.PutUint64(place[8:], b)
}

// find returns where a hash is in a set, and a free place; -1: none.
func find(set []byte, a, b uint64) (at, free int) {
	at, free = -1, -1
	for way := range ghostWays {
		switch x, y := ghostAt(set, way); {
		case x == a && y == b:
			at = way
		case y == 0:
			free = way
		}
	}
	return at, free
}

// Has says whether the row is remembered.
func (g *Ghosts) Has(row []byte) bool {
	if g.count == 0 {
		return false
	}
	set, a, b := g.place(row)
	at, _ := find(set, a, b)
	return at >= 0
}

// Add remembers a row. Unless push is set, none goes for it: ok is false if there was no room.
func (g *Ghosts) Add(row []byte, push bool) (ok bool) {
	if len(g.memory) == 0 {
		return false
	}
	set, a, b := g.place(row)
	at, free := find(set, a, b)
	switch {
	case at >= 0:
	case free >= 0:
		setGhost(set, free, a, b)
		g.count++
	case push:
		g.hand = (g.hand + 1) % ghostWays
		setGhost(set, g.hand, a, b)
	default:
		return false
	}
	return true
}

// Remove forgets a row.
func (g *Ghosts) Remove(row []byte) {
	if len(g.memory) == 0 {
		return
	}
	set, a, b := g.place(row)
	if at, _ := find(set, a, b); at >= 0 {
		setGhost(set, at, 0, 0)
		g.count--
	}
}
