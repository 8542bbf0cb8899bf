package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	opsKeys  = 1_000_000
	opsValue = 100
	opsFor   = 4 * time.Second
)

// opsScenarios are plain commands: 50 connections, values of 100 bytes, a million keys.
func opsScenarios() []Scenario {
	var all []Scenario
	for _, fsync := range []string{"always", "everysec"} {
		for _, pipeline := range []int{1, 16} {
			all = append(all, opsScenario("set", fsync, pipeline, 0))
		}
	}
	for _, pipeline := range []int{1, 16} {
		all = append(all, opsScenario("get", "everysec", pipeline, 0), opsScenario("mixed", "everysec", pipeline, 1.1))
	}
	for _, command := range []string{"incr", "mset", "lpush", "hset", "sadd", "zadd"} {
		all = append(all, opsScenario(command, "everysec", 16, 0))
	}
	return append(all, readsBesideWrites())
}

func opsScenario(command, fsync string, pipeline int, zipf float64) Scenario {
	name := fmt.Sprintf("ops %s %s -P%d", command, fsync, pipeline)
	about := fmt.Sprintf("50 connections, %d-byte values, %d keys, uniform", opsValue, opsKeys)
	if zipf > 0 {
		about = fmt.Sprintf("50 connections, %d-byte values, %d keys, zipfian (%.1f), 10 %% SET", opsValue, opsKeys, zipf)
	}
	return Scenario{name, about, func(ctx context.Context, e *Env) ([]Value, error) {
		s, err := e.start(ctx, "server", Settings{Fsync: fsync})
		if err != nil {
			return nil, err
		}
		keys := e.scaled(opsKeys)
		if command == "get" || command == "mixed" || command == "set" || command == "mset" {
			if err := Fill(ctx, s.Addr, keys, opsValue); err != nil {
				return nil, err
			}
			if err := waitRewritten(ctx, s.Addr); err != nil {
				return nil, err
			}
		}
		load := Load{Command: command, Conns: 50, Pipeline: pipeline, Length: e.length(opsFor), Keys: keys, ValueSize: opsValue, Zipf: zipf, Seed: 1}
		if err := warmed(ctx, load, s.Addr); err != nil {
			return nil, err
		}
		var o Outcome
		used, err := withUsage(s, func() int { return o.Ops }, func() (err error) {
			o, err = load.Run(ctx, s.Addr)
			return err
		})
		if err != nil {
			return nil, err
		}
		return append([]Value{
			{"rate", "ops/s", More, o.PerSecond()}, {"p50", "ms", Less, o.Percentile(50)}, {"p99", "ms", Less, o.Percentile(99)},
		}, used...), nil
	}}
}

// readsBesideWrites: GETs of keys that nobody writes, while eight clients write with an fsync for each answer.
func readsBesideWrites() Scenario {
	return Scenario{"ops get beside always", "8 clients SET with appendfsync always, 8 clients GET other keys", func(ctx context.Context, e *Env) ([]Value, error) {
		s, err := e.start(ctx, "server", Settings{Fsync: "always"})
		if err != nil {
			return nil, err
		}
		keys := e.scaled(100_000)
		if err := Fill(ctx, s.Addr, keys, opsValue); err != nil {
			return nil, err
		}
		length := e.length(opsFor)
		written := make(chan error, 1)
		go func() {
			// INCR has keys of its own: see commandsOf.
			_, err := Load{Command: "incr", Conns: 8, Pipeline: 1, Length: length, Keys: 1000, Seed: 2}.Run(ctx, s.Addr)
			written <- err
		}()
		o, err := Load{Command: "get", Conns: 8, Pipeline: 1, Length: length, Keys: keys, Seed: 3}.Run(ctx, s.Addr)
		if werr := <-written; err == nil {
			err = werr
		}
		if err != nil {
			return nil, err
		}
		return []Value{{"rate of GET", "ops/s", More, o.PerSecond()}, {"p99 of GET", "ms", Less, o.Percentile(99)}}, nil
	}}
}
