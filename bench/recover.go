package bench

import (
	"context"
	"fmt"
)

// recoverScenario: kill -9, and the time until it answers again.
func recoverScenario() Scenario {
	const bytes = 1 << 30
	return Scenario{Name: "recover", About: "kill -9 after 1 GB of writes, then the time from exec to PONG with all data", Run: func(ctx context.Context, e *Env) ([]Value, error) {
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
