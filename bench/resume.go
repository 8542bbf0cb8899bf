package bench

import (
	"context"
	"fmt"
	"time"
)

// resumeScenario: a replica comes back to a stream that went on without it; then the master does.
func resumeScenario() Scenario {
	const missed = 1 << 30
	return Scenario{Name: "resume", About: "a replica was away for 1 GB of stream; then the master restarts", Run: func(ctx context.Context, e *Env) ([]Value, error) {
		master, replica, err := e.pair(ctx, Settings{Backlog: "4gb"})
		if err != nil {
			return nil, err
		}
		if err := replica.Stop(); err != nil {
			return nil, err
		}
		bytes := e.scaled(missed)
		away := Load{Command: "set", Conns: 4, Pipeline: 32, Ops: max(1, bytes/1000), Keys: 100_000, ValueSize: 960, Seed: 5}
		if _, err := away.Run(ctx, master.Addr); err != nil {
			return nil, err
		}
		copies, err := infoNumber(ctx, master.Addr, "sync_full")
		if err != nil {
			return nil, err
		}
		took, err := restartAndLevel(ctx, replica, master, replica)
		if err != nil {
			return nil, err
		}
		again, err := infoNumber(ctx, master.Addr, "sync_full")
		if err != nil {
			return nil, err
		}
		if err := master.Stop(); err != nil {
			return nil, err
		}
		back, err := restartAndLevel(ctx, master, master, replica)
		if err != nil {
			return nil, err
		}
		third, err := infoNumber(ctx, master.Addr, "sync_full") // the count begins anew with the process
		if err != nil {
			return nil, err
		}
		return []Value{
			{"rate", "MB/s", More, float64(bytes) / 1e6 / took.Seconds()},
			{"time", "s", Less, took.Seconds()},
			{"full syncs", "", Less, float64(again - copies)},
			{"after the master's restart", "s", Less, back.Seconds()},
			{"full syncs after the master's restart", "", Less, float64(third)},
		}, nil
	}}
}

// restartAndLevel starts one of the two again and returns the time until the replica is level with its master.
func restartAndLevel(ctx context.Context, who, master, replica *Server) (time.Duration, error) {
	began := time.Now()
	if _, err := who.Restart(ctx); err != nil {
		return 0, err
	}
	if err := waitLevel(ctx, master, replica); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// waitLevel waits until a replica's link is up and it has applied what its master has now.
func waitLevel(ctx context.Context, master, replica *Server) error {
	if err := waitLink(ctx, replica.Addr); err != nil {
		return err
	}
	target, err := infoNumber(ctx, master.Addr, "master_repl_offset")
	if err != nil {
		return err
	}
	return waitOffset(ctx, replica.Addr, target)
}

// applyScenario: how fast a replica works off a stream that waits for it. It stands still meanwhile, so nothing but its work is measured.
func applyScenario() Scenario {
	const waiting = 2_000_000
	return Scenario{Name: "apply", About: fmt.Sprintf("a replica that stood still (SIGSTOP) works off %d SETs of %d bytes", waiting, opsValue), Run: func(ctx context.Context, e *Env) ([]Value, error) {
		master, replica, err := e.pair(ctx, Settings{Backlog: "2gb"})
		if err != nil {
			return nil, err
		}
		if err := warmed(ctx, Load{Command: "set", Conns: 50, Pipeline: 16, Length: e.length(opsFor), Keys: e.scaled(opsKeys), ValueSize: opsValue, Seed: 9}, master.Addr); err != nil {
			return nil, err
		}
		if err := waitLevel(ctx, master, replica); err != nil {
			return nil, err
		}
		if err := replica.Pause(); err != nil {
			return nil, err
		}
		ops := e.scaled(waiting)
		if _, err := (Load{Command: "set", Conns: 50, Pipeline: 16, Ops: ops, Keys: e.scaled(opsKeys), ValueSize: opsValue, Seed: 10}).Run(ctx, master.Addr); err != nil {
			return nil, err
		}
		target, err := infoNumber(ctx, master.Addr, "master_repl_offset")
		if err != nil {
			return nil, err
		}
		began := time.Now()
		used, err := withUsage(replica, func() int { return ops }, func() error {
			if err := replica.Continue(); err != nil {
				return err
			}
			return waitOffset(ctx, replica.Addr, target)
		})
		if err != nil {
			return nil, err
		}
		return append([]Value{{"rate", "ops/s", More, float64(ops) / time.Since(began).Seconds()}}, used...), nil
	}}
}
