package replica

import (
	"context"
	"time"
)

// whileAlive prepares something for a replica with a line feed a second, so that it sees that we live. When the replica has gone, work's
// context ends, and what it has made all the same is dropped.
func whileAlive[T any](f *feed, work func(ctx context.Context) (T, error), drop func(T)) (T, error) {
	type result struct {
		made T
		err  error
	}
	got := make(chan result, 1)
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	go func() {
		made, err := work(ctx)
		got <- result{made, err}
	}()
	t := time.NewTicker(keepAlivePeriod)
	defer t.Stop()
	for {
		select {
		case r := <-got:
			return r.made, r.err
		case <-t.C:
			if err := f.n.writeRaw(f.p.Conn, []byte{'\n'}); err != nil {
				cancel(err)
				r := <-got
				if r.err == nil {
					drop(r.made)
				}
				var none T
				return none, err
			}
		}
	}
}
