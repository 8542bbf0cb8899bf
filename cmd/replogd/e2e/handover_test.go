package e2e_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// counterWriter increments a key on whichever node is the master, and remembers what was acknowledged.
type counterWriter struct {
	key   string
	acked atomic.Int64 // the highest answer
}

// startCounters writes to every node: those that are replicas refuse. stop ends them and waits.
func startCounters(t *testing.T, nodes ...*node) (writers []*counterWriter, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		w := &counterWriter{key: fmt.Sprintf("counter:%d", i)}
		writers = append(writers, w)
		wg.Go(func() {
			for ctx.Err() == nil {
				for _, n := range nodes {
					for ctx.Err() == nil {
						v, err := n.client().Incr(ctx, w.key).Result()
						if err != nil {
							break
						}
						w.acked.Store(v)
					}
				}
			}
		})
	}
	return writers, func() { cancel(); wg.Wait() }
}

// holds checks that a node has what the writers were told.
func holds(t *testing.T, n *node, writers []*counterWriter) {
	t.Helper()
	for _, w := range writers {
		v, err := strconv.ParseInt(n.do("GET "+w.key), 10, 64)
		require.NoError(t, err)
		require.Equal(t, w.acked.Load(), v, "%s has all that was acknowledged of %s, and no increment twice", n.name, w.key)
	}
}

// TestFailoverCommand: FAILOVER hands the role on under load, again and again, and neither an acknowledged write nor a full sync is the price.
func TestFailoverCommand(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master, replicas := family(t, 2)
	nodes := append([]*node{master}, replicas...)
	copies := fullSyncs(nodes...)
	writers, stop := startCounters(t, nodes...)
	defer stop()
	for round := range 4 {
		next := nodes[(round+1)%3]
		if round == 3 {
			require.Equal(t, "OK", master.do("FAILOVER"))
		} else {
			require.Equal(t, "OK", master.do(fmt.Sprintf("FAILOVER TO 127.0.0.1 %d TIMEOUT 20000", next.port)))
		}
		old := master
		old.eventuallyField("role", "slave")
		old.eventuallyField("master_failover_state", "no-failover")
		for _, n := range nodes {
			if n.field("role") == "master" {
				master = n
			}
		}
		require.NotSame(t, old, master)
		for _, n := range nodes {
			if n != master && n != old {
				n.replicaOf(master)
			}
		}
		for _, n := range nodes {
			if n != master {
				n.waitLinkUp()
			}
		}
	}
	before := writers[0].acked.Load()
	eventually(t, reactsWithin, "writes go on", func() error {
		if writers[0].acked.Load() == before {
			return fmt.Errorf("none since the last failover")
		}
		return nil
	})
	stop()
	waitSame(t, nodes...)
	require.Equal(t, copies, fullSyncs(nodes...))
	for _, n := range nodes {
		holds(t, n, writers)
	}
	require.Contains(t, master.refuses("FAILOVER ABORT"), "No failover in progress")
}

// TestFailoverWaitsAndIsAborted: the target does not answer, so writes wait, until the timeout or FAILOVER ABORT.
func TestFailoverWaitsAndIsAborted(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master, replicas := family(t, 1)
	target := replicas[0]
	id := master.field("master_replid")
	for _, way := range []string{"abort", "timeout"} {
		target.do("DEBUG SLEEP 0") // it is there
		target.signal(syscall.SIGSTOP)
		master.do("SET behind " + way)
		command := "FAILOVER"
		if way == "timeout" {
			command += " TIMEOUT 300"
		}
		require.Equal(t, "OK", master.do(command))
		if way == "abort" {
			require.Equal(t, "waiting-for-sync", master.field("master_failover_state"))
			require.Contains(t, master.refuses("FAILOVER"), "already in progress")
			require.Contains(t, master.refuses("REPLICAOF NO ONE"), "not allowed while failing over")
			written := make(chan error, 1)
			go func() { written <- master.client().Set(t.Context(), "held", way, 0).Err() }()
			require.Equal(t, way, master.do("GET behind"), "reads go on")
			require.Equal(t, "OK", master.do("FAILOVER ABORT"))
			require.NoError(t, <-written, "what was held is done")
		}
		master.eventuallyField("master_failover_state", "no-failover")
		require.Equal(t, "OK", master.do("SET after "+way))
		target.signal(syscall.SIGCONT)
		waitSame(t, master, target)
	}
	require.Equal(t, "master", master.field("role"))
	require.Equal(t, id, master.field("master_replid"))
	require.EqualValues(t, 1, master.number("sync_full"))
}

// TestFailoverForced: what the target lacks is lost, as asked for; the old master is its replica by a full sync.
func TestFailoverForced(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master, replicas := family(t, 1)
	target := replicas[0]
	target.signal(syscall.SIGSTOP)
	master.do("SET lost 1")
	require.Equal(t, "OK", master.do(fmt.Sprintf("FAILOVER TO 127.0.0.1 %d FORCE TIMEOUT 200", target.port)))
	master.eventuallyField("master_failover_state", "failover-in-progress")
	target.signal(syscall.SIGCONT)
	target.eventuallyField("role", "master")
	master.waitLinkUp()
	waitSame(t, master, target)
}

// TestFailoverBetweenRedisAndUs: a stock Redis hands over to a replogd and takes the role back: the planned way from one to the other.
func TestFailoverBetweenRedisAndUs(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	stock := newNodeOf(t, redisTool(t, "redis-server"), "stock", "enable-debug-command", "yes", "save", "").start()
	stock.do("SET from redis")
	ours := newNode(t, "ours").start()
	ours.replicaOf(stock)
	ours.waitLinkUp()
	waitSame(t, stock, ours)
	require.Equal(t, "OK", stock.do(fmt.Sprintf("FAILOVER TO 127.0.0.1 %d TIMEOUT 20000", ours.port)))
	ours.eventuallyField("role", "master")
	stock.eventuallyField("master_link_status", "up")
	require.Equal(t, "OK", ours.do("SET from replogd"))
	waitSame(t, ours, stock)
	require.EqualValues(t, 0, ours.number("sync_full"))

	require.Equal(t, "OK", ours.do("FAILOVER TIMEOUT 20000"))
	stock.eventuallyField("role", "master")
	ours.waitLinkUp()
	require.Equal(t, "OK", stock.do("SET back again"))
	waitSame(t, ours, stock)
	require.EqualValues(t, 1, stock.number("sync_full"), "the first one")
	require.True(t, strings.HasPrefix(ours.field("master_replid2"), stock.field("master_replid2")))
}
