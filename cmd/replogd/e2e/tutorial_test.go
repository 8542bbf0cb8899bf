package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const tutorialPassword = "tutorial"

// tutorialConf is a redis.conf as tutorials on Redis replication write it: replication is configured on the replicas alone.
func tutorialConf(dir, name string, port int, extra string) string {
	return fmt.Sprintf(`# %[1]s: one of the nodes of the tutorial

bind 127.0.0.1
port %[2]d
daemonize yes
protected-mode yes

dir "%[3]s"
pidfile %[4]s.pid
logfile "%[4]s.log"
loglevel notice

# one name for the node's files
dbfilename dump%[2]d.rdb
appendonly yes
appendfilename "appendonly%[2]d.aof"

requirepass %[5]s
enable-debug-command local
repl-diskless-sync-delay 0
%[6]s`, name, port, filepath.Join(dir, "data-"+name), filepath.Join(dir, name), tutorialPassword, extra)
}

// tutorial is the cast: nodes in conf files of one directory, named after the ports of the original.
type tutorial struct {
	t   *testing.T
	dir string
}

// node writes NAME.conf and prepares its server. extra is appended to the file.
func (tu tutorial) node(name, extra string) *node {
	tu.t.Helper()
	port := freePort(tu.t)
	data := filepath.Join(tu.dir, "data-"+name)
	require.NoError(tu.t, os.MkdirAll(data, 0o755))
	n := newConfNode(tu.t, name, filepath.Join(tu.dir, name+".conf"), port, data, filepath.Join(tu.dir, name+".log"), tutorialPassword)
	n.daemon = true
	tu.write(n, extra)
	return n
}

func (tu tutorial) write(n *node, extra string) {
	tu.t.Helper()
	require.NoError(tu.t, os.WriteFile(n.conf, []byte(tutorialConf(tu.dir, n.name, n.port, extra)), 0o644))
}

func replicaLines(master *node, password string) string {
	lines := fmt.Sprintf("\n# the master\nreplicaof 127.0.0.1 %d\n", master.port)
	if password != "" {
		lines += "masterauth " + password + "\n"
	}
	return lines
}

// TestTutorial is the classic tutorial on Redis replication, one master and two replicas, told as one story: each part
// begins where the one before it ended.
func TestTutorial(t *testing.T) {
	t.Parallel()
	tu := tutorial{t: t, dir: t.TempDir()}
	master := tu.node("redis6379", "")
	first := tu.node("redis6380", "")
	second := tu.node("redis6381", "")
	part := func(title string, tell func()) {
		t.Helper()
		t.Log(title)
		tell()
	}

	part("three servers that do not know each other", func() {
		for _, n := range []*node{master, first, second} {
			n.start()
			require.Equal(t, "master", n.field("role"))
			require.Equal(t, "0", n.field("connected_slaves"))
		}
		master.do("SET language redis")
		first.do("SET leftover of-6380")
		first.stop()
		second.stop()
	})

	part("replicaof makes two of them replicas, and their own data are replaced", func() {
		tu.write(first, replicaLines(master, tutorialPassword))
		tu.write(second, replicaLines(master, tutorialPassword))
		for _, n := range []*node{first, second} {
			n.start()
			n.waitLinkUp()
			require.Equal(t, "slave", n.field("role"))
			require.Equal(t, "127.0.0.1", n.field("master_host"))
			require.EqualValues(t, master.port, n.number("master_port"))
			require.Equal(t, "redis", n.do("GET language"))
			require.Equal(t, "0", n.do("EXISTS leftover"), "data from before the first sync are gone")
		}
		require.Equal(t, "master", master.field("role"))
		master.eventuallyField("connected_slaves", "2")
		eventually(t, syncWithin, "the master lists its replicas", func() error {
			fields, err := master.info()
			if err != nil {
				return err
			}
			both := fields["slave0"] + " " + fields["slave1"]
			for _, n := range []*node{first, second} {
				if !strings.Contains(both, fmt.Sprintf("ip=127.0.0.1,port=%d,state=online", n.port)) {
					return fmt.Errorf("%s is not online in %q", n.name, both)
				}
			}
			return nil
		})
		require.EqualValues(t, 2, master.number("sync_full"))
	})

	part("writes travel, and a replica refuses them", func() {
		master.do("SET city Turin")
		waitSame(t, master, first, second)
		require.Equal(t, "Turin", second.do("GET city"))
		require.Equal(t, "READONLY You can't write against a read only replica.", first.refuses("SET city Rome"))
		require.Equal(t, "Turin", first.do("GET city"))
	})

	part("the master stops: replicas wait and stay replicas", func() {
		_, _ = master.try("SHUTDOWN")
		master.waitGone()
		for _, n := range []*node{first, second} {
			n.eventuallyField("master_link_status", "down")
			require.Equal(t, "slave", n.field("role"))
			require.Equal(t, "Turin", n.do("GET city"), "a replica serves what it has")
			require.Contains(t, n.refuses("SET city Rome"), "READONLY")
		}
	})

	part("the master comes back: replicas resume by themselves", func() {
		master.start()
		for _, n := range []*node{first, second} {
			n.waitLinkUp()
		}
		if !stock() {
			require.EqualValues(t, 0, master.number("sync_full"), "no full sync after the master's restart")
			require.EqualValues(t, 2, master.number("sync_partial_ok"))
		}
		master.do("SET after restart")
		waitSame(t, master, first, second)
		require.Equal(t, "restart", first.do("GET after"))
	})

	part("a replica misses writes: only the missing bytes travel", func() {
		master.do("SET ballast", strings.Repeat("x", 4<<20))
		waitSame(t, master, first, second)
		second.stop()
		master.eventuallyField("connected_slaves", "1")
		full, partial, sent := master.number("sync_full"), master.number("sync_partial_ok"), master.number("total_net_repl_output_bytes")
		offset := master.number("master_repl_offset")
		for i := range 50 {
			master.do(fmt.Sprintf("SET missed:%d %d", i, i))
		}
		missed := master.number("master_repl_offset") - offset
		second.start()
		second.waitLinkUp()
		waitSame(t, master, first, second)
		require.Equal(t, "49", second.do("GET missed:49"))
		if stock() {
			return
		}
		require.Equal(t, full, master.number("sync_full"))
		require.Equal(t, partial+1, master.number("sync_partial_ok"))
		// Both replicas received the writes; handshakes and keep-alives come on top.
		require.Less(t, master.number("total_net_repl_output_bytes")-sent, 2*missed+16<<10,
			"%d bytes were missed, the data set is over 4 MB", missed)
	})

	part("REPLICAOF at run time is lost at a restart", func() {
		second.replicaOf(first)
		second.waitLinkUp()
		require.EqualValues(t, first.port, second.number("master_port"))
		second.stop()
		second.start()
		require.EqualValues(t, master.port, second.number("master_port"), "the role at start is the configuration's")
		second.waitLinkUp()
	})

	part("CONFIG REWRITE makes it last: a chain", func() {
		second.do(fmt.Sprintf("SLAVEOF 127.0.0.1 %d", first.port))
		second.waitLinkUp()
		require.Equal(t, "OK", second.do("CONFIG REWRITE"))
		conf, err := os.ReadFile(second.conf)
		require.NoError(t, err)
		require.Contains(t, string(conf), "# one name for the node's files\n", "comments stay")
		require.Contains(t, string(conf), fmt.Sprintf("replicaof 127.0.0.1 %d\n", first.port))
		require.NotContains(t, string(conf), fmt.Sprintf("replicaof 127.0.0.1 %d\n", master.port))

		second.stop()
		second.start()
		second.waitLinkUp()
		require.EqualValues(t, first.port, second.number("master_port"))

		first.eventuallyField("connected_slaves", "1")
		require.Equal(t, "slave", first.field("role"))
		master.do("SET through-the-chain yes")
		waitSame(t, master, first, second)
		require.Equal(t, "yes", second.do("GET through-the-chain"))
		require.Contains(t, second.refuses("SET x y"), "READONLY")
	})

	part("a replica pointed at another master takes that one's data", func() {
		other := tu.node("redis6382", "")
		other.start()
		other.do("SET kingdom other")
		second.replicaOf(other)
		second.waitLinkUp()
		require.Equal(t, "other", second.do("GET kingdom"))
		require.Equal(t, "0", second.do("EXISTS city"))
		require.Equal(t, "1", second.do("DBSIZE"))
		waitSame(t, other, second)
	})

	part("SLAVEOF NO ONE keeps the data and takes writes", func() {
		require.Equal(t, "OK", second.do("SLAVEOF NO ONE"))
		require.Equal(t, "master", second.field("role"))
		require.Equal(t, "other", second.do("GET kingdom"))
		require.Equal(t, "OK", second.do("SET kingdom mine"))
	})

	part("without masterauth the master refuses, and the reason can be read", func() {
		stranger := tu.node("redis6383", replicaLines(master, ""))
		stranger.start()
		eventually(t, syncWithin, "the replica's log gives the reason", func() error {
			if !strings.Contains(stranger.logText(), "NOAUTH") {
				return fmt.Errorf("no NOAUTH in %s", stranger.log)
			}
			return nil
		})
		require.Equal(t, "down", stranger.field("master_link_status"))
		if !stock() {
			require.Contains(t, stranger.field("master_link_error"), "NOAUTH")
		}
		require.Equal(t, "OK", stranger.do("CONFIG SET masterauth "+tutorialPassword))
		stranger.waitLinkUp()
		waitSame(t, master, first, stranger)
	})
}

// TestKillEachInTurn is the tutorial's last question: what if nobody says goodbye? Any node may be killed at any time,
// under load, and no restart costs a full sync. The chain under load for longer is TestChainUnderKill.
func TestKillEachInTurn(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master := newNode(t, "master").start()
	replicas := []*node{newNode(t, "first").start(), newNode(t, "second").start()}
	for _, r := range replicas {
		r.replicaOf(master)
		r.waitLinkUp()
		r.args = append(r.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.port))
	}
	require.EqualValues(t, 2, master.number("sync_full"))

	for round, victim := range []*node{master, replicas[0], replicas[1], master} {
		master.do(fmt.Sprintf("SET before:%d %d", round, round))
		victim.kill9()
		if victim != master {
			master.do(fmt.Sprintf("SET meanwhile:%d %d", round, round))
		}
		victim.restart()
		for _, r := range replicas {
			r.waitLinkUp()
		}
		waitSame(t, master, replicas[0], replicas[1])
		require.Equal(t, fmt.Sprint(round), replicas[0].do(fmt.Sprintf("GET before:%d", round)))
	}
	require.EqualValues(t, 0, master.number("sync_full"), "after the master's last restart")
	require.EqualValues(t, 2, master.number("sync_partial_ok"))
	for _, r := range replicas {
		require.Zero(t, r.number("sync_full"))
		r.signal(syscall.SIGTERM)
	}
}
