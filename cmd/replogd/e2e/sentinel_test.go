package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// failoverWithin bounds what Sentinels need to notice, to agree, and to bring a former master back: it must have claimed to be one for
// 8 seconds, and INFO is asked for every 10.
const failoverWithin = 60 * time.Second

// watched is a master and its replicas, configured by files as an operator does it, under three stock Sentinels.
type watched struct {
	t         *testing.T
	nodes     []*node // the first one is the master at the beginning
	sentinels []*node
}

// newWatched starts them. directives are lines for all nodes; own are lines for one, by index.
func newWatched(t *testing.T, directives []string, own map[int][]string, sentinelLines ...string) *watched {
	t.Helper()
	program := redisTool(t, "redis-sentinel")
	w := &watched{t: t}
	for i := range 3 {
		base, port := t.TempDir(), freePort(t)
		name := fmt.Sprintf("node%d", i)
		dir, conf, logfile := filepath.Join(base, "data"), filepath.Join(base, name+".conf"), filepath.Join(base, name+".log")
		require.NoError(t, os.Mkdir(dir, 0o755))
		lines := append([]string{
			"port " + strconv.Itoa(port), "dir " + dir, "logfile " + logfile, "enable-debug-command local", "repl-ping-replica-period 1",
		}, directives...)
		if i > 0 {
			lines = append(lines, fmt.Sprintf("replicaof 127.0.0.1 %d", w.nodes[0].port))
		}
		lines = append(lines, own[i]...)
		require.NoError(t, os.WriteFile(conf, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		w.nodes = append(w.nodes, newConfNode(t, name, conf, port, dir, logfile, passOf(directives)))
	}
	for _, n := range w.nodes {
		n.start()
	}
	for i := range 3 {
		w.startSentinel(program, i, sentinelLines)
	}
	return w
}

func passOf(directives []string) string {
	for _, line := range directives {
		if pass, ok := strings.CutPrefix(line, "requirepass "); ok {
			return pass
		}
	}
	return ""
}

func (w *watched) startSentinel(program string, i int, lines []string) {
	w.t.Helper()
	base, port := w.t.TempDir(), freePort(w.t)
	name := fmt.Sprintf("sentinel%d", i)
	conf := filepath.Join(base, name+".conf")
	text := fmt.Sprintf("port %d\ndir %s\nsentinel monitor m 127.0.0.1 %d 2\nsentinel down-after-milliseconds m 1000\nsentinel failover-timeout m 10000\n%s\n",
		port, base, w.nodes[0].port, strings.Join(lines, "\n"))
	require.NoError(w.t, os.WriteFile(conf, []byte(text), 0o644))
	s := &node{t: w.t, name: name, bin: program, port: port, conf: conf, dir: base, log: filepath.Join(base, name+".log")}
	s.cleanUp()
	w.sentinels = append(w.sentinels, s.start())
}

// sees waits until every Sentinel knows so many replicas and both of the others.
func (w *watched) sees(replicas int) {
	w.t.Helper()
	for _, s := range w.sentinels {
		eventually(w.t, failoverWithin, s.name+" knows everybody", func() error {
			m, err := redis.NewSentinelClient(&redis.Options{Addr: s.addr()}).Master(w.t.Context(), "m").Result()
			if err != nil {
				return err
			}
			return errors.Join(want("num-slaves", m["num-slaves"], strconv.Itoa(replicas)), want("num-other-sentinels", m["num-other-sentinels"], "2"),
				want("flags", m["flags"], "master"))
		})
	}
}

// master waits until all Sentinels name one master other than was, which says so itself, and returns it.
func (w *watched) masterAfter(was *node) (master *node) {
	w.t.Helper()
	eventually(w.t, failoverWithin, "a new master", func() error {
		master = nil
		for _, s := range w.sentinels {
			addr, err := redis.NewSentinelClient(&redis.Options{Addr: s.addr()}).GetMasterAddrByName(w.t.Context(), "m").Result()
			if err != nil {
				return err
			}
			for _, n := range w.nodes {
				if strconv.Itoa(n.port) == addr[1] {
					if master != nil && master != n {
						return fmt.Errorf("the sentinels do not agree yet")
					}
					master = n
				}
			}
		}
		if master == nil || master == was {
			return fmt.Errorf("it is still the old one")
		}
		fields, err := master.info("replication")
		if err != nil {
			return err
		}
		return want("role", fields["role"], "master")
	})
	return master
}

// follow waits until nodes are replicas of master, with its data.
func (w *watched) follow(master *node, nodes ...*node) {
	w.t.Helper()
	for _, n := range nodes {
		eventually(w.t, failoverWithin, n.name+" follows "+master.name, func() error {
			fields, err := n.info("replication")
			if err != nil {
				return err
			}
			return errors.Join(want("role", fields["role"], "slave"), want("master_port", fields["master_port"], strconv.Itoa(master.port)),
				want("master_link_status", fields["master_link_status"], "up"))
		})
	}
	waitSame(w.t, append([]*node{master}, nodes...)...)
}

// others are the nodes beside those named.
func (w *watched) others(but ...*node) (rest []*node) {
	for _, n := range w.nodes {
		named := false
		for _, b := range but {
			named = named || n == b
		}
		if !named {
			rest = append(rest, n)
		}
	}
	return rest
}

// fullSyncs is the sum over nodes, since each one's start.
func fullSyncs(nodes ...*node) (sum int64) {
	for _, n := range nodes {
		sum += n.number("sync_full")
	}
	return sum
}

// TestSentinelFailover: the master dies, another one is made, everybody follows it, the old one too when it is back; once more; then by
// hand. After the first copies nobody needs another, and roles last over restarts.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	w := newWatched(t, nil, nil)
	w.sees(2)
	first := w.nodes[0]
	first.do("SET reign first")
	w.follow(first, w.others(first)...)

	first.kill9()
	second := w.masterAfter(first)
	second.do("SET reign second")
	w.follow(second, w.others(first, second)...)
	first.restart() // its file says that it is a master
	w.follow(second, w.others(second)...)
	require.Zero(t, fullSyncs(w.nodes[1], w.nodes[2]), "the copies were made by the first master, before it died")
	require.Equal(t, "second", first.do("GET reign"))
	w.sees(2)

	second.kill9()
	third := w.masterAfter(second)
	third.do("SET reign third")
	second.restart()
	w.follow(third, w.others(third)...)
	require.Zero(t, fullSyncs(w.nodes...))
	w.sees(2)

	_, err := w.sentinels[0].try("SENTINEL FAILOVER m")
	require.NoError(t, err)
	fourth := w.masterAfter(third)
	fourth.do("SET reign fourth")
	w.follow(fourth, w.others(fourth)...)
	require.Zero(t, fullSyncs(w.nodes...), "what Sentinels and PINGs left on the old master is no reason for a copy")

	for _, s := range w.sentinels { // a start from the files gives everybody the role it had, without their help
		s.kill9()
	}
	for _, n := range w.nodes {
		n.stop()
	}
	for _, n := range w.nodes {
		n.restart()
	}
	require.Equal(t, "master", fourth.field("role"))
	w.follow(fourth, w.others(fourth)...)
	require.Zero(t, fullSyncs(w.nodes...))
}

// TestSentinelMasterHangs: a master that is stopped is replaced, and comes back as a replica without a full sync although it had replicas
// to PING when it went on.
func TestSentinelMasterHangs(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	w := newWatched(t, nil, nil)
	w.sees(2)
	first := w.nodes[0]
	first.do("SET k 1")
	w.follow(first, w.others(first)...)
	copies := fullSyncs(first)

	first.signal(syscall.SIGSTOP)
	first.closeClient()
	second := w.masterAfter(first)
	second.do("SET k 2")
	first.signal(syscall.SIGCONT)
	w.follow(second, w.others(second)...)
	require.Equal(t, copies, fullSyncs(w.nodes...))
	require.Equal(t, "2", first.do("GET k"))
}

// TestSentinelMasterDiskFull: a master that cannot log answers PING with MISCONF, and is replaced.
func TestSentinelMasterDiskFull(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	own := []string{"wal-segment-size 4mb", "repl-backlog-size 8mb"}
	program := redisTool(t, "redis-sentinel")
	w := &watched{t: t}
	for i := range 3 {
		lines := append([]string{"repl-ping-replica-period", "1"}, strings.Fields(strings.Join(own, " "))...)
		if i > 0 {
			lines = append(lines, "replicaof", fmt.Sprintf("127.0.0.1 %d", w.nodes[0].port))
		}
		w.nodes = append(w.nodes, newNode(t, fmt.Sprintf("node%d", i), lines...))
	}
	first := w.nodes[0]
	mountSmallDisk(t, first.dir)
	for _, n := range w.nodes {
		n.start()
	}
	first.do("SET k 1")
	w.follow(first, w.others(first)...)
	for i := range 3 {
		w.startSentinel(program, i, nil)
	}
	w.sees(2)

	fill(t, filepath.Join(first.dir, "ballast"))
	f := startFiller(first)
	waitRefused(first)
	second := w.masterAfter(first)
	require.Equal(t, "1", second.do("GET k"))
	second.do("SET k 2")
	f.stop.Store(true)
}

// TestSentinelSettings: passwords, the priority of replicas, announced addresses, and a replica that is not announced.
func TestSentinelSettings(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	w := newWatched(t, []string{"requirepass secret", "masterauth secret", "replica-announce-ip localhost"},
		map[int][]string{1: {"replica-priority 200"}, 2: {"replica-priority 50"}}, "sentinel auth-pass m secret", "sentinel resolve-hostnames yes")
	w.sees(2)
	first := w.nodes[0]
	w.follow(first, w.others(first)...)
	first.kill9()
	second := w.masterAfter(first)
	require.Same(t, w.nodes[2], second, "the lowest priority number wins")
	w.follow(second, w.nodes[1])
	first.restart()
	w.follow(second, w.others(second)...)
	require.Zero(t, fullSyncs(w.nodes[1], w.nodes[2]))

	// Priority 0 is never chosen, and what is not announced is not shown to clients.
	first.do("CONFIG SET replica-priority 0")
	w.nodes[1].do("CONFIG SET replica-announced no")
	eventually(t, failoverWithin, "a replica is hidden", func() error {
		replicas, err := redis.NewSentinelClient(&redis.Options{Addr: w.sentinels[0].addr()}).Replicas(t.Context(), "m").Result()
		if err != nil {
			return err
		}
		return want("replicas shown", strconv.Itoa(len(replicas)), "1")
	})
	second.kill9()
	require.Same(t, w.nodes[1], w.masterAfter(second))
}
