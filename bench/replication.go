package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// fullSyncScenario: a master with data, an empty replica, writers on the master meanwhile.
func fullSyncScenario() Scenario {
	const keys, size = 1_000_000, 100
	return Scenario{"fullsync", fmt.Sprintf("%d keys of %d bytes, 4 clients write meanwhile", keys, size), func(ctx context.Context, e *Env) ([]Value, error) {
		master, err := e.start(ctx, "master", Settings{})
		if err != nil {
			return nil, err
		}
		count := e.scaled(keys)
		if err := Fill(ctx, master.Addr, count, size); err != nil {
			return nil, err
		}
		replica, err := e.start(ctx, "replica", Settings{})
		if err != nil {
			return nil, err
		}
		c, err := Dial(ctx, replica.Addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		writing, stop := context.WithCancel(ctx)
		defer stop()
		type written struct {
			o   Outcome
			err error
		}
		done := make(chan written, 1)
		go func() {
			o, err := Load{Command: "set", Conns: 4, Pipeline: 1, Length: syncWithin, Keys: count, ValueSize: size, Seed: 4}.Run(writing, master.Addr)
			done <- written{o, err}
		}()
		began := time.Now()
		if _, err := c.Do("REPLICAOF", "127.0.0.1", portOf(master.Addr)); err != nil {
			return nil, err
		}
		err = waitLink(ctx, replica.Addr)
		took := time.Since(began)
		stop()
		w := <-done
		if err != nil {
			return nil, err
		}
		mu, err := master.Usage()
		if err != nil {
			return nil, err
		}
		ru, err := replica.Usage()
		if err != nil {
			return nil, err
		}
		return []Value{
			{"rate", "keys/s", More, float64(count) / took.Seconds()},
			{"time", "s", Less, took.Seconds()},
			{"p99 of SET meanwhile", "ms", Less, w.o.Percentile(99)},
			{"peak of the master", "MB", None, float64(mu.Peak) / 1e6},
			{"peak of the replica", "MB", None, float64(ru.Peak) / 1e6},
		}, nil
	}}
}

// resumeScenario: a replica comes back to a stream that went on without it.
func resumeScenario() Scenario {
	const missed = 256 << 20
	return Scenario{"resume", "a replica was away for 256 MB of stream", func(ctx context.Context, e *Env) ([]Value, error) {
		master, replica, err := e.pair(ctx, Settings{Backlog: "2gb"})
		if err != nil {
			return nil, err
		}
		if err := replica.Stop(); err != nil {
			return nil, err
		}
		bytes := e.scaled(missed)
		if _, err := (Load{Command: "set", Conns: 4, Pipeline: 32, Ops: bytes / 1000, Keys: 100_000, ValueSize: 960, Seed: 5}).Run(ctx, master.Addr); err != nil {
			return nil, err
		}
		target, err := infoNumber(ctx, master.Addr, "master_repl_offset")
		if err != nil {
			return nil, err
		}
		copies, err := infoNumber(ctx, master.Addr, "sync_full")
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if _, err := replica.Restart(ctx); err != nil {
			return nil, err
		}
		if err := waitOffset(ctx, replica.Addr, target); err != nil {
			return nil, err
		}
		took := time.Since(began)
		again, err := infoNumber(ctx, master.Addr, "sync_full")
		if err != nil {
			return nil, err
		}
		return []Value{
			{"rate", "MB/s", More, float64(bytes) / 1e6 / took.Seconds()},
			{"time", "s", Less, took.Seconds()},
			{"full syncs", "", Less, float64(again - copies)},
		}, nil
	}}
}

// pair starts a master and a replica that follows it.
func (e *Env) pair(ctx context.Context, s Settings) (master, replica *Server, err error) {
	if master, err = e.start(ctx, "master", s); err != nil {
		return nil, nil, err
	}
	s.ReplicaOf = master.Addr
	if replica, err = e.start(ctx, "replica", s); err != nil {
		return nil, nil, err
	}
	return master, replica, waitLink(ctx, replica.Addr)
}

// tailScenario: what a replica costs its master, and how far it is behind.
func tailScenario() Scenario {
	return Scenario{"tail", "SET -P16 on a master without and with a replica; the replica's lag at 2000 writes/s", func(ctx context.Context, e *Env) ([]Value, error) {
		alone, err := e.start(ctx, "alone", Settings{})
		if err != nil {
			return nil, err
		}
		load := Load{Command: "set", Conns: 50, Pipeline: 16, Length: e.length(opsFor), Keys: 100_000, ValueSize: opsValue, Seed: 6}
		before, err := load.Run(ctx, alone.Addr)
		if err != nil {
			return nil, err
		}
		alone.Kill()
		master, replica, err := e.pair(ctx, Settings{})
		if err != nil {
			return nil, err
		}
		with, err := load.Run(ctx, master.Addr)
		if err != nil {
			return nil, err
		}
		target, err := infoNumber(ctx, master.Addr, "master_repl_offset")
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := waitOffset(ctx, replica.Addr, target); err != nil {
			return nil, err
		}
		behind := time.Since(began)
		h, err := lag(ctx, master.Addr, replica.Addr, e.scaled(lagSamples))
		if err != nil {
			return nil, err
		}
		return []Value{
			{"master with a replica / without", "", More, with.PerSecond() / before.PerSecond()},
			{"replica catches up after", "s", Less, behind.Seconds()},
			{"lag p50", "ms", Less, float64(h.ValueAtQuantile(50)) / 1000},
			{"lag p99", "ms", Less, float64(h.ValueAtQuantile(99)) / 1000},
		}, nil
	}}
}

const (
	lagSamples = 2000
	lagPeriod  = 500 * time.Microsecond
	chainDepth = 3
)

// lag writes time stamps on one node and watches for them on another, in microseconds.
func lag(ctx context.Context, from, to string, samples int) (*hdrhistogram.Histogram, error) {
	w, err := Dial(ctx, from)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r, err := Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h := newHistogram()
	ticker := time.NewTicker(lagPeriod)
	defer ticker.Stop()
	for n := range samples {
		if _, err := w.Do("SET", "lag", strconv.Itoa(n)); err != nil {
			return nil, err
		}
		sent, want := time.Now(), strconv.Itoa(n)
		for {
			got, err := r.Do("GET", "lag")
			if err != nil {
				return nil, err
			}
			if got == want {
				break
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		if err := h.RecordValue(max(time.Since(sent).Microseconds(), minLatency)); err != nil {
			return nil, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return h, nil
}

// chainScenario: lag by depth.
func chainScenario() Scenario {
	return Scenario{"chain", fmt.Sprintf("a chain of %d replicas; lag of each, from the answer to a SET until it shows", chainDepth), func(ctx context.Context, e *Env) ([]Value, error) {
		top, err := e.start(ctx, "node0", Settings{})
		if err != nil {
			return nil, err
		}
		above := top
		var values []Value
		for depth := 1; depth <= chainDepth; depth++ {
			n, err := e.start(ctx, fmt.Sprintf("node%d", depth), Settings{ReplicaOf: above.Addr})
			if err != nil {
				return nil, err
			}
			if err := waitLink(ctx, n.Addr); err != nil {
				return nil, err
			}
			h, err := lag(ctx, top.Addr, n.Addr, e.scaled(lagSamples))
			if err != nil {
				return nil, err
			}
			values = append(values, Value{fmt.Sprintf("lag p50 at depth %d", depth), "ms", Less, float64(h.ValueAtQuantile(50)) / 1000},
				Value{fmt.Sprintf("lag p99 at depth %d", depth), "ms", Less, float64(h.ValueAtQuantile(99)) / 1000})
			above = n
		}
		return values, nil
	}}
}

// recoverScenario: kill -9, and the time until it answers again.
func recoverScenario() Scenario {
	const bytes = 512 << 20
	return Scenario{"recover", "kill -9 after 512 MB of writes, then the time from exec to PONG with all data", func(ctx context.Context, e *Env) ([]Value, error) {
		s, err := e.start(ctx, "server", Settings{})
		if err != nil {
			return nil, err
		}
		ops := e.scaled(bytes) / 1000
		if _, err := (Load{Command: "set", Conns: 4, Pipeline: 32, Ops: ops, Keys: ops, ValueSize: 960, Seed: 8}).Run(ctx, s.Addr); err != nil {
			return nil, err
		}
		c, err := Dial(ctx, s.Addr)
		if err != nil {
			return nil, err
		}
		keys, err := c.Do("DBSIZE")
		c.Close()
		if err != nil {
			return nil, err
		}
		s.Kill()
		took, err := s.Restart(ctx)
		if err != nil {
			return nil, err
		}
		if c, err = Dial(ctx, s.Addr); err != nil {
			return nil, err
		}
		defer c.Close()
		if got, err := c.Do("DBSIZE"); err != nil || got != keys {
			return nil, fmt.Errorf("%s has %s keys after kill -9, and had %s (%w)", e.Program.Name, got, keys, err)
		}
		return []Value{{"time to PONG", "s", Less, took.Seconds()}}, nil
	}}
}

func portOf(addr string) string { return addr[len("127.0.0.1:"):] }
