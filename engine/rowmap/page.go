package rowmap

import (
	"encoding/binary"
	"slices"
)

const (
	headerBytes = 4

	// MaxBytes is the largest row and value together that a Map takes.
	MaxBytes = pageBytes/4 - headerBytes
)

// sizes are those of slots, ascending: each at most a fifth larger than the one before, but for the smallest.
var sizes = slotSizes()

func slotSizes() (all []int) {
	for size := 32; size < pageBytes/4; size += max(sizeStep, size/6/sizeStep*sizeStep) {
		all = append(all, size)
	}
	return append(all, pageBytes/4)
}

// sizeStep divides every size.
const sizeStep = 16

// classes is, by the number of steps that a slot must have, the smallest class that has them.
var classes = func() (all [pageBytes/4/sizeStep + 1]uint8) {
	for steps := range all {
		class, _ := slices.BinarySearch(sizes, steps*sizeStep)
		all[steps] = uint8(class) //nolint:gosec // there are some dozens
	}
	return all
}()

// classOf is the smallest class that holds so many bytes, at most MaxBytes.
func classOf(bytes int) int { return int(classes[(bytes+headerBytes+sizeStep-1)/sizeStep]) }

// page is 32 KiB of slots of one class.
type page struct {
	memory []byte
	class  int
	used   int  // slots that have ever been given out, from the front
	free   int  // number of the first free slot below used, plus one; 0: none
	listed bool // stands in its class's list of pages with room
}

// slot is the memory of a slot.
func (p *page) slot(n int) []byte {
	size := sizes[p.class]
	return p.memory[n*size : (n+1)*size : (n+1)*size]
}

// give returns the number of a free slot.
func (p *page) give() (n int, ok bool) {
	if p.free != 0 {
		n = p.free - 1
		p.free = int(binary.LittleEndian.Uint16(p.slot(n)[2:]))
		return n, true
	}
	if (p.used+1)*sizes[p.class] > pageBytes {
		return 0, false
	}
	p.used++
	return p.used - 1, true
}

// takeBack makes a slot free.
func (p *page) takeBack(n int) {
	s := p.slot(n)
	binary.LittleEndian.PutUint16(s, 0)
	binary.LittleEndian.PutUint16(s[2:], uint16(p.free)) //nolint:gosec // at most 1024 slots
	p.free = n + 1
}

// absent, in the length of a value, says that there is no such row.
const absent = 1 << 15

// rowIn returns a slot's row, nil if it is free.
func rowIn(slot []byte) []byte {
	rowLen := int(binary.LittleEndian.Uint16(slot))
	if rowLen == 0 {
		return nil
	}
	return slot[headerBytes : headerBytes+rowLen]
}

// valueIn returns the value of a slot's row; present is false if there is no such row.
func valueIn(slot []byte) (value []byte, present bool) {
	from := headerBytes + int(binary.LittleEndian.Uint16(slot))
	length := int(binary.LittleEndian.Uint16(slot[2:]))
	if length == absent {
		return nil, false
	}
	return slot[from : from+length], true
}

// fill writes a row and its value into a slot that has room.
func fill(slot, row, value []byte, present bool) {
	length := len(value)
	if !present {
		length = absent
	}
	binary.LittleEndian.PutUint16(slot, uint16(len(row)))   //nolint:gosec // below MaxBytes
	binary.LittleEndian.PutUint16(slot[2:], uint16(length)) //nolint:gosec // below MaxBytes
	copy(slot[headerBytes+copy(slot[headerBytes:], row):], value)
}
