package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestRedisCLI(t *testing.T) {
	t.Parallel()
	cli := redisTool(t, "redis-cli")
	n := newNode(t, "node").start()
	session := func(script string, flags ...string) string {
		cmd := exec.Command(cli, append([]string{"-p", strconv.Itoa(n.port)}, flags...)...)
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	require.Equal(t, "OK\nhello\n1\n5\n\n", session("SET greeting hello\nGET greeting\nEXISTS greeting\nSTRLEN greeting\nGET nothing\n"))
	require.Contains(t, session("HELLO 3\nCONFIG GET port\n", "-3"), strconv.Itoa(n.port))
	require.Contains(t, session("INFO replication\n"), "role:master")
	require.Contains(t, session("nonsense\n"), "ERR unknown command 'nonsense'")
	require.Contains(t, session("COMMAND COUNT\n"), "\n")

	out, err := exec.Command(cli, "-p", strconv.Itoa(n.port), "--scan", "--pattern", "greet*").CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "greeting\n", string(out))
}

func TestRedisBenchmark(t *testing.T) {
	t.Parallel()
	tool := redisTool(t, "redis-benchmark")
	n := newNode(t, "node").start()
	out, err := exec.Command(tool, "-p", strconv.Itoa(n.port), "-t", "ping,set,get,incr,mset", "-n", "3000", "-c", "20", "-P", "4", "-q").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, name := range []string{"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"} {
		require.Regexp(t, regexp.QuoteMeta(name)+`: [1-9][\d.]* requests per second`, string(out))
	}
	require.NotContains(t, string(out), "ERR", "no errors on the way")
}

// TestStockReplica: a stock Redis is given an RDB once, and continues after its link was cut, after our kill -9, and below another replogd
// of the chain: one full sync in all, and the same data everywhere.
func TestStockReplica(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	master := newNode(t, "master").start()
	fillAllTypes(master)
	// Without the disk: the RDB comes between marks; with repl-diskless-load it is parsed off the wire.
	stocks := []*node{
		newNodeOf(t, redisServer, "disk", "enable-debug-command", "yes", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start(),
		newNodeOf(t, redisServer, "wire", "enable-debug-command", "yes", "repl-diskless-load", "swapdb", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start(),
	}
	same := func(what string) {
		for _, stock := range stocks {
			eventually(t, syncWithin, what, func() error {
				if want, got := master.do("DEBUG DIGEST"), stock.do("DEBUG DIGEST"); want != got {
					return fmt.Errorf("digest %s, redis has %s", want, got)
				}
				return nil
			})
		}
	}
	same("after the full sync")
	fillAllTypes(master)
	same("after the stream")
	master.kill9()
	master.start()
	master.do("SET after kill")
	same("after kill -9 of the master")
	stocks[0].do("CLIENT KILL TYPE master")
	master.do("SET after cut")
	same("after the link was cut")
	require.Equal(t, "0", master.field("sync_full"), "since the restart")
	require.NotEqual(t, "0", master.field("sync_partial_ok"))

	middle := newNode(t, "middle").start()
	middle.replicaOf(master)
	eventually(t, syncWithin, "the middle node is up", func() error {
		if middle.field("master_link_status") != "up" {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	stocks[1].replicaOf(middle)
	master.do("SET after move")
	same("after a replica was moved below another")
	require.Equal(t, "0", middle.field("sync_full"))
}

// fillAllTypes writes keys of every type, in several databases, some of which expire.
func fillAllTypes(n *node) {
	n.t.Helper()
	pipe := n.client().Pipeline()
	add := func(line string) {
		var args []any
		for _, word := range strings.Fields(line) {
			args = append(args, word)
		}
		pipe.Do(n.t.Context(), args...)
	}
	for i := range 40 {
		for _, line := range []string{
			"SET string:%[1]d %[1]d", "SETEX expires:%[1]d 100000 x", "HSET hash f%[1]d %[1]d", "RPUSH list e%[1]d", "SADD set m%[1]d %[1]d", "SADD ints %[1]d",
			"ZADD zset %[1]d.5 m%[1]d", "XADD stream * f %[1]d", "PFADD hll %[1]d", "SETBIT bits %[1]d 1", "GEOADD geo %[1]d.5 -%[1]d.2 p%[1]d", "INCRBY counter %[1]d",
		} {
			add(fmt.Sprintf(line, i))
		}
	}
	for _, line := range []string{
		"LPOP list 5", "DEL group", "XADD group 1-1 f v", "XADD group 1-2 f w", "XGROUP CREATE group g 0", "XREADGROUP GROUP g c COUNT 1 STREAMS group >",
		"MOVE string:7 3", "MOVE hash 5",
	} {
		add(line)
	}
	replies, err := pipe.Exec(n.t.Context())
	for _, r := range replies {
		if r.Err() != nil && !errors.Is(r.Err(), redis.Nil) {
			require.NoError(n.t, r.Err(), "%s: %v", n.name, r.Args())
		}
	}
	if !errors.Is(err, redis.Nil) {
		require.NoError(n.t, err)
	}
}

// TestImport makes a data directory of what Redis has saved. A server there has the data, and as a replica of that Redis it goes on from where
// the file stands.
func TestImport(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	top := newNodeOf(t, redisServer, "top", "enable-debug-command", "yes", "repl-diskless-sync-delay", "0").start()
	fillAllTypes(top)
	first := newNode(t, "first").start() // a Redis without replicas keeps no stream
	first.replicaOf(top)
	first.waitLinkUp()
	eventually(t, syncWithin, "it saves", func() error { _, err := top.try("SAVE"); return err }) // not while its child for the replica is at work
	file := filepath.Join(top.dir, "dump.rdb")
	digest := top.do("DEBUG DIGEST")
	fillAllTypes(top)

	n := newNode(t, "imported")
	out, code := n.run("import", file, n.dir)
	require.Zero(t, code, out)
	require.Regexp(t, `\d+ keys in .*, replid [0-9a-f]{40}, offset \d+`, out)
	n.start()
	require.Equal(t, digest, n.do("DEBUG DIGEST"))
	n.stop()
	out, code = n.run("check", n.dir)
	require.Zero(t, code, out)

	again := newNode(t, "again", "replicaof", fmt.Sprintf("127.0.0.1 %d", top.port))
	out, code = again.run("import", file, again.dir)
	require.Zero(t, code, out)
	again.start()
	eventually(t, syncWithin, "it continues", func() error {
		if got, want := again.do("DEBUG DIGEST"), top.do("DEBUG DIGEST"); got != want {
			return fmt.Errorf("digest %s, redis has %s", got, want)
		}
		return nil
	})
	require.Equal(t, "1", top.field("sync_full"), "the first replica's")

	out, code = again.run("import", file, again.dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "is not empty")
	out, code = again.run("import", file)
	require.Equal(t, 2, code, out)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.rdb")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)/2], 0o600))
	out, code = again.run("import", cut, t.TempDir())
	require.Equal(t, 1, code)
	require.Contains(t, out, "damaged RDB data at byte")
}

// TestSaveAndExport: BGSAVE, SAVE and `replogd export` write files that redis-server loads, with equal data; a save whose file cannot be
// written says so and harms nothing.
func TestSaveAndExport(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer, check := redisTool(t, "redis-server"), redisTool(t, "redis-check-rdb")
	n := newNode(t, "node", "dbfilename", "backup.rdb").start()
	fillAllTypes(n)
	digest := n.do("DEBUG DIGEST")
	file := filepath.Join(n.dir, "backup.rdb")
	loads := func(file string) {
		t.Helper()
		out, err := exec.Command(check, file).CombinedOutput()
		require.NoError(t, err, string(out))
		redis := newNodeOf(t, redisServer, "redis", "enable-debug-command", "yes")
		copyFile(t, file, filepath.Join(redis.dir, "dump.rdb"))
		redis.start()
		require.Equal(t, digest, redis.do("DEBUG DIGEST"))
		redis.stop()
	}
	require.Equal(t, "Background saving started", n.do("BGSAVE"))
	eventually(t, syncWithin, "it has saved", func() error {
		if n.field("rdb_saves") != "1" || n.field("rdb_last_bgsave_status") != "ok" {
			return errors.New("not yet")
		}
		return nil
	})
	loads(file)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.MkdirAll(filepath.Join(file, "in the way"), 0o755))
	_, err := n.try("SAVE")
	require.ErrorContains(t, err, "save RDB file "+file)
	require.Equal(t, "err", n.field("rdb_last_bgsave_status"))
	require.NoFileExists(t, file+".tmp")
	require.NoError(t, os.RemoveAll(file))
	require.Equal(t, "OK", n.do("SAVE"))
	require.FileExists(t, file)

	exported := filepath.Join(t.TempDir(), "exported.rdb")
	out, code := n.run("export", n.dir, exported)
	require.Equal(t, 1, code)
	require.Contains(t, out, "is in use")
	n.kill9()
	out, code = n.run("export", n.dir, exported)
	require.Zero(t, code, out)
	require.Regexp(t, `\d+ keys, \d+ bytes in .*, offset \d+`, out)
	loads(exported)
	out, code = n.run("export", t.TempDir(), exported)
	require.Equal(t, 1, code)
	require.Contains(t, out, "is no data directory")
	_, code = n.run("export", n.dir)
	require.Equal(t, 2, code)

	back := newNode(t, "back")
	out, code = back.run("import", exported, back.dir)
	require.Zero(t, code, out)
	require.Equal(t, digest, back.start().do("DEBUG DIGEST"))
	require.Equal(t, digest, n.start().do("DEBUG DIGEST"), "the directory was only read")
}

// TestRedisCLITakesAnRDB: redis-cli --rdb, which redis-check-rdb finds whole.
func TestRedisCLITakesAnRDB(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	cli, check := redisTool(t, "redis-cli"), redisTool(t, "redis-check-rdb")
	n := newNode(t, "node").start()
	fillAllTypes(n)
	file := filepath.Join(t.TempDir(), "out.rdb")
	out, err := exec.Command(cli, "-p", strconv.Itoa(n.port), "--rdb", file).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command(check, file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "RDB looks OK")
}

// TestMixedChain: Redis, replogd, Redis, replogd, each below the other. Every node is killed and restarted under writes; ours continue where
// they stood. In the end the last one takes over: the move away from Redis, without a stop.
func TestMixedChain(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	top := newNodeOf(t, redisServer, "top", "enable-debug-command", "yes", "repl-diskless-sync-delay", "0").start()
	fillAllTypes(top)
	at := func(master *node) string { return fmt.Sprintf("127.0.0.1 %d", master.port) }
	second := newNode(t, "second", "replicaof", at(top)).start()
	third := newNodeOf(t, redisServer, "third", "enable-debug-command", "yes", "repl-diskless-sync-delay", "0", "replicaof", at(second)).start()
	fourth := newNode(t, "fourth").start()
	fourth.do("SET old data")
	fourth.stop()
	fourth.args = append(fourth.args, "--replicaof", at(third))
	fourth.start()
	same := func(what string) {
		for _, n := range []*node{second, third, fourth} {
			eventually(t, syncWithin, what+": "+n.name, func() error {
				want, err := top.try("DEBUG DIGEST")
				if err != nil {
					return err
				}
				got, err := n.try("DEBUG DIGEST")
				if err == nil && want != got {
					err = fmt.Errorf("digest %s, the top has %s", got, want)
				}
				return err
			})
		}
		require.Equal(t, top.field("master_replid"), fourth.field("master_replid"))
	}
	same("after the full syncs")
	for _, n := range []*node{second, fourth} {
		n.kill9()
		fillAllTypes(top)
		n.start()
		same("after kill -9 of " + n.name)
	}
	require.Equal(t, "1", top.field("sync_full"), "the first one's, of its only replica")
	require.Equal(t, "1", third.field("sync_full"))

	fourth.do("REPLICAOF NO ONE")
	fourth.do("SET moved yes")
	require.Equal(t, top.do("GET counter"), fourth.do("GET counter"))
	fourth.kill9()
	fourth.args = fourth.args[:len(fourth.args)-2]
	fourth.start()
	require.Equal(t, "yes", fourth.do("GET moved"))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	whole, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, whole, 0o600))
}
