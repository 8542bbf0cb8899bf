package server

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sameReplies runs each script (inline commands, one per line) on a fresh connection to Redis and to replogd, and compares the bytes
// that come back until the connection closes. A QUIT is added, so both always close.
func sameReplies(t *testing.T, redisAddr, ourAddr string, scripts []string) {
	t.Helper()
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			in := strings.ReplaceAll(script, "\n", "\r\n") + "\r\nquit\r\n"
			run := func(addr string) string {
				c := dial(t, addr)
				c.send(in)
				return normalise(c.closed())
			}
			require.Equal(t, run(redisAddr), run(ourAddr))
		})
	}
}

var (
	clientLine = regexp.MustCompile(`[$=]\d+\r\n(txt:)?id=.*\n\r\n`)
	helloID    = regexp.MustCompile(`\$2\r\nid\r\n:\d+`)
	fieldValue = regexp.MustCompile(`(id|addr|laddr|fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rbs|rbp|obl|omem|tot-mem|events)=[^ ]*`)
)

// normalise blanks what has to differ: ids, addresses, sizes.
func normalise(s string) string {
	s = helloID.ReplaceAllString(s, "$$2\r\nid\r\n:N")
	return clientLine.ReplaceAllStringFunc(s, func(line string) string {
		_, body, _ := strings.Cut(line, "\r\n")
		return fieldValue.ReplaceAllString(body, "$1=?")
	})
}

func TestSameRepliesAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	sameReplies(t, redis, ours.addr(), []string{
		// Unknown commands, arity, subcommands.
		"foo", "foo a b", `foo "a\x00b" "c\nd"`, "foo " + strings.Repeat("x", 300), "foo" + strings.Repeat(" abc", 60),
		strings.Repeat("f", 200) + " a", `"foo bar" 'x'`, `""`, "GET", "get a b", "client", "client foo", "client FOO bar", `client "a\nb"`,
		"client " + strings.Repeat("x", 200), "client setname", "client id x", "client info x", "config", "config foo", "config get",
		"config set", "config set a", "config set a b c", "config rewrite x", "command foo", "command count x",
		// Connection.
		"ping", "ping a", "ping a b", "echo", "echo a", "quit\nping", "quit a", "time a", "reset", "reset x", "select", "select x",
		"select 16", "select -1", "select 15", "select 99999999999999999999", "select 4294967296", "auth", "auth x", "auth default x",
		"auth foo x", "auth a b c", "hello", "hello 2", "hello 3", "hello 4", "hello 1", "hello foo", "hello 3 foo", "hello 3 auth",
		"hello 3 auth a", "hello 3 auth default x", "hello 3 auth foo bar", "hello 3 setname", `hello 3 setname "a b"` + "\nclient getname",
		"hello 3 setname ab\nclient getname", "hello 3\nreset\nhello", "select 3\nhello 3\nreset\nclient info", "hello 2 setname a\nclient info",
		// CLIENT.
		`client setname "a b"`, `client setname ""`, "client setname a\nclient getname\nclient setname \"\"\nclient getname", "client getname",
		"client list type foo", "client list type master", "client list type pubsub", "client list type replica", "client list id",
		"client list id x", "client list id 999999", "client list foo bar", "client list foo", "client list type", "client list type normal x",
		"client info", "hello 3\nclient info", "client kill", "client kill 1.2.3.4:5", "client kill id 999999", "client kill id abc", "client kill id 0",
		"client kill id -5", "client kill id", "client kill type foo", "client kill type master", "client kill type slave", "client kill addr 1.2.3.4:1",
		"client kill laddr 1.2.3.4:1", "client kill user nouser", "client kill user default skipme yes", "client kill skipme foo",
		"client kill foo bar", "client kill id 1 foo", "client kill skipme no id 999999", "client no-evict", "client no-evict foo",
		"client no-evict on\nclient info\nclient no-evict off\nclient info", "client reply foo", "client reply", "client reply on",
		"client reply skip\nping\nping", "client reply off\nping\nclient reply on\nping", "client reply skip\nclient reply skip\nping\nping",
		// Replication.
		"role", "role x", "hello 3\nrole", "replicaof a", "replicaof a b", "replicaof a 99999", "replicaof a -1", "slaveof a b", "replicaof no one",
		"replconf", "replconf foo", "replconf foo bar", "replconf listening-port x", "replconf listening-port 1",
		"replconf capa eof capa psync2", "replconf capa nosuch", "replconf ack 1", "replconf getack *", "replconf rdb-only x", "psync", "psync a",
		"psync a b", "sync x", "wait", "wait x 1", "wait 0 x", "wait 0 -1", "wait 0 10", "wait 1 10", "wait -1 10", "wait 0 99999999999999999999",
		"failover", "failover abort", "failover foo", "failover to", "failover to a", "failover to a x", "failover to a 1", "failover to a 1 force",
		"failover timeout", "failover timeout x", "failover timeout -1", "failover timeout 0", "failover force", "failover abort x",
		"failover to a 1 to b 2", "failover timeout 1 timeout 2", "failover force to a 1 timeout 10", "multi\nfailover foo\nexec", "psync a 1 failover",
		// Server.
		"info foo", "hello 3\ninfo foo", "info modules", "info cluster", "INFO CLUSTER MODULES", "shutdown foo", "shutdown abort", "shutdown abort nosave",
		"shutdown save nosave", "shutdown nosave save now", "debug", "debug foo", "debug sleep", "debug sleep 0", "debug sleep x", "debug digest",
		"debug digest x", "hello 3\ndebug digest", "bgsave foo", "bgsave schedule x", "lastsave x", "bgrewriteaof x", "bgrewriteaof", "save", "save x",
		// CONFIG.
		"config get nosuch", "config get MAXclients", "config get maxclients", "config get maxc* maxclients", "hello 3\nconfig get timeout",
		"config get tcp-keepalive", "config get repl-timeout", "config get appendfsync", "config get databases", "config get requirepass",
		"config get min-replicas-to-*", "config get slave-read-only", "config get replica-priority", "config set nosuch 1",
		"config set maxclients abc", "config set timeout 10 timeout 11", "config set daemonize yes", "config set timeout -1", "config set appendfsync foo",
		"config set timeout 7\nconfig get timeout\nconfig set timeout 0", "config rewrite", "config resetstat",
		// COMMAND.
		"command info nosuch get", "command info client|list", "command info GET|foo", "command info ping set mset del", "hello 3\ncommand info get wait",
		"command docs nosuch", "hello 3\ncommand docs nosuch", "command getkeys", "command getkeys get", "command getkeys get a",
		"command getkeys mset a b c d", "command getkeys ping", "command getkeys nosuch a", "command getkeys client list", "command getkeys set a",
		"command getkeysandflags set a b", "command getkeysandflags set a b get", "command getkeysandflags mset a b c d",
		"hello 3\ncommand getkeysandflags set a b", "command list filterby foo bar", "command list filterby module foo",
		"command list filterby aclcat foo", "command list foo", "command list filterby", "command list filterby pattern pin*",
	})
}

func TestSameRepliesAsRedisToPauseAndUnblock(t *testing.T) {
	redis, ours := oracle(t), start(t)
	sameReplies(t, redis, ours.addr(), []string{
		"client pause", "client pause x", "client pause -1", "client pause 0\nping", "client pause 1.5", "client pause 99999999999999999999",
		"client pause 1 foo", "client pause x foo", "client pause 1 write x", "CLIENT Pause 1 write x", "client pause 20\nping\nset a b",
		"client pause 20 ALL\nping", "client pause 20 write\nget nokey\nset a b", "client pause 600000 write\nclient unpause\nset a b",
		"client pause 600000 WRITE\nset a\nfoo a\nclient pause 0 write\nclient pause\nclient unpause\nset a b", "client unpause",
		"client unpause x", "client unblock", "client unblock x", "client unblock 999999", "client unblock -1", "client unblock 0 timeout",
		"client unblock 999999 ERROR", "client unblock 1.5", "client unblock 999999999999999999999", "client unblock 999999 foo",
		"client unblock x foo", "client unblock 999999 error x",
	})
}

func TestSameRepliesAsRedisWithPassword(t *testing.T) {
	redis, ours := oracle(t, "--requirepass", "sekret"), start(t, "--requirepass", "sekret")
	sameReplies(t, redis, ours.addr(), []string{
		"ping", "foo", "get", "get a", "set a b", "client list", "client foo", "client", "config foo", "command count", "replconf ack 1", "quit a",
		"hello", "hello 3", "hello 9", "hello 3 foo", "hello 3 setname foo", `hello 3 setname "a b"`, "hello 3 auth default sekret\nping",
		"hello 3 auth default bad", "hello 3 auth foo sekret", "hello 2 auth default sekret setname x\nclient getname", "auth bad",
		"auth default bad", "auth foo sekret", "auth sekret\nping", "auth sekret\nauth bad\nping", "auth default sekret\nping\nreset\nping",
		"reset", "auth sekret\nconfig get requirepass", "shutdown nosuch", "debug foo", "psync ? -1", "wait x y", "select 1",
	})
}

// A replica whose master is away, and a master without enough replicas: which error comes first.
func TestSameRefusalsAsRedis(t *testing.T) {
	redis, ours := oracle(t), start(t)
	sameReplies(t, redis, ours.addr(), []string{
		"replicaof 127.0.0.1 1\nset a b\nset a\nget a\nping\nwait 0 0\nwait x y\nhello",
		"replicaof 127.0.0.1 1\nreplicaof 127.0.0.1 1", "failover", "failover abort", "psync a 1 failover",
		"config set replica-serve-stale-data no",
		"set a b", "set a", "get a", "ping", "wait x y", "dbsize", "select 1", "echo a", "time x", "hello", "replconf capa eof",
		"psync ? -1", "sync", "command count x", "bgsave", "lastsave x", "flushall", "config set min-replicas-to-write 1\nset a b",
		"config set replica-serve-stale-data yes\nget a",
		"replicaof no one", "replicaof no one\nset a b\nget a\ndel nosuch\nwait 0 0", "config set min-replicas-to-write 0\nset a b",
		"config set enable-debug-command no",
	})
}

func TestDebugNotAllowed(t *testing.T) {
	redis := oracle(t, "--enable-debug-command", "no", "--requirepass", "x")
	ours := start(t, "--enable-debug-command", "no", "--requirepass", "x")
	sameReplies(t, redis, ours.addr(), []string{"debug", "debug foo", "debug sleep 0", "auth x\ndebug sleep 0"})
}

// fieldNames are the names in an INFO reply, with a "# Section" line for each section.
func fieldNames(c *client, args ...string) []string {
	var names []string
	for _, line := range strings.Split(bulk(c.do(append([]string{"INFO"}, args...)...)), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// INFO's fields are Redis' in Redis' order: no field of ours stands between them out of turn, and what tools depend on is there.
func TestInfoFieldsAndOrderAreRedis(t *testing.T) {
	redis, ours := dial(t, oracle(t)), start(t).dial()
	own := regexp.MustCompile(`^(replogd_version|go_version|aof_current_size|aof_buffer_length|aof_pending_bio_fsync)$`) // or in the log's case: Redis shows them with appendonly only
	for _, section := range []string{
		"server", "clients", "memory", "persistence", "stats", "replication", "cpu", "modules", "errorstats", "cluster", "keyspace",
	} {
		t.Run(section, func(t *testing.T) {
			want, got := fieldNames(redis, section), fieldNames(ours, section)
			at := 0
			for _, name := range got {
				if own.MatchString(name) {
					continue
				}
				i := slices.Index(want, name)
				require.GreaterOrEqual(t, i, at, "%s is not a field of Redis, or out of its order", name)
				at = i
			}
		})
	}
	require.Equal(t, fieldNames(redis, "replication"), fieldNames(ours, "replication"))
	require.Equal(t, fieldNames(redis, "clients"), fieldNames(ours, "clients"))
	for _, section := range []string{"default", "all", "everything", ""} {
		args := []string{section}
		if section == "" {
			args = nil
		}
		heads := func(c *client) (out []string) {
			for _, name := range fieldNames(c, args...) {
				if strings.HasPrefix(name, "# ") && name != "# Latencystats" {
					out = append(out, name)
				}
			}
			return out
		}
		require.Equal(t, append(heads(redis), "# Storage", "# Backlog"), heads(ours), "INFO %s", section)
	}
}

func TestInfoReplicationOfAReplicaIsRedis(t *testing.T) {
	redis, ours := dial(t, oracle(t)), start(t).dial()
	for _, c := range []*client{redis, ours} {
		require.Equal(t, "+OK\r\n", c.do("REPLICAOF", "127.0.0.1", "1"))
	}
	got := fieldNames(ours, "replication")
	got = slices.DeleteFunc(got, func(name string) bool { return name == "master_link_error" })
	require.Equal(t, fieldNames(redis, "replication"), got)
}

func TestStatsCountAsRedisDoes(t *testing.T) {
	redis, ours := dial(t, oracle(t)), start(t).dial()
	script := []string{"set a", "foo", "get", "incr a x", "set a b", "incr a", "get a", "get nosuch", "select 99", "client foo", "client setname"}
	var stats [2][]string
	for i, c := range []*client{redis, ours} {
		require.Equal(t, "+OK\r\n", c.do("CONFIG", "RESETSTAT"))
		for _, line := range script {
			c.do(strings.Fields(line)...)
		}
		usec := regexp.MustCompile(`usec=\d+,usec_per_call=[0-9.]+`)
		for _, line := range strings.Split(bulk(c.do("INFO", "commandstats", "errorstats")), "\r\n") {
			stats[i] = append(stats[i], usec.ReplaceAllString(line, "usec=?"))
		}
		fields := c.info("stats")
		for _, name := range []string{"total_error_replies", "total_commands_processed", "keyspace_hits", "keyspace_misses"} {
			stats[i] = append(stats[i], name+"="+fields[name])
		}
		slices.Sort(stats[i])
	}
	require.Equal(t, stats[0], stats[1])
}
