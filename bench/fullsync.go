package bench

import (
	"context"
	"fmt"
	"time"
)

// fullSyncScenario: a master with data, an empty replica, writers on the master meanwhile.
func fullSyncScenario(name string, keys, size int) Scenario {
	return Scenario{Name: name, About: fmt.Sprintf("%d keys of %d bytes, 4 clients write meanwhile", keys, size), Run: func(ctx context.Context, e *Env) ([]Value, error) {
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
		e.percentiles("SET on the master meanwhile", w.o.Latency)
		return []Value{
			{"rate", "keys/s", More, float64(count) / took.Seconds()},
			{"bytes", "MB/s", More, float64(count*size) / 1e6 / took.Seconds()},
			{"time", "s", Less, took.Seconds()},
			{"p99 of SET meanwhile", "ms", Less, w.o.Percentile(99)},
			{"peak of the master", "MB", None, float64(mu.Peak) / 1e6},
			{"peak of the replica", "MB", None, float64(ru.Peak) / 1e6},
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

func portOf(addr string) string { return addr[len("127.0.0.1:"):] }
