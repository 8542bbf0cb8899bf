package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const (
	chainWriters   = 8
	shortChainTime = 6 * time.Second
	longChainTime  = 60 * time.Second
)

// TestChainUnderKill is the demonstration that the log is the replication stream: a master, two replicas and a replica of a
// replica, eight writers on the master, and every node in turn killed with -9 and restarted, sometimes two at once. Afterwards
//
//   - no acknowledged write is missing, on any node;
//   - there were three full syncs in all: the first ones;
//   - all four nodes stand at the same offset with the same data.
func TestChainUnderKill(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	for _, policy := range []string{"always", "everysec"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			c := startChain(t, policy)
			writers, stop := c.startWriters()
			c.killInTurn()
			stop()
			c.judge(writers)
		})
	}
}

// chain is master <- first, master <- second, first <- sub.
type chain struct {
	t                          *testing.T
	master, first, second, sub *node
	kills                      int
	counters                   map[string]int64 // of processes that are gone
}

func startChain(t *testing.T, policy string) *chain {
	c := &chain{t: t, counters: make(map[string]int64)}
	settings := []string{"appendfsync", policy, "repl-ping-replica-period", "1", "wal-segment-size", "4mb"}
	c.master = newNode(t, "master", settings...).start()
	follow := func(name string, of *node) *node {
		n := newNode(t, name, append(settings, "replicaof", fmt.Sprintf("127.0.0.1 %d", of.port))...).start()
		n.waitLinkUp()
		return n
	}
	c.first = follow("first", c.master)
	c.second = follow("second", c.master)
	c.sub = follow("sub", c.first)
	return c
}

func (c *chain) nodes() []*node { return []*node{c.master, c.first, c.second, c.sub} }

// startWriters lets the writers write until stop is called; stop returns when all have ended, and fails the test on a broken promise.
func (c *chain) startWriters() (writers []*writer, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	broken := make(chan error, chainWriters)
	for i := range chainWriters {
		w := newWriter(i, func() *redis.Client { return c.master.newClient(1) })
		writers = append(writers, w)
		running.Go(func() {
			if err := w.run(ctx); err != nil {
				broken <- err
			}
		})
	}
	c.t.Cleanup(func() { // also if the test ends early
		cancel()
		running.Wait()
	})
	return writers, func() {
		c.t.Helper()
		cancel()
		running.Wait()
		close(broken)
		for err := range broken {
			c.t.Error(err)
		}
		require.False(c.t, c.t.Failed())
	}
}

// killInTurn kills every node at least once, and goes on for the time of the run.
func (c *chain) killInTurn() {
	lasts := shortChainTime
	if longRun() {
		lasts = longChainTime
	}
	end := time.Now().Add(lasts)
	rng := rand.New(rand.NewPCG(7, 7))
	for round := 0; round < len(c.nodes()) || time.Now().Before(end); round++ {
		victim := c.nodes()[round%len(c.nodes())]
		c.waitProgress()
		c.kill(victim)
		if round%5 == 4 { // a second one, while the first is down
			other := c.nodes()[(round+1+rng.IntN(3))%len(c.nodes())]
			c.kill(other)
			other.restart()
		}
		victim.restart()
	}
}

// waitProgress waits until every link is up and the chain's last node has applied something new: that is load, and a steady state
// in which the leader's counters do not change between the look at them and the kill.
func (c *chain) waitProgress() {
	c.t.Helper()
	for _, n := range c.nodes()[1:] {
		n.waitLinkUp()
	}
	from := c.sub.number("slave_repl_offset")
	eventually(c.t, syncWithin, "the chain's end moves on", func() error {
		fields, err := c.sub.info()
		if err != nil {
			return err
		}
		offset, err := strconv.ParseInt(fields["slave_repl_offset"], 10, 64)
		if err == nil && offset <= from {
			err = fmt.Errorf("slave_repl_offset stays at %d", offset)
		}
		return err
	})
}

func (c *chain) kill(n *node) {
	c.t.Helper()
	for name, v := range c.countersOf(n) {
		c.counters[name] += v
	}
	n.kill9()
	c.kills++
}

// countersOf are the counters of a node as a leader. They begin anew with each process.
func (c *chain) countersOf(n *node) map[string]int64 {
	c.t.Helper()
	counters := make(map[string]int64)
	for _, name := range []string{"sync_full", "sync_partial_ok", "sync_partial_err"} {
		counters[name] = n.number(name)
	}
	return counters
}

func (c *chain) judge(writers []*writer) {
	t := c.t
	t.Helper()
	for _, n := range c.nodes()[1:] {
		n.waitLinkUp()
	}
	waitSame(t, c.nodes()...)

	var acked, unknown, refused int64
	for _, w := range writers {
		acked, unknown, refused = acked+w.acked.Load(), unknown+w.unknown.Load(), refused+w.refused.Load()
		for _, n := range c.nodes() {
			require.NoError(t, w.checkAll(n.client()), "on %s", n.name)
		}
	}
	for _, n := range c.nodes() {
		for name, v := range c.countersOf(n) {
			c.counters[name] += v
		}
	}
	t.Logf("%d kills; %d writes acknowledged, %d with a lost answer, %d refused; full syncs %d, partial %d, partial refused %d",
		c.kills, acked, unknown, refused, c.counters["sync_full"], c.counters["sync_partial_ok"], c.counters["sync_partial_err"])
	require.EqualValues(t, 3, c.counters["sync_full"], "full syncs of all processes' lives: only the first ones")
	require.GreaterOrEqual(t, c.counters["sync_partial_ok"], int64(c.kills), "each kill costs at least one resume")
	require.Greater(t, acked, int64(1000))

	// Counters of a killed process could miss its last moments; the data set's generation on disk cannot.
	require.Equal(t, []string{"1"}, generations(t, c.master))
	for _, n := range c.nodes()[1:] {
		require.Equal(t, []string{"2"}, generations(t, n), "%s received exactly one snapshot in all its lives", n.name)
	}
}

// generations are the names below data/: one directory, counted up by each full sync received.
func generations(t *testing.T, n *node) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(n.dir, "data"))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		number, err := strconv.ParseUint(e.Name(), 10, 64)
		require.NoError(t, err, "directory in data/")
		names = append(names, strconv.FormatUint(number, 10))
	}
	slices.Sort(names)
	return names
}
