package backlog

import (
	"fmt"
	"sync"
	"sync/atomic"

	"replogd/wal"
)

// Pin keeps the log from an offset on until Release, whatever its age, up to MaxBytes: beyond that the log is dropped all the
// same, the pin becomes Lost, and an event with its name, offset and the reason is logged. A generation switch loses every pin.
type Pin struct {
	b    *Backlog
	name string
	off  atomic.Uint64
	lost atomic.Bool // the log from off on is not, or not wholly, retained any more
	gone atomic.Bool // off belongs to a generation that is no more; implies lost
}

// pins is the set of pins, and the point up to which retention has decided to drop. Both are decided under one lock, so that
// no pin can be taken on bytes that are about to go.
type pins struct {
	floor atomic.Uint64 // bytes before it are dropped or being dropped; written under the lock

	mu struct {
		sync.Mutex
		set       map[*Pin]struct{}
		switching bool // the log is being reset to another generation
		lost      uint64
	}
}

// Pin keeps the log from off on. The name is for INFO and the log. wal.ErrTrimmed when bytes after off are already dropped,
// or are about to be by a generation switch.
func (b *Backlog) Pin(name string, off uint64) (*Pin, error) {
	p := &Pin{b: b, name: name}
	p.off.Store(off)
	if err := b.pins.add(p, b.log.Start); err != nil {
		return nil, fmt.Errorf("pin log for %s: %w", name, err)
	}
	return p, nil
}

func (ps *pins) add(p *Pin, logStart func() uint64) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.mu.switching {
		return fmt.Errorf("the log is being replaced by a full sync: %w", wal.ErrTrimmed)
	}
	off, start := p.off.Load(), max(ps.floor.Load(), logStart())
	if off < start {
		return fmt.Errorf("offset %d, log starts at %d: %w", off, start, wal.ErrTrimmed)
	}
	if ps.mu.set == nil {
		ps.mu.set = make(map[*Pin]struct{})
	}
	ps.mu.set[p] = struct{}{}
	return nil
}

// Offset is where the pin holds the log from.
func (p *Pin) Offset() uint64 { return p.off.Load() }

// Move lets go of the bytes before off; a pin only moves forward. Lock-free.
func (p *Pin) Move(off uint64) {
	for {
		was := p.off.Load()
		if off <= was || p.off.CompareAndSwap(was, off) {
			return
		}
	}
}

// Lost reports whether the log was dropped past the pin, by MaxBytes or by a generation switch. It never turns back.
func (p *Pin) Lost() bool { return p.lost.Load() }

// Release ends the pin. Releasing twice is harmless.
func (p *Pin) Release() {
	ps := &p.b.pins
	ps.mu.Lock()
	_, held := ps.mu.set[p]
	delete(ps.mu.set, p)
	ps.mu.Unlock()
	if held {
		p.b.keeper.kick()
	}
}

// beginSwitch loses all pins and lets none be taken until endSwitch.
func (ps *pins) beginSwitch() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.mu.switching = true
	for p := range ps.mu.set {
		p.gone.Store(true)
		p.lost.Store(true)
	}
}

func (ps *pins) endSwitch(start uint64) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.mu.switching = false
	ps.floor.Store(start)
}

func (ps *pins) list() (infos []PinInfo, lost uint64) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p := range ps.mu.set {
		infos = append(infos, PinInfo{Name: p.name, Offset: p.off.Load()})
	}
	return infos, ps.mu.lost
}
