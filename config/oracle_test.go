package config

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// redisServer starts redis-server with the given file contents on a Unix socket and returns a client.
func redisServer(t *testing.T, content string) *redis.Client {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		skipComparison(t, "redis-server is not installed")
	}
	if v, err := exec.Command(bin, "--version").Output(); err != nil || !strings.Contains(string(v), "v=7.0.") {
		skipComparison(t, "redis-server is not 7.0, but "+string(v))
	}
	dir, err := os.MkdirTemp("", "rc") // short: the name of a Unix socket is limited
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, conf := filepath.Join(dir, "s"), filepath.Join(dir, "c.conf")
	require.NoError(t, os.WriteFile(conf, []byte(content), 0o600))
	cmd := exec.Command(bin, conf, "--port", "0", "--unixsocket", socket, "--dir", dir, "--daemonize", "no", "--logfile", "")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	require.Eventually(t, func() bool { return c.Ping(context.Background()).Err() == nil }, 10*time.Second, 20*time.Millisecond)
	return c
}

// skipComparison skips, or fails where REPLOGD_REQUIRE_REDIS demands that comparisons run.
func skipComparison(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
		t.Fatal(why + ", and REPLOGD_REQUIRE_REDIS demands it")
	}
	t.Skip(why + ": nothing to compare with")
}

// ourOwn lists the settings that differ from Redis on purpose, with the reason.
var ourOwn = map[string]string{
	"appendonly":           "every write is logged",
	"enable-debug-command": "DEBUG is for tests and diagnosis; local callers may use it",
	"repl-backlog-size":    "bytes on disk, not in memory",
	// The helper's command line.
	"port": "", "unixsocket": "", "dir": "",
}

func TestDefaultsAreThoseOfRedis(t *testing.T) {
	theirs, err := redisServer(t, "").ConfigGet(context.Background(), "*").Result()
	require.NoError(t, err)
	ours := map[string]string{}
	for _, s := range mustLoad(t, nil, nil).Settings() {
		ours[s.Name] = s.Value
	}
	require.Greater(t, len(theirs), 150)
	for name, want := range theirs {
		got, known := ours[name]
		if !known {
			t.Errorf("CONFIG GET %s is unknown here", name)
		} else if _, differs := ourOwn[name]; !differs && got != want {
			t.Errorf("%s: %q, Redis says %q", name, got, want)
		}
	}
}

const oracleFile = `
# every kind of value, quoted in every way
TIMEOUT 17
maxclients 1234
tcp-keepalive 0
bind 127.0.0.1 "-::1"
protected-mode NO
masterauth "a \"q\" \x41\n"
masteruser 'it\'s me'
slave-priority 7
repl-ping-slave-period 3
min-slaves-to-write 2
min-slaves-max-lag 4
slave-read-only no
maxmemory 1g
auto-aof-rewrite-min-size 3kb
proto-max-bulk-len 2M
hash-max-ziplist-value 1k
client-output-buffer-limit slave 1mb 2mb 3 pubsub 1k 1kb 1
client-output-buffer-limit normal 9mb 8mb 7
save 10 20
save 30 40 50 60
appendfsync ALWAYS
notify-keyspace-events mnKx
latency-tracking-info-percentiles 50 99.90 3
hz 1000
shutdown-on-sigterm force now
oom-score-adj-values 1 2 3
maxmemory-clients 5%
unixsocketperm 700
dbfilename "x y.rdb"
loglevel Verbose
list-max-ziplist-size -5
slowlog-log-slower-than -1
`

func TestTheSameFileMeansTheSame(t *testing.T) {
	theirs, err := redisServer(t, oracleFile).ConfigGet(context.Background(), "*").Result()
	require.NoError(t, err)
	for _, s := range mustLoad(t, []string{write(t, "x.conf", oracleFile)}, nil).Settings() {
		want, shared := theirs[s.Name]
		if _, differs := ourOwn[s.Name]; shared && !differs && s.Value != want {
			t.Errorf("%s: %q, Redis says %q", s.Name, s.Value, want)
		}
	}
}

// Every directive of CONFIG GET is set to values that are wrong for its kind, and the replies are compared.
func TestSetAnswersAsRedisDoes(t *testing.T) {
	ctx := context.Background()
	c := redisServer(t, "")
	theirs, err := c.ConfigGet(ctx, "*").Result()
	require.NoError(t, err)
	m := mustLoad(t, nil, nil)
	for name := range theirs {
		d := lookup(name)
		switch {
		case d == nil:
			t.Errorf("%s is unknown", name)
			continue
		case d.kind == text || d.kind == list || name == "proc-title-template":
			continue // free text: accepted, or its effect tried at once
		case d.check != nil && !d.protected, name == "loglevel", name == "repl-diskless-load":
			continue // refused for reasons of ours; more words than 7.0 knows
		}
		for _, val := range []string{"", "zz", "-999999999999999", "99999999999999999999999", "1.5", "1 2", "08", "yes no"} {
			if strings.HasPrefix(val, "9") && d.max == unlimited || d.kind == notify && val == "" {
				continue // accepted by both; the server would start evicting
			}
			if val == "" && (d.kind == memory || d.kind == memoryOrPercent || d.kind == outputLimits) {
				continue // Redis takes it for 0 or for nothing; here it is a mistake
			}
			_, err := c.ConfigSet(ctx, name, val).Result()
			want := "OK"
			if err != nil {
				want = err.Error()
			}
			got := "OK"
			if err := m.Set([][2]string{{name, val}}); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("CONFIG SET %s %q: %q, Redis says %q", name, val, got, want)
			}
		}
	}
}

func TestMultiSetAnswersAsRedisDoes(t *testing.T) {
	ctx := context.Background()
	c := redisServer(t, "")
	m := mustLoad(t, nil, nil)
	for _, pairs := range [][][2]string{
		{{"timeout", "5"}, {"foo", "1"}},
		{{"databases", "5"}, {"foo", "1"}},
		{{"timeout", "5"}, {"timeout", "6"}},
		{{"timeout", "5"}, {"databases", "6"}, {"timeout", "7"}},
		{{"timeout", "x"}, {"hz", "y"}},
		{{"timeout", "7"}, {"hz", "y"}},
		{{"slave-priority", "1"}, {"replica-priority", "2"}},
		{{"TimeOut", "8"}, {"SAVE", "1 2 3 4"}},
		{{"client-output-buffer-limit", "slave 1mb 2 3"}, {"save", ""}},
		{{"client-output-buffer-limit", "foo 1 2 3"}},
		{{"client-output-buffer-limit", "normal 1 2"}},
		{{"client-output-buffer-limit", "normal 1 2 x"}},
		{{"latency-tracking-info-percentiles", "50 101"}},
		{{"notify-keyspace-events", "KZ"}},
		{{"notify-keyspace-events", "KEA"}},
		{{"maxmemory-clients", "101%"}},
		{{"shutdown-on-sigterm", "save nosave"}},
		{{"shutdown-on-sigterm", "now default"}},
		{{"oom-score-adj-values", "1 2 30000"}},
	} {
		args := []any{"config", "set"}
		for _, p := range pairs {
			args = append(args, p[0], p[1])
		}
		want := "OK"
		if err := c.Do(ctx, args...).Err(); err != nil {
			want = err.Error()
		}
		got := "OK"
		if err := m.Set(pairs); err != nil {
			got = err.Error()
		}
		require.Equal(t, want, got, "%v", pairs)
		for _, p := range pairs {
			if name := strings.ToLower(p[0]); lookup(name) != nil {
				theirs, err := c.ConfigGet(ctx, name).Result()
				require.NoError(t, err)
				require.Equal(t, theirs[name], get(t, m, name), "%v", pairs)
			}
		}
	}
}

func TestNotifyClassesAsRedis(t *testing.T) {
	ctx := context.Background()
	c := redisServer(t, "")
	m := mustLoad(t, nil, nil)
	for _, v := range []string{"A", "KEA", "Kg", "KEg$lshzxetdmn", "mnKx", "tdKE", "g$lshzxetd", "nKm", ""} {
		require.NoError(t, c.ConfigSet(ctx, "notify-keyspace-events", v).Err())
		require.NoError(t, m.Set([][2]string{{"notify-keyspace-events", v}}))
		theirs, err := c.ConfigGet(ctx, "notify-keyspace-events").Result()
		require.NoError(t, err)
		require.Equal(t, theirs["notify-keyspace-events"], get(t, m, "notify-keyspace-events"), v)
	}
}
