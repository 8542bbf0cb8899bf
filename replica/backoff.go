package replica

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces a link's tries: first, 2·first, 4·first ... up to a cap, each ±20 % so that the replicas of a restarted master
// do not come back in step.
type backoff struct {
	first, cap time.Duration
	next       time.Duration
}

func (b *backoff) reset() { b.next = 0 }

// delay returns the pause before the next try.
func (b *backoff) delay() time.Duration {
	if b.next == 0 {
		b.next = b.first
	}
	d := b.next
	b.next = min(b.next*2, b.cap)
	return jitter(d)
}

func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/5 + rand.N(d*2/5+1)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
