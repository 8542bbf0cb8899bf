package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	tailReplicas = 4

	lagSamples = 2000
	lagPeriod  = 500 * time.Microsecond
	lagKey     = "lag"

	// bytesPeriod is how often the offsets of a master and its replica are compared.
	bytesPeriod = 20 * time.Millisecond
)

// tailScenario: what replicas cost their master, and how far they are behind.
func tailScenario() Scenario {
	about := fmt.Sprintf("SET -P16 on a master without and with 1 to %d replicas, SET -P1 without and with one; the first replica's lag under SET -P16, and at %d writes/s",
		tailReplicas, time.Second/lagPeriod)
	return Scenario{Name: "tail", About: about, Run: func(ctx context.Context, e *Env) (values []Value, err error) {
		master, err := e.start(ctx, "master", Settings{})
		if err != nil {
			return nil, err
		}
		load := Load{Command: "set", Conns: 50, Pipeline: 16, Length: e.length(opsFor), Keys: 100_000, ValueSize: opsValue, Seed: 6}
		plain := load
		plain.Pipeline = 1
		if err := warmed(ctx, load, master.Addr); err != nil {
			return nil, err
		}
		alone, err := load.Run(ctx, master.Addr)
		if err != nil {
			return nil, err
		}
		alonePlain, err := plain.Run(ctx, master.Addr)
		if err != nil {
			return nil, err
		}
		for n := 1; n <= tailReplicas; n++ {
			replica, err := e.startReplica(ctx, fmt.Sprintf("replica%d", n), master)
			if err != nil {
				return nil, err
			}
			if n == 1 {
				lags, err := e.lags(ctx, load, master, replica)
				if err != nil {
					return nil, err
				}
				values = append(lags, Value{"master without replicas -P1", "ops/s", More, alonePlain.PerSecond()})
				if values, err = withReplicas(ctx, plain, master, n, alonePlain, " -P1", values); err != nil {
					return nil, err
				}
				values = append(values, Value{"master without replicas", "ops/s", More, alone.PerSecond()})
			}
			if values, err = withReplicas(ctx, load, master, n, alone, "", values); err != nil {
				return nil, err
			}
			if err := waitLevel(ctx, master, replica); err != nil {
				return nil, err
			}
		}
		return values, nil
	}}
}

// startReplica starts a replica of master and waits until it has linked up.
func (e *Env) startReplica(ctx context.Context, name string, master *Server) (*Server, error) {
	replica, err := e.start(ctx, name, Settings{ReplicaOf: master.Addr})
	if err != nil {
		return nil, err
	}
	return replica, waitLink(ctx, replica.Addr)
}

// withReplicas adds to values what the load reaches on a master with n replicas, and what part that is of what it reached without them.
func withReplicas(ctx context.Context, load Load, master *Server, n int, alone Outcome, suffix string, values []Value) ([]Value, error) {
	with, err := load.Run(ctx, master.Addr)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("master with %d replicas", n)
	return append(values, Value{name + suffix, "ops/s", More, with.PerSecond()},
		Value{name + " / without" + suffix, "", More, with.PerSecond() / alone.PerSecond()}), nil
}

// lags is how far a replica is behind, without a load and under one.
func (e *Env) lags(ctx context.Context, load Load, master, replica *Server) ([]Value, error) {
	quiet, err := e.quietLag(ctx, master, replica)
	if err != nil {
		return nil, err
	}
	busy, err := e.busyLag(ctx, load, master, replica)
	return slices.Concat(quiet, busy), err
}

// quietLag is the lag while nothing else is written.
func (e *Env) quietLag(ctx context.Context, master, replica *Server) ([]Value, error) {
	l, err := measureLag(ctx, master.Addr, replica.Addr, e.scaled(lagSamples))
	if err != nil {
		return nil, err
	}
	e.percentiles("lag of the replica", l.h)
	return l.values("lag"), nil
}

// busyLag is the lag while a load keeps the master busy, in time and in bytes.
func (e *Env) busyLag(ctx context.Context, load Load, master, replica *Server) ([]Value, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	loaded, counted := make(chan error, 1), make(chan error, 1)
	var behind bytesBehind
	go func() {
		_, err := load.Run(ctx, master.Addr)
		stop()
		loaded <- err
	}()
	go func() { counted <- behind.watch(sampling, master.Addr, replica.Addr) }()
	l, err := measureLag(sampling, master.Addr, replica.Addr, int(load.Length/lagPeriod)+1)
	switch {
	case sampling.Err() != nil:
		err = nil // its end is the load's
	case err != nil:
		cancel()
	}
	if err := errors.Join(err, <-loaded, <-counted); err != nil {
		return nil, err
	}
	e.Draw("lag under load", AxisSeconds, AxisMillis, l.over.thinned())
	e.Draw("bytes behind under load", AxisSeconds, AxisBytes, behind.over.thinned())
	values := append(l.values("lag under load"), Value{"behind under load p50", "B", Less, float64(behind.h.ValueAtQuantile(50))},
		Value{"behind under load p99", "B", Less, float64(behind.h.ValueAtQuantile(99))})
	return values, nil
}

// lag is how long after its answer on one node a write shows on another.
type lag struct {
	h    *hdrhistogram.Histogram // microseconds
	over series                  // milliseconds by seconds
}

func (l *lag) values(name string) []Value {
	return []Value{
		{name + " p50", "ms", Less, float64(l.h.ValueAtQuantile(50)) / 1000}, {name + " p99", "ms", Less, float64(l.h.ValueAtQuantile(99)) / 1000},
	}
}

// measureLag writes numbers on one node and watches for them on another. What it has by then comes with the error that ended it early, too.
func measureLag(ctx context.Context, from, to string, samples int) (*lag, error) {
	l := &lag{h: newHistogram()}
	w, err := Dial(ctx, from)
	if err != nil {
		return l, err
	}
	defer w.Close()
	r, err := Dial(ctx, to)
	if err != nil {
		return l, err
	}
	defer r.Close()
	ticker := time.NewTicker(lagPeriod)
	defer ticker.Stop()
	began := time.Now()
	for n := range samples {
		if _, err := w.Do("SET", lagKey, strconv.Itoa(n)); err != nil {
			return l, err
		}
		sent := time.Now()
		if err := waitValue(ctx, r, strconv.Itoa(n)); err != nil {
			return l, err
		}
		took := time.Since(sent)
		if err := l.h.RecordValue(max(took.Microseconds(), minLatency)); err != nil {
			return l, err
		}
		l.over = append(l.over, Point{X: sent.Sub(began).Seconds(), Y: float64(took.Microseconds()) / 1000})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return l, ctx.Err()
		}
	}
	return l, nil
}

// waitValue asks for the key until it has the value: the poll is what is measured, so it does not rest.
func waitValue(ctx context.Context, r *Client, want string) error {
	for ctx.Err() == nil {
		got, err := r.Do("GET", lagKey)
		if err != nil || got == want {
			return err
		}
	}
	return ctx.Err()
}

// maxBehind bounds what is recorded.
const maxBehind = 1 << 40

// bytesBehind is by how many bytes of the stream a replica is behind.
type bytesBehind struct {
	h    *hdrhistogram.Histogram
	over series
}

// watch compares until ctx ends, which is no error.
func (b *bytesBehind) watch(ctx context.Context, master, replica string) error {
	b.h = hdrhistogram.New(1, maxBehind, latencyDigits)
	m, err := Dial(ctx, master)
	if err != nil {
		return err
	}
	defer m.Close()
	r, err := Dial(ctx, replica)
	if err != nil {
		return err
	}
	defer r.Close()
	ticker := time.NewTicker(bytesPeriod)
	defer ticker.Stop()
	for began := time.Now(); ; {
		n, err := compare(m, r)
		if err != nil {
			return err
		}
		if err := b.h.RecordValue(n); err != nil {
			return err
		}
		b.over = append(b.over, Point{X: time.Since(began).Seconds(), Y: float64(n)})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// compare asks the replica after the master: what it says is never too much.
func compare(master, replica *Client) (int64, error) {
	fields, err := master.Info()
	if err != nil {
		return 0, err
	}
	at, err := numberIn(fields, "master_repl_offset")
	if err != nil {
		return 0, err
	}
	if fields, err = replica.Info(); err != nil {
		return 0, err
	}
	has, err := numberIn(fields, "slave_repl_offset")
	return min(max(at-has, 0), maxBehind), err
}
