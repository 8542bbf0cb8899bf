package engine

import (
	"sync"
	"sync/atomic"
)

// broadcast wakes everybody who waits for a condition to be looked at again. wake costs one atomic load while nobody waits.
//
// Use: take next, look at the condition, then wait on the channel: a wake between the two closes it.
type broadcast struct {
	waiting atomic.Bool
	mu      struct {
		sync.Mutex
		ch chan struct{}
	}
}

func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.ch == nil {
		b.mu.ch = make(chan struct{})
	}
	b.waiting.Store(true)
	return b.mu.ch
}

func (b *broadcast) wake() {
	if !b.waiting.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting.Store(false)
	if b.mu.ch != nil {
		close(b.mu.ch)
		b.mu.ch = nil
	}
}
