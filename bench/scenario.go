package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Better says which way a value is good.
type Better string

// The ways.
const (
	More Better = "more"
	Less Better = "less"
	None Better = "" // told, not judged
)

// Value is one measurement of one contestant.
type Value struct {
	Name   string
	Unit   string
	Better Better
	Number float64
}

// Env is what a scenario works in.
type Env struct {
	Program Program
	Dir     string // empty, removed afterwards
	Scale   float64
	servers []*Server
	curves  []Curve // that the scenario has drawn, of one contestant
}

// scaled is n times the scale, at least 1.
func (e *Env) scaled(n int) int { return max(1, int(float64(n)*e.Scale)) }

// minLength is the shortest time that says anything.
const minLength = 300 * time.Millisecond

// length is d times the scale.
func (e *Env) length(d time.Duration) time.Duration {
	return max(minLength, time.Duration(float64(d)*e.Scale))
}

// warmed is a Load that has been running for a while: memory that is touched for the first time is not what is measured.
func warmed(ctx context.Context, l Load, addr string) error {
	l.Length, l.Seed = max(minLength, l.Length/4), l.Seed+100
	_, err := l.Run(ctx, addr)
	return err
}

// start starts a server that ends with the scenario.
func (e *Env) start(ctx context.Context, name string, s Settings) (*Server, error) {
	srv, err := e.Program.Start(ctx, filepath.Join(e.Dir, name), s)
	if err != nil {
		return nil, err
	}
	e.servers = append(e.servers, srv)
	return srv, nil
}

// close ends what was started.
func (e *Env) close() {
	for _, s := range e.servers {
		s.Kill()
	}
	_ = os.RemoveAll(e.Dir) // a leftover in the scratch directory harms nobody
}

// Scenario is one kind of work.
type Scenario struct {
	Name  string
	About string
	Long  bool // played only where it is asked for: it takes minutes, or goes far into a corner
	Run   func(ctx context.Context, e *Env) ([]Value, error)
}

// Scenarios are all there are, in the order in which they are played. sentinel is the path of redis-sentinel; without it there is no failover.
func Scenarios(sentinel string) []Scenario {
	all := append(opsScenarios(),
		fullSyncScenario("fullsync 100 B", 1_000_000, 100), fullSyncScenario("fullsync 1 KB", 200_000, 1000),
		resumeScenario(), applyScenario(), tailScenario(), chainScenario(), recoverScenario())
	if sentinel != "" {
		all = append(all, failoverScenario(sentinel))
	}
	return append(all, overwriteScenario())
}

const writtenPerOp = "written per op"

// withUsage runs work and adds what the server used for it.
func withUsage(s *Server, ops func() int, work func() error) ([]Value, error) {
	before, err := s.Usage()
	if err != nil {
		return nil, err
	}
	if err := work(); err != nil {
		return nil, err
	}
	after, err := s.Usage()
	if err != nil {
		return nil, err
	}
	n := float64(max(ops(), 1))
	return []Value{
		{"cpu per op", "us", Less, float64((after.CPU - before.CPU).Microseconds()) / n},
		{writtenPerOp, "B", None, float64(after.Written-before.Written) / n},
		{"resident", "MB", None, float64(after.Resident) / 1e6},
	}, nil
}

// waitInfo waits until INFO of a server is as done wants it.
func waitInfo(ctx context.Context, addr string, done func(fields map[string]string) error) error {
	c, err := Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return poll(ctx, syncWithin, func() error {
		fields, err := c.Info()
		if err == nil {
			err = done(fields)
		}
		return err
	})
}

// waitLink waits until a replica's link is up.
func waitLink(ctx context.Context, addr string) error {
	return waitInfo(ctx, addr, func(fields map[string]string) error {
		if fields["master_link_status"] != "up" {
			return fmt.Errorf("master_link_status is %q", fields["master_link_status"])
		}
		return nil
	})
}

// waitOffset waits until a replica has applied its master's stream up to offset.
func waitOffset(ctx context.Context, addr string, offset int64) error {
	return waitInfo(ctx, addr, func(fields map[string]string) error {
		n, err := numberIn(fields, "slave_repl_offset")
		if err == nil && n < offset {
			err = fmt.Errorf("it is at %d of %d", n, offset)
		}
		return err
	})
}

// waitRewritten waits until the server has ended what filling it made it do: Redis rewrites an append-only file that has doubled.
func waitRewritten(ctx context.Context, addr string) error {
	return waitInfo(ctx, addr, func(fields map[string]string) error {
		if fields["aof_rewrite_in_progress"] == "1" || fields["aof_rewrite_scheduled"] == "1" {
			return errors.New("it rewrites its append-only file")
		}
		return nil
	})
}

// infoNumber asks a server for a field.
func infoNumber(ctx context.Context, addr, name string) (int64, error) {
	c, err := Dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	fields, err := c.Info()
	if err != nil {
		return 0, err
	}
	return numberIn(fields, name)
}

func numberIn(fields map[string]string, name string) (int64, error) {
	n, err := strconv.ParseInt(fields[name], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("INFO field %s: %w", name, err)
	}
	return n, nil
}

// syncWithin bounds every wait for a replica.
const syncWithin = 10 * time.Minute
