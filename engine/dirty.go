package engine

import "sync/atomic"

const dirtySlots = 1 << 16 // power of two

// dirtyTable remembers, by key hash, the log offset behind the last write of a key, so that a reply that shows a change waits for
// that change to be as safe as the policy says, while replies about other keys go at once. Keys that share a slot share the
// offset: the later one, so a reader may wait for more than it saw, never for less.
//
// INVARIANT: a slot is raised before the rows it stands for become visible, and read after the row was read.
type dirtyTable struct {
	slots [dirtySlots]atomic.Uint64
	all   atomic.Uint64 // raised by what changes more keys than it names (FLUSHDB, SWAPDB)
}

// raise notes a write. Only the sequencer's holder calls it, so it need not compare and swap.
func (d *dirtyTable) raise(hash, offset uint64) { d.slots[hash&(dirtySlots-1)].Store(offset) }

func (d *dirtyTable) raiseAll(offset uint64) { d.all.Store(offset) }

// offset returns what a reply about the key must wait for.
func (d *dirtyTable) offset(hash uint64) uint64 {
	return max(d.slots[hash&(dirtySlots-1)].Load(), d.all.Load())
}

// reset forgets everything: offsets of another history mean nothing here.
func (d *dirtyTable) reset() {
	for i := range d.slots {
		d.slots[i].Store(0)
	}
	d.all.Store(0)
}
