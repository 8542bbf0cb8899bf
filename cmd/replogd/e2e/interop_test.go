package e2e_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

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

// TestStockReplicaIsTold: the RDB a stock Redis needs is not there yet; it gets a clear error, keeps asking, and harms nobody.
func TestStockReplicaIsTold(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	master := newNode(t, "master").start()
	master.do("SET k v")
	stockReplica := newNodeOf(t, redisServer, "stock", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start()

	eventually(t, syncWithin, "the stock replica's log has our reason", func() error {
		if !regexp.MustCompile(`(?i)RDB|not supported|replogd`).MatchString(stockReplica.logText()) {
			return fmt.Errorf("no reason in the log of redis-server")
		}
		return nil
	})
	require.Equal(t, "down", stockReplica.field("master_link_status"))
	require.Equal(t, "v", master.do("GET k"))
	require.Contains(t, master.logText(), "127.0.0.1", "the refusal is in our log, too")
}

// TestReplicaOfStockMasterIsTold: the other way round, likewise for now; the data of a replica that cannot sync stay.
func TestReplicaOfStockMasterIsTold(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	stockMaster := newNodeOf(t, redisServer, "stock").start()
	stockMaster.do("SET theirs v")
	replica := newNode(t, "replica").start()
	replica.do("SET ours v")
	replica.replicaOf(stockMaster)
	eventually(t, syncWithin, "INFO gives the reason", func() error {
		fields, err := replica.info()
		if err == nil && fields["master_link_error"] == "" {
			err = fmt.Errorf("master_link_error is empty, master_link_status %q", fields["master_link_status"])
		}
		return err
	})
	require.Equal(t, "down", replica.field("master_link_status"))
	require.Equal(t, "v", replica.do("GET ours"))
}
