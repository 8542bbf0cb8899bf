package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	sentinels      = 3
	sentinelQuorum = 2

	downAfter       = time.Second      // silence after which a Sentinel takes a master for dead
	failoverTimeout = 10 * time.Second // after which Sentinels try again
	failoverWithin  = 2 * time.Minute
)

// failoverScenario: three Sentinels, a master and two replicas; the master is killed.
func failoverScenario(sentinel string) Scenario {
	about := fmt.Sprintf("kill -9 of a master with 2 replicas and %d Sentinels (down-after %v): until the new master takes writes", sentinels, downAfter)
	return Scenario{Name: "failover", About: about, Run: func(ctx context.Context, e *Env) ([]Value, error) {
		master, first, err := e.pair(ctx, Settings{})
		if err != nil {
			return nil, err
		}
		second, err := e.start(ctx, "second", Settings{ReplicaOf: master.Addr})
		if err != nil {
			return nil, err
		}
		if err := waitLink(ctx, second.Addr); err != nil {
			return nil, err
		}
		if err := Fill(ctx, master.Addr, e.scaled(100_000), opsValue); err != nil {
			return nil, err
		}
		watcher, err := e.watch(ctx, sentinel, master)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		master.Kill()
		leader, err := e.waitNewMaster(ctx, watcher, master.Addr)
		if err != nil {
			return nil, err
		}
		took := time.Since(began)
		next, other := first, second
		if leader == second.Addr {
			next, other = second, first
		}
		if err := waitFollows(ctx, other, next); err != nil {
			return nil, err
		}
		rejoined := time.Since(began)
		full, err := infoNumber(ctx, next.Addr, "sync_full")
		if err != nil {
			return nil, err
		}
		return []Value{
			{"without a master", "s", Less, took.Seconds()},
			{"until the other replica follows", "s", Less, rejoined.Seconds()},
			{"full syncs", "", Less, float64(full)},
		}, nil
	}}
}

// watch starts the Sentinels and returns one of them once all know of each other and of the replicas.
func (e *Env) watch(ctx context.Context, sentinel string, master *Server) (*Server, error) {
	program := Program{Name: "sentinel", Path: sentinel, Kind: KindSentinel}
	var last *Server
	for i := range sentinels {
		s, err := program.Start(ctx, fmt.Sprintf("%s/sentinel%d", e.Dir, i), Settings{Watch: master.Addr})
		if err != nil {
			return nil, err
		}
		e.servers = append(e.servers, s)
		last = s
	}
	for _, s := range e.servers[len(e.servers)-sentinels:] {
		err := waitInfo(ctx, s.Addr, func(fields map[string]string) error {
			line := fields["master0"]
			if !strings.Contains(line, fmt.Sprintf("slaves=2,sentinels=%d", sentinels)) || !strings.Contains(line, "status=ok") {
				return fmt.Errorf("a Sentinel says %q", line)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// waitNewMaster waits until the Sentinel names another master than the old one, and that takes a write.
func (e *Env) waitNewMaster(ctx context.Context, sentinel *Server, old string) (addr string, err error) {
	s, err := Dial(ctx, sentinel.Addr)
	if err != nil {
		return "", err
	}
	defer s.Close()
	err = poll(ctx, failoverWithin, func() error {
		fields, err := s.Info()
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(fields["master0"], "address=")
		if addr, _, _ = strings.Cut(after, ","); addr == "" || addr == old {
			return fmt.Errorf("the Sentinel names %q as the master", addr)
		}
		c, err := Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Do("SET", "after", "failover")
		return err
	})
	return addr, err
}

// waitFollows waits until a server is level with its new master.
func waitFollows(ctx context.Context, s, master *Server) error {
	err := waitInfo(ctx, s.Addr, func(fields map[string]string) error {
		if at := fields["master_host"] + ":" + fields["master_port"]; at != master.Addr {
			return fmt.Errorf("it follows %s", at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return waitLevel(ctx, master, s)
}
