package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// Many clients pipeline while others list, kill and reconfigure: every connection that lives gets its own replies, in order.
func TestManyClientsAtOnce(t *testing.T) {
	r := start(t)
	const workers, rounds, pipeline = 8, 60, 20
	var wg sync.WaitGroup
	errs := make(chan error, workers+10+rounds) // room for every error there can be
	for w := range workers {
		wg.Go(func() { errs <- pipelineWorker(dial(t, r.addr()), w, rounds, pipeline) })
	}
	for _, cmd := range []string{"CLIENT LIST", "INFO all", "CONFIG SET timeout 0 maxclients 5000", "CLIENT KILL TYPE replica", "COMMAND DOCS"} {
		wg.Go(func() {
			c := dial(t, r.addr())
			for range rounds {
				c.send(frame(strings.Fields(cmd)...))
				if raw, err := c.tryRead(); err != nil || raw[0] == '-' {
					errs <- fmt.Errorf("%s: %q, %w", cmd, raw, err)
					return
				}
			}
		})
	}
	wg.Go(func() { // victims come and go
		killer := dial(t, r.addr())
		for range rounds {
			victim := dial(t, r.addr())
			victim.send(strings.Repeat(frame("SET", "victim", "x"), rand.IntN(50)))
			killer.send(frame("CLIENT", "KILL", "ADDR", victim.nc.LocalAddr().String()))
			if _, err := killer.tryRead(); err != nil {
				errs <- err
			}
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func pipelineWorker(c *client, id, rounds, pipeline int) error {
	key := fmt.Sprintf("n%d", id)
	for round := range rounds {
		var in strings.Builder
		for range pipeline {
			in.WriteString(frame("INCR", key) + frame("PING"))
		}
		c.send(in.String())
		for i := range pipeline {
			for _, want := range []string{fmt.Sprintf(":%d\r\n", round*pipeline+i+1), "+PONG\r\n"} {
				if got, err := c.tryRead(); err != nil || got != want {
					return fmt.Errorf("worker %d: got %q, want %q, %w", id, got, want, err)
				}
			}
		}
	}
	return nil
}

// A common client library, which says HELLO 3 and CLIENT SETINFO by itself.
func TestGoRedis(t *testing.T) {
	r := start(t, "--requirepass", "sekret")
	ctx := context.Background()
	for _, protocol := range []int{2, 3} {
		c := redis.NewClient(&redis.Options{Addr: r.addr(), Password: "sekret", DB: 2, Protocol: protocol, ClientName: "it"})
		require.NoError(t, c.Set(ctx, "k", "v", 0).Err())
		require.Equal(t, "v", c.Get(ctx, "k").Val())
		require.ErrorIs(t, c.Get(ctx, "nosuch").Err(), redis.Nil)
		require.Equal(t, "it", c.ClientGetName(ctx).Val())
		require.Contains(t, c.ClientInfo(ctx).Val().LibName, "go-redis")
		require.Contains(t, c.ConfigGet(ctx, "maxclients").Val(), "maxclients")
		require.Contains(t, c.Info(ctx, "server").Val(), "redis_version:"+CompatVersion)
		require.Contains(t, c.Command(ctx).Val(), "get")
		cmds, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range 100 {
				p.Incr(ctx, "n")
			}
			return nil
		})
		require.NoError(t, err)
		require.Len(t, cmds, 100)
		require.NoError(t, c.Close())
	}
}
