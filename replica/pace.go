package replica

import "time"

// pace sends a busy stream in fewer pieces. Each piece costs a system call and a wake-up here and on the replica, a write of its log, and a
// run of its applier: as long as many come, what is written within gatherFor goes together. A stream that is not busy is sent at once.
type pace struct {
	since time.Time // begin of the present look
	sent  int       // bytes since then
	busy  bool      // as of the last look
	last  time.Time // when something was sent
}

const (
	// paceLook is how often the stream is looked at.
	paceLook = 10 * time.Millisecond
	// busyRate is the rate in bytes per second from which it is busy: about 14,000 SETs of 100 bytes. Less does not cost much.
	busyRate = 2 << 20
	// gatherFor is how long after a piece the next one leaves, unless gatherBytes are there before.
	gatherFor   = 500 * time.Microsecond
	gatherBytes = 32 << 10
)

// note counts a piece of n bytes that has been sent.
func (p *pace) note(n int, now time.Time) {
	p.sent += n
	p.last = now
	if age := now.Sub(p.since); age >= paceLook {
		p.busy = float64(p.sent) >= busyRate*age.Seconds()
		p.since, p.sent = now, 0
	}
}

// delay is how long to wait before the next piece is sent, of which ready bytes are there.
func (p *pace) delay(ready uint64, now time.Time) time.Duration {
	if !p.busy || ready >= gatherBytes {
		return 0
	}
	return max(0, gatherFor-now.Sub(p.last))
}

// gather waits as long as delay says before the stream is read on from offset at, unless somebody waits for the replicas' acknowledgements.
func (f *feed) gather(p *pace, at uint64) {
	if !p.busy || f.n.acks.waiters.Load() > 0 {
		return
	}
	d := p.delay(behind(f.n.o.Backlog.Safe(), at), time.Now())
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.ctx.Done():
	}
}
