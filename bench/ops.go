package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	opsKeys  = 1_000_000
	opsValue = 100
	opsFor   = 4 * time.Second
)

// opsCase is one of the plain commands' scenarios.
type opsCase struct {
	command     string
	fsync       string
	pipeline    int
	conns       int     // default opsConns
	zipf        float64 // 0: uniform
	smallCaches bool
	long        bool
	after       string // the command that makes a million elements first, most of which are then taken or each of which may be read
	takes       bool   // command takes elements out: it is sent that many times, not for a time
}

const opsConns = 50

// opsScenarios are plain commands.
func opsScenarios() []Scenario {
	var cases []opsCase
	for _, fsync := range []string{"always", "everysec"} {
		for _, pipeline := range []int{1, 16} {
			cases = append(cases, opsCase{command: "set", fsync: fsync, pipeline: pipeline})
		}
	}
	for _, pipeline := range []int{1, 16} {
		cases = append(cases, opsCase{command: "get", fsync: "everysec", pipeline: pipeline}, opsCase{command: "mixed", fsync: "everysec", pipeline: pipeline, zipf: 1.1})
	}
	for _, command := range []string{"incr", "mset", "lpush", "hset", "sadd", "zadd"} {
		cases = append(cases, opsCase{command: command, fsync: "everysec", pipeline: 16})
	}
	for _, c := range []struct{ command, after string }{{"rpop", "lpush"}, {"spop", "sadd"}, {"zpopmin", "zadd"}} {
		cases = append(cases, opsCase{command: c.command, fsync: "everysec", pipeline: 16, after: c.after, takes: true})
	}
	cases = append(cases, opsCase{command: "lrange", fsync: "everysec", pipeline: 16, after: "lpush"})
	for _, pipeline := range []int{1, 16} {
		cases = append(cases, opsCase{command: "set", fsync: "no", pipeline: pipeline, long: true})
	}
	for _, command := range []string{"set", "get"} {
		cases = append(cases, opsCase{command: command, fsync: "everysec", pipeline: 128, long: true})
		for _, conns := range []int{1, 1000} {
			cases = append(cases, opsCase{command: command, fsync: "everysec", pipeline: 1, conns: conns, long: true})
		}
		for _, pipeline := range []int{1, 16} {
			cases = append(cases, opsCase{command: command, fsync: "everysec", pipeline: pipeline, smallCaches: true, long: true})
		}
	}
	cases = append(cases, opsCase{command: "set", fsync: "always", pipeline: 1, conns: 1, long: true},
		opsCase{command: "set", fsync: "always", pipeline: 1, conns: 1000, long: true})
	var all []Scenario
	for _, c := range cases {
		all = append(all, c.scenario())
	}
	return append(all, readsBesideWrites())
}

func (c opsCase) name() string {
	name := fmt.Sprintf("ops %s %s -P%d", c.command, c.fsync, c.pipeline)
	if c.conns != 0 {
		name += fmt.Sprintf(" -c%d", c.conns)
	}
	if c.smallCaches {
		name += " small caches"
	}
	return name
}

func (c opsCase) about() string {
	about := fmt.Sprintf("%d connections, %d-byte values, %d keys, ", cmp.Or(c.conns, opsConns), opsValue, opsKeys)
	if c.zipf > 0 {
		about += fmt.Sprintf("zipfian (%.1f), 10 %% SET", c.zipf)
	} else {
		about += "uniform"
	}
	if c.after != "" {
		about += fmt.Sprintf("; on what %s has made of %d elements", c.after, opsKeys)
	}
	if c.takes {
		about += fmt.Sprintf(", of which %d are taken", opsKeys/2)
	}
	if c.smallCaches {
		about += "; caches of replogd that hold a fifth of the data, while Redis holds all of it"
	}
	return about
}

func (c opsCase) scenario() Scenario {
	return Scenario{Name: c.name(), About: c.about(), Long: c.long, Run: func(ctx context.Context, e *Env) ([]Value, error) {
		s, err := e.start(ctx, "server", Settings{Fsync: c.fsync, SmallCaches: c.smallCaches, NoRewrites: true})
		if err != nil {
			return nil, err
		}
		keys := e.scaled(opsKeys)
		load := Load{
			Command: c.command, Conns: cmp.Or(c.conns, opsConns), Pipeline: c.pipeline, Length: e.length(opsFor), Keys: keys, ValueSize: opsValue, Zipf: c.zipf, Seed: 1,
		}
		if c.takes {
			load.Length, load.Ops = 0, keys/2 // a random choice of members leaves out a good third
		}
		if err := c.prepare(ctx, load, s.Addr); err != nil {
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
		e.percentiles("round trip", o.Latency)
		return append([]Value{
			{"rate", "ops/s", More, o.PerSecond()}, {"p50", "ms", Less, o.Percentile(50)}, {"p99", "ms", Less, o.Percentile(99)},
		}, used...), nil
	}}
}

// prepare makes what the load works on, and warms the server up unless the load would use it up.
func (c opsCase) prepare(ctx context.Context, load Load, addr string) error {
	if slices.Contains([]string{"get", "mixed", "set", "mset"}, c.command) {
		if err := Fill(ctx, addr, load.Keys, opsValue); err != nil {
			return err
		}
	}
	if c.after != "" {
		elements := load
		elements.Command, elements.Length, elements.Ops, elements.Seed = c.after, 0, load.Keys, 2
		if _, err := elements.Run(ctx, addr); err != nil {
			return err
		}
	}
	if c.takes {
		return nil
	}
	return warmed(ctx, load, addr)
}

// readsBesideWrites: GETs of keys that nobody writes, while eight clients write with an fsync for each answer.
func readsBesideWrites() Scenario {
	return Scenario{Name: "ops get beside always", About: "8 clients write with appendfsync always, 8 clients GET other keys", Run: func(ctx context.Context, e *Env) ([]Value, error) {
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
		e.percentiles("GET", o.Latency)
		return []Value{{"rate of GET", "ops/s", More, o.PerSecond()}, {"p99 of GET", "ms", Less, o.Percentile(99)}}, nil
	}}
}

// overwriteScenario: what the disk has to take for each byte that is written over another.
func overwriteScenario() Scenario {
	const bytes, size, keys = 10_000_000_000, 1000, 1_000_000
	about := fmt.Sprintf("%d GB of SETs of %d bytes over %d keys", bytes/1_000_000_000, size, keys)
	return Scenario{Name: "overwrite", About: about, Long: true, Run: func(ctx context.Context, e *Env) ([]Value, error) {
		s, err := e.start(ctx, "server", Settings{})
		if err != nil {
			return nil, err
		}
		if err := Fill(ctx, s.Addr, e.scaled(keys), size); err != nil {
			return nil, err
		}
		if err := waitRewritten(ctx, s.Addr); err != nil {
			return nil, err
		}
		ops, began := e.scaled(bytes/size), time.Now()
		used, err := withUsage(s, func() int { return ops }, func() error {
			_, err := Load{Command: "set", Conns: 8, Pipeline: 16, Ops: ops, Keys: e.scaled(keys), ValueSize: size, Seed: 12}.Run(ctx, s.Addr)
			if err != nil {
				return err
			}
			return waitRewritten(ctx, s.Addr)
		})
		if err != nil {
			return nil, err
		}
		values := []Value{{"rate", "MB/s", More, float64(ops) * size / 1e6 / time.Since(began).Seconds()}}
		for _, v := range used {
			if v.Name == writtenPerOp {
				v = Value{"written per byte", "", Less, v.Number / size}
			}
			values = append(values, v)
		}
		return values, nil
	}}
}
