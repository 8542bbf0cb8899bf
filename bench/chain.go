package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	chainDepth = 8
	chainOps   = 200_000
)

// chainScenario: lag by depth, and what a hop costs.
func chainScenario() Scenario {
	about := fmt.Sprintf("a chain of %d replicas: the lag of each, from the answer to a SET until it shows, and the CPU of each for %d SET -P16", chainDepth, chainOps)
	return Scenario{Name: "chain", About: about, Run: func(ctx context.Context, e *Env) (values []Value, err error) {
		top, err := e.start(ctx, "node0", Settings{})
		if err != nil {
			return nil, err
		}
		nodes := []*Server{top}
		for depth := 1; depth <= chainDepth; depth++ {
			n, err := e.start(ctx, fmt.Sprintf("node%d", depth), Settings{ReplicaOf: nodes[depth-1].Addr})
			if err != nil {
				return nil, err
			}
			if err := waitLink(ctx, n.Addr); err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
			l, err := measureLag(ctx, top.Addr, n.Addr, e.scaled(lagSamples))
			if err != nil {
				return nil, err
			}
			e.percentiles(fmt.Sprintf("lag at depth %d", depth), l.h)
			values = append(values, l.values(fmt.Sprintf("lag at depth %d", depth))...)
		}
		hops, err := e.hops(ctx, nodes)
		return append(values, hops...), err
	}}
}

// hops measures what a stream costs the nodes of a chain.
func (e *Env) hops(ctx context.Context, nodes []*Server) ([]Value, error) {
	before, err := cpuOf(nodes)
	if err != nil {
		return nil, err
	}
	ops := e.scaled(chainOps)
	if _, err := (Load{Command: "set", Conns: 8, Pipeline: 16, Ops: ops, Keys: e.scaled(opsKeys), ValueSize: opsValue, Seed: 11}).Run(ctx, nodes[0].Addr); err != nil {
		return nil, err
	}
	for i := range nodes[1:] {
		if err := waitLevel(ctx, nodes[i], nodes[i+1]); err != nil {
			return nil, err
		}
	}
	after, err := cpuOf(nodes)
	if err != nil {
		return nil, err
	}
	perOp := func(i int) float64 { return float64((after[i] - before[i]).Microseconds()) / float64(ops) }
	between, last := 0.0, len(nodes)-1
	for i := 1; i < last; i++ {
		between += perOp(i) / float64(last-1)
	}
	return []Value{
		{"cpu per op of the master", "us", Less, perOp(0)}, {"cpu per op of a hop", "us", Less, between}, {"cpu per op of the last", "us", Less, perOp(last)},
	}, nil
}

func cpuOf(nodes []*Server) ([]time.Duration, error) {
	used := make([]time.Duration, len(nodes))
	for i, n := range nodes {
		u, err := n.Usage()
		if err != nil {
			return nil, err
		}
		used[i] = u.CPU
	}
	return used, nil
}
