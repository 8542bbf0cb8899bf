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

// prepareWatched writes the files of the nodes. directives are lines for all of them; own are lines for one, by index.
func prepareWatched(t *testing.T, directives []string, own map[int][]string) *watched {
	t.Helper()
	redisTool(t, "redis-sentinel")
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
	return w
}

// startAll starts the nodes, then three Sentinels with lines of their own.
func (w *watched) startAll(sentinelLines ...string) {
	w.t.Helper()
	for _, n := range w.nodes {
		n.start()
	}
	program := redisTool(w.t, "redis-sentinel")
	for i := range 3 {
		w.startSentinel(program, i, sentinelLines)
	}
}

// newWatched prepares and starts them.
func newWatched(t *testing.T, directives []string, own map[int][]string, sentinelLines ...string) *watched {
	t.Helper()
	w := prepareWatched(t, directives, own)
	w.startAll(sentinelLines...)
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
	text := fmt.Sprintf("port %d\ndir %s\nsentinel monitor m 127.0.0.1 %d 2\nsentinel down-after-milliseconds m 3000\nsentinel failover-timeout m 10000\n%s\n",
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
			m, err := sentinelOf(s).Master(w.t.Context(), "m").Result()
			if err != nil {
				return err
			}
			return errors.Join(want("num-slaves", m["num-slaves"], strconv.Itoa(replicas)), want("num-other-sentinels", m["num-other-sentinels"], "2"),
				want("flags", m["flags"], "master"))
		})
	}
}

// settled waits until all Sentinels have agreed on a master, by one epoch, and all nodes named are that master, or follow it with its data. Sentinels
// that are short of time may fail over twice: nothing is assumed about who it is, but that it is not the one in not.
func (w *watched) settled(not *node, alive ...*node) (master *node) {
	w.t.Helper()
	eventually(w.t, failoverWithin, "the sentinels and the nodes agree", func() (err error) {
		if master, err = w.agreed(); err != nil {
			return err
		}
		if master == not {
			return fmt.Errorf("the master is still %s", not.name)
		}
		for _, n := range alive {
			fields, err := n.info("replication")
			switch {
			case err != nil:
			case n == master:
				err = want("role of "+n.name, fields["role"], "master")
			default:
				err = errors.Join(want("role of "+n.name, fields["role"], "slave"), want("master_port", fields["master_port"], strconv.Itoa(master.port)),
					want("master_link_status", fields["master_link_status"], "up"))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	waitSame(w.t, alive...)
	return master
}

// agreed is the master that all Sentinels name.
func (w *watched) agreed() (*node, error) {
	var first map[string]string
	for _, s := range w.sentinels {
		m, err := sentinelOf(s).Master(w.t.Context(), "m").Result()
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = m
		}
		if err := errors.Join(want("flags", m["flags"], "master"), want("port", m["port"], first["port"]), want("config-epoch", m["config-epoch"], first["config-epoch"])); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for _, n := range w.nodes {
		if strconv.Itoa(n.port) == first["port"] {
			return n, nil
		}
	}
	return nil, fmt.Errorf("port %s is no node's", first["port"])
}

func sentinelOf(s *node) *redis.SentinelClient {
	c := redis.NewSentinelClient(&redis.Options{Addr: s.addr()})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
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
	master := w.settled(nil, w.nodes...)
	master.do("SET reign 0")
	waitSame(t, w.nodes...)

	for reign := 1; reign <= 2; reign++ {
		dead := master
		dead.kill9()
		master = w.settled(dead, w.others(dead)...)
		master.do(fmt.Sprintf("SET reign %d", reign))
		dead.restart() // its file says that it is a master
		master = w.settled(nil, w.nodes...)
		require.Equal(t, strconv.Itoa(reign), dead.do("GET reign"))
		require.Zero(t, fullSyncs(w.nodes...), "the copies were made by the first master, before it died")
		w.sees(2)
	}

	_, err := w.sentinels[0].try("SENTINEL FAILOVER m")
	require.NoError(t, err)
	master = w.settled(master, w.nodes...)
	master.do("SET reign 3")
	waitSame(t, w.nodes...)
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
	require.Equal(t, "master", master.field("role"))
	for _, n := range w.others(master) {
		n.waitLinkUp()
	}
	waitSame(t, w.nodes...)
	require.Zero(t, fullSyncs(w.nodes...))
}

// TestSentinelMasterHangs: a master that is stopped is replaced, and comes back as a replica without a full sync although it had replicas
// to PING when it went on.
func TestSentinelMasterHangs(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	w := newWatched(t, nil, nil)
	w.sees(2)
	first := w.settled(nil, w.nodes...)
	copies := fullSyncs(w.nodes...)

	first.signal(syscall.SIGSTOP)
	first.closeClient()
	second := w.settled(first, w.others(first)...)
	second.do("SET k 2")
	first.signal(syscall.SIGCONT)
	w.settled(nil, w.nodes...)
	require.Equal(t, copies, fullSyncs(w.nodes...))
	require.Equal(t, "2", first.do("GET k"))
}

// TestSentinelMasterDiskFull: a master that cannot log answers PING with MISCONF, and is replaced.
func TestSentinelMasterDiskFull(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	w := prepareWatched(t, []string{"wal-segment-size 4mb", "repl-backlog-size 8mb"}, nil)
	first := w.nodes[0]
	mountSmallDisk(t, first.dir)
	w.startAll()
	w.sees(2)
	require.Same(t, first, w.settled(nil, w.nodes...))
	first.do("SET k 1")
	waitSame(t, w.nodes...)

	fill(t, filepath.Join(first.dir, "ballast"))
	f := startFiller(first)
	waitRefused(first)
	second := w.settled(first, w.others(first)...)
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
	first := w.settled(nil, w.nodes...)
	require.Same(t, w.nodes[0], first)
	first.kill9()
	second := w.settled(first, w.others(first)...)
	require.Same(t, w.nodes[2], second, "the lowest priority number wins")
	first.restart()
	require.Same(t, second, w.settled(nil, w.nodes...))
	require.Zero(t, fullSyncs(w.nodes[1], w.nodes[2]))

	// Priority 0 is never chosen, and what is not announced is not shown to clients.
	first.do("CONFIG SET replica-priority 0")
	w.nodes[1].do("CONFIG SET replica-announced no")
	eventually(t, failoverWithin, "a replica is hidden", func() error {
		replicas, err := sentinelOf(w.sentinels[0]).Replicas(t.Context(), "m").Result()
		if err != nil {
			return err
		}
		return want("replicas shown", strconv.Itoa(len(replicas)), "1")
	})
	second.kill9()
	require.Same(t, w.nodes[1], w.settled(second, w.others(second)...))
}
