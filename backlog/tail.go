package backlog

import (
	"sync"
	"sync/atomic"
)

// tail is a ring of the stream's latest bytes, shared by all cursors. It is allocated when the first cursor opens and fills
// from there. It holds appended bytes, safe or not: what may be handed out is the cursor's business.
//
// The lock is held for copying only; with no cursor ever opened an Append pays one atomic load.
type tail struct {
	size int         // set by Open
	live atomic.Bool // allocated

	mu struct {
		sync.Mutex
		buf    []byte
		lo, hi uint64 // the stream's bytes [lo, hi) are held, byte o at buf[o % len(buf)]
	}
}

// start allocates the ring; it fills with what is appended from now on. end is the log's end as far as the caller knows: an
// Append in progress may have gone on, which append notices by the gap.
func (t *tail) start(end uint64) {
	if t.live.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.buf != nil {
		return
	}
	t.mu.buf = make([]byte, t.size)
	t.mu.lo, t.mu.hi = end, end
	t.live.Store(true)
}

// append adds p at offset at. Only the appender calls it.
func (t *tail) append(at uint64, p []byte) {
	if !t.live.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.hi != at {
		t.mu.lo, t.mu.hi = at, at
	}
	n := uint64(len(t.mu.buf))
	t.mu.hi = at + uint64(len(p))
	if uint64(len(p)) > n { // only the last n bytes can stay
		at += uint64(len(p)) - n
		p = p[uint64(len(p))-n:]
	}
	i := at % n
	k := copy(t.mu.buf[i:], p)
	copy(t.mu.buf, p[k:])
	if t.mu.hi-t.mu.lo > n {
		t.mu.lo = t.mu.hi - n
	}
}

// truncate takes back what was appended from at on. The bytes it had pushed out at the other end stay out.
func (t *tail) truncate(at uint64) {
	if !t.live.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at < t.mu.hi {
		t.mu.hi = max(at, t.mu.lo)
	}
}

// restart empties the ring: the stream goes on at another offset.
func (t *tail) restart(at uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.lo, t.mu.hi = at, at
}

// read copies bytes from offset off on into p and returns how many: 0 when off is not in the ring.
func (t *tail) read(p []byte, off uint64) int {
	if !t.live.Load() {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if off < t.mu.lo || off >= t.mu.hi {
		return 0
	}
	if held := t.mu.hi - off; uint64(len(p)) > held {
		p = p[:held]
	}
	i := off % uint64(len(t.mu.buf))
	k := copy(p, t.mu.buf[i:])
	k += copy(p[k:], t.mu.buf)
	return k
}
