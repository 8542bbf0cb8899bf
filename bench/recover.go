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
		if err := waitWritten(ctx, s); err != nil {
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
		got, err := c.Do("DBSIZE")
		if err != nil {
			return nil, err
		}
		if got != keys {
			return nil, fmt.Errorf("%s has %s keys after kill -9, and had %s", e.Program.Name, got, keys)
		}
		return []Value{{"time to PONG", "s", Less, took.Seconds()}}, nil
	}}
}

// waitWritten waits until Redis has given all of its append-only file to the system. While an fsync is running it keeps what it has answered
// to itself, for up to two seconds (flushAppendOnlyFile), and a kill -9 then loses it.
func waitWritten(ctx context.Context, s *Server) error {
	if s.Program.Kind != KindRedis {
		return nil
	}
	return waitInfo(ctx, s.Addr, func(fields map[string]string) error {
		n, err := numberIn(fields, "aof_buffer_length")
		if err == nil && n > 0 {
			err = fmt.Errorf("%d bytes of its log are not written", n)
		}
		return err
	})
}
