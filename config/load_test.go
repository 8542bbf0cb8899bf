package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// write makes a file in a fresh directory and returns its name.
func write(t *testing.T, name, content string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func mustLoad(t *testing.T, args, environ []string) *Manager {
	t.Helper()
	m, err := Load(args, environ)
	require.NoError(t, err)
	return m
}

// get is CONFIG GET of one name.
func get(t *testing.T, m *Manager, name string) string {
	t.Helper()
	for _, s := range m.Settings() {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("CONFIG GET does not know %s", name)
	return ""
}

func TestDefaultsWithoutAnyConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	m := mustLoad(t, nil, nil)
	c := m.Current()
	wd, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(wd, "replogd-data"), c.Dir)
	require.False(t, c.DirGiven)
	require.NoDirExists(t, c.Dir, "loading makes nothing")
	require.Equal(t, 6379, c.Port)
	require.Equal(t, []string{"*", "-::*"}, c.Bind)
	require.True(t, c.ProtectedMode)
	require.Nil(t, c.ReplicaOf)
	require.Equal(t, "everysec", c.AppendFsync)
	require.Equal(t, 16, c.Databases)
	require.EqualValues(t, 1<<30, c.ReplBacklogSize)
	require.Equal(t, 7*24*time.Hour, c.ReplBacklogRetention)
	require.EqualValues(t, 8<<30, c.ReplBacklogMaxSize)
	require.EqualValues(t, 64<<20, c.WALSegmentSize)
	require.Equal(t, OutputLimit{Hard: 256 << 20, Soft: 64 << 20, SoftFor: time.Minute}, c.ClientOutputBufferLimit.Replica)
	require.Equal(t, []float64{50, 99, 99.9}, c.LatencyPercentiles)
	require.Empty(t, m.Warnings())
	require.Empty(t, m.File())
}

func TestTutorialFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, "redis6380.conf", strings.Join([]string{
		"bind 127.0.0.1", "port 6380", "daemonize yes", "protected-mode no", "dir " + dir, "pidfile \"redis6380.pid\"", "logfile '6380.log'",
		"dbfilename dump6380.rdb", "appendonly yes", "appendfilename \"appendonly6380.aof\"", "requirepass secret", "masterauth secret",
		"replicaof 127.0.0.1 6379", "",
	}, "\n"))
	m := mustLoad(t, []string{path}, nil)
	c := m.Current()
	require.Equal(t, &Addr{Host: "127.0.0.1", Port: 6379}, c.ReplicaOf)
	require.Equal(t, "secret", c.RequirePass)
	require.Equal(t, "secret", c.MasterAuth)
	require.True(t, c.Daemonize)
	require.True(t, c.DirGiven)
	require.Equal(t, dir, c.Dir)
	require.Equal(t, filepath.Join(dir, "6380.log"), c.Path(c.LogFile))
	require.Equal(t, filepath.Join(dir, "redis6380.pid"), c.Path(c.PidFile))
	require.Equal(t, path, m.File())
	require.Len(t, m.Warnings(), 1)
	require.Contains(t, m.Warnings()[0], "appendfilename has no effect ("+path+":10)")
	require.Equal(t, "dump6380.rdb", get(t, m, "dbfilename"))
}

// Every subset of the three sources, for a directive and for one given by its alias.
func TestPrecedenceMatrix(t *testing.T) {
	for mask := range 8 {
		file, env, flag, want := "", []string(nil), []string(nil), "10"
		if mask&1 != 0 {
			file, want = "repl-ping-slave-period 11\n", "11"
		}
		if mask&2 != 0 {
			env, want = []string{"PATH=/bin", "REPLOGD_REPL_PING_REPLICA_PERIOD=12"}, "12"
		}
		if mask&4 != 0 {
			flag, want = []string{"--repl-ping-slave-period", "13"}, "13"
		}
		for _, format := range []string{"x.conf", "x.yaml", "x.toml"} {
			content := file
			if strings.HasSuffix(format, "yaml") {
				content = strings.ReplaceAll(file, " ", ": ")
			} else if strings.HasSuffix(format, "toml") {
				content = strings.ReplaceAll(file, " ", " = ")
			}
			m := mustLoad(t, append([]string{write(t, format, content)}, flag...), env)
			require.Equal(t, want, get(t, m, "repl-ping-replica-period"), "%s mask %b", format, mask)
			require.Equal(t, want, get(t, m, "repl-ping-slave-period"))
		}
	}
}

func TestStrongerSourceReplacesRepeatedLinesButOnlyItsClass(t *testing.T) {
	path := write(t, "x.conf", "save 1 2\nsave 3 4\nclient-output-buffer-limit normal 1 1 1\nclient-output-buffer-limit slave 2 2 2\n")
	m := mustLoad(t, []string{path}, nil)
	require.Equal(t, "1 2 3 4", get(t, m, "save"))
	m = mustLoad(t, []string{path, "--save", "5", "6", "--client-output-buffer-limit", "replica 1mb 2mb 3"}, []string{"REPLOGD_CLIENT_OUTPUT_BUFFER_LIMIT=normal 7 8 9"})
	require.Equal(t, "5 6", get(t, m, "save"))
	require.Equal(t, "normal 7 8 9 slave 1048576 2097152 3 pubsub 33554432 8388608 60", get(t, m, "client-output-buffer-limit"))
	require.Equal(t, "", get(t, mustLoad(t, []string{path, "--save", ""}, nil), "save"))
	require.Equal(t, "", get(t, mustLoad(t, []string{path, "--save"}, nil), "save"))
	require.Equal(t, "7 8", get(t, mustLoad(t, []string{write(t, "y.conf", "save 1 2\nsave \"\"\nsave 7 8")}, nil), "save"))
}

func TestCommandLineForms(t *testing.T) {
	for _, args := range [][]string{
		{"--port", "6380", "--replicaof", "127.0.0.1 6379"},
		{"--replicaof", "127.0.0.1", "6379", "--PORT", "6380"},
		{"--slaveof", "127.0.0.1 6379", "--port", "6380", "--slowlog-log-slower-than", "-1"},
	} {
		c := mustLoad(t, args, nil).Current()
		require.Equal(t, 6380, c.Port, args)
		require.Equal(t, &Addr{Host: "127.0.0.1", Port: 6379}, c.ReplicaOf, args)
	}
	require.Nil(t, mustLoad(t, []string{"--replicaof", "no one"}, nil).Current().ReplicaOf)
	require.Equal(t, []string{"127.0.0.1", "::1"}, mustLoad(t, []string{"--bind", "127.0.0.1", "::1"}, nil).Current().Bind)
	m, err := load([]string{"-", "--timeout", "7"}, nil, strings.NewReader("port 6381\ntimeout 5\n"))
	require.NoError(t, err)
	require.Equal(t, 6381, m.Current().Port)
	require.Equal(t, 7*time.Second, m.Current().Timeout)
	require.ErrorIs(t, m.Rewrite(), ErrNoFile)
}

func TestYAMLAndTOML(t *testing.T) {
	yaml := write(t, "x.yml", `
# comment
port: 6380
bind: [127.0.0.1, "::1"]
protected-mode: no
appendonly: true
save: []
replicaof: 127.0.0.1 6379
client-output-buffer-limit:
  - normal 1 2 3
  - pubsub 4 5 6
latency-tracking-info-percentiles: [50, 99.9]
Requirepass: "s p"
`)
	toml := write(t, "x.toml", `
port = 6380
bind = ["127.0.0.1", "::1"]
protected-mode = false
appendonly = "yes"
save = ""
slaveof = ["127.0.0.1", 6379]
client-output-buffer-limit = ["normal 1 2 3", "pubsub 4 5 6"]
latency-tracking-info-percentiles = [50, 99.9]
requirepass = "s p"
`)
	for _, path := range []string{yaml, toml} {
		m := mustLoad(t, []string{path}, nil)
		c := m.Current()
		require.Equal(t, 6380, c.Port)
		require.Equal(t, []string{"127.0.0.1", "::1"}, c.Bind)
		require.False(t, c.ProtectedMode)
		require.True(t, c.AppendOnly)
		require.Equal(t, &Addr{Host: "127.0.0.1", Port: 6379}, c.ReplicaOf)
		require.Equal(t, "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6", get(t, m, "client-output-buffer-limit"))
		require.Equal(t, "50 99.9", get(t, m, "latency-tracking-info-percentiles"))
		require.Equal(t, "s p", c.RequirePass)
		require.Equal(t, "", get(t, m, "save"))
		require.ErrorContains(t, m.Rewrite(), "redis.conf syntax only")
	}
}

func TestIncludes(t *testing.T) {
	main := write(t, "main.conf", "port 1\ninclude sub/*.conf\ninclude none*.conf\ntimeout 9\ninclude extra.yaml\n")
	dir := filepath.Dir(main)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for name, content := range map[string]string{
		"sub/a.conf": "port 2\ntimeout 2\nhz 2\n", "sub/b.conf": "hz 3\ninclude ../deep.conf\n", "deep.conf": "maxclients 4\n", "extra.yaml": "tcp-keepalive: 5\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	c := mustLoad(t, []string{main}, nil).Current()
	require.Equal(t, 2, c.Port, "an include counts where it stands")
	require.Equal(t, 9*time.Second, c.Timeout)
	require.Equal(t, 3, c.HZ)
	require.Equal(t, 4, c.MaxClients)
	require.Equal(t, 5*time.Second, c.TCPKeepAlive)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "deep.conf"), []byte("\ninclude main.conf"), 0o600))
	_, err := Load([]string{main}, nil)
	require.ErrorContains(t, err, filepath.Join(dir, "deep.conf")+":2")
	require.ErrorContains(t, err, "includes itself")
	_, err = Load([]string{write(t, "x.conf", "include absent.conf")}, nil)
	require.ErrorContains(t, err, "cannot find the included file")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMistakesNamePlaceAndRemedy(t *testing.T) {
	for _, c := range []struct {
		name, file  string
		args, env   []string
		line        int
		directive   string
		wantProblem string
		wantRemedy  string
	}{
		{name: "misspelt", file: "# x\nprot 6379\n", line: 2, wantProblem: "unknown directive 'prot'", wantRemedy: "did you mean port?"},
		{name: "underscores", file: "repl_timeout 5", line: 1, wantProblem: "unknown directive", wantRemedy: "did you mean repl-timeout?"},
		{name: "swapped letters", file: "reqiurepass x", line: 1, wantProblem: "unknown directive", wantRemedy: "did you mean requirepass?"},
		{name: "nonsense", file: "frobnicate-the-zork 1", line: 1, wantProblem: "unknown directive", wantRemedy: "remove it"},
		{name: "bad integer", file: "port 1\nmaxclients abc", line: 2, directive: "maxclients", wantProblem: "couldn't be parsed into an integer", wantRemedy: "from 1 to 4294967295"},
		{name: "out of range", file: "port 70000", line: 1, directive: "port", wantProblem: "between 0 and 65535"},
		{name: "bad value hidden by a flag", file: "port abc", args: []string{"--port", "1"}, line: 1, directive: "port", wantProblem: "integer"},
		{name: "enum", file: "appendfsync sometimes", line: 1, directive: "appendfsync", wantProblem: "one of the following: everysec, always, no"},
		{name: "memory", file: "repl-backlog-size 1tb", line: 1, directive: "repl-backlog-size", wantProblem: "memory value", wantRemedy: "1kb = 1024"},
		{name: "too many words", file: "port 1 2", line: 1, directive: "port", wantProblem: "wrong number of arguments"},
		{name: "no value", file: "port", line: 1, directive: "port", wantProblem: "wrong number of arguments"},
		{name: "master without port", file: "replicaof localhost", line: 1, directive: "replicaof", wantProblem: "wrong number of arguments", wantRemedy: "a host and a port"},
		{name: "bad master port", file: "slaveof h p", line: 1, directive: "replicaof", wantProblem: "Invalid master port"},
		{name: "quotes", file: "port 1\n\nlogfile \"x", line: 3, wantProblem: "Unbalanced quotes"},
		{name: "RDB file in place of our own", file: "dbfilename meta.db", line: 1, directive: "dbfilename", wantProblem: "has one of its own"},
		{name: "path as name", file: "dbfilename a/b", line: 1, directive: "dbfilename", wantProblem: "can't be a path"},
		{name: "directory of nothing", file: "dir /nonexistent-a/b", line: 1, directive: "dir", wantProblem: "mkdir -p /nonexistent-a"},
		{name: "unprotected cluster", file: "cluster-enabled yes", line: 1, directive: "cluster-enabled", wantProblem: "no cluster mode"},
		{name: "clear text", file: "tls-port 6390", line: 1, directive: "tls-port", wantProblem: "TLS is not supported"},
		{name: "ACL user", file: "user alice on >pw ~a* +get", line: 1, directive: "user", wantProblem: "ACL users are not supported"},
		{name: "cap below size", file: "repl-backlog-size 2gb\nrepl-backlog-max-size 1gb", line: 2, directive: "repl-backlog-max-size", wantProblem: "below repl-backlog-size"},
		{name: "flag misspelt", args: []string{"--replica-of", "a 1"}, wantProblem: "unknown directive", wantRemedy: "--replicaof?"},
		{name: "flag with =", args: []string{"--port=1"}, directive: "port", wantProblem: "unknown directive", wantRemedy: "--port 1"},
		{name: "short flag", args: []string{"-p", "1"}, wantProblem: "not a directive", wantRemedy: "replogd [file.conf]"},
		{name: "flag without value", args: []string{"--port"}, directive: "port", wantProblem: "wrong number of arguments"},
		{name: "environment misspelt", env: []string{"REPLOGD_PRT=1"}, wantProblem: "unknown directive 'prt'", wantRemedy: "REPLOGD_PORT?"},
		{name: "environment value", env: []string{"REPLOGD_PORT=x"}, directive: "port", wantProblem: "integer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, source := c.args, "command line"
			if c.file != "" {
				source = write(t, "x.conf", c.file)
				args = append([]string{source}, args...)
			} else if c.env != nil {
				source = "environment"
			}
			_, err := Load(args, c.env)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, source, e.File)
			require.Equal(t, c.line, e.Line)
			require.Equal(t, c.directive, e.Directive)
			require.Contains(t, e.Problem, c.wantProblem)
			require.Contains(t, e.Remedy, c.wantRemedy)
			require.Contains(t, e.Error(), e.Problem)
		})
	}
}

func TestYAMLMistakesNameTheLine(t *testing.T) {
	_, err := Load([]string{write(t, "x.yaml", "# c\nport: 1\nmaxclient: 5\n")}, nil)
	require.ErrorContains(t, err, "x.yaml:3")
	require.ErrorContains(t, err, "did you mean maxclients?")
	_, err = Load([]string{write(t, "x.yaml", "port: {a: 1}\n")}, nil)
	require.ErrorContains(t, err, "x.yaml:1")
	_, err = Load([]string{write(t, "x.toml", "port = [\n")}, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.File, "x.toml")
}

func TestMissingFile(t *testing.T) {
	_, err := Load([]string{"/nonexistent.conf"}, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "/nonexistent.conf")
	_, err = Load([]string{t.TempDir()}, nil)
	require.ErrorContains(t, err, "it is a directory")
}

func TestSecretsAreMaskedInErrors(t *testing.T) {
	for _, content := range []string{"requirepass hush hush", "masterauth hush hush", "user alice on >hush", "requirepass \"hush"} {
		_, err := Load([]string{write(t, "x.conf", content)}, nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hush")
	}
	_, err := Load([]string{"--requirepass=hush"}, nil)
	require.NotContains(t, err.Error(), "hush")
}

func TestWarningsOncePerDirective(t *testing.T) {
	m := mustLoad(t, []string{
		write(t, "x.conf", "save 1 2\nsave 3 4\nmaxmemory 1gb\nappendonly no\nuser default on nopass ~* &* +@all\n"), "--maxmemory", "2gb", "--appendonly", "yes",
	}, nil)
	require.Len(t, m.Warnings(), 3)
	require.Contains(t, m.Warnings()[0], "save has no effect")
	require.Contains(t, m.Warnings()[1], "maxmemory has no effect")
	require.Contains(t, m.Warnings()[2], "user has no effect")
	require.Equal(t, "2147483648", get(t, m, "maxmemory"))
	require.Len(t, mustLoad(t, []string{"--appendonly", "no"}, nil).Warnings(), 1)
	require.Contains(t, mustLoad(t, []string{"--repl-timeout", "5"}, nil).Warnings()[0], "repl-timeout")
}

func TestServiceLinksInTheEnvironmentAreNotOurs(t *testing.T) {
	m := mustLoad(t, nil, []string{
		"REPLOGD_PORT=tcp://10.0.0.1:6379", "REPLOGD_SERVICE_HOST=10.0.0.1", "REPLOGD_SERVICE_PORT=6379", "REPLOGD_PORT_6379_TCP_ADDR=10.0.0.1",
		"REPLOGD_PORT_6379_TCP=tcp://10.0.0.1:6379", "REPLOGD_REQUIREPASS=a b c",
	})
	require.Equal(t, 6379, m.Current().Port)
	require.Equal(t, "a b c", m.Current().RequirePass)
	require.Len(t, m.Warnings(), 1)
}

func TestBacklogCapFollowsSizeUnlessGiven(t *testing.T) {
	require.EqualValues(t, 40<<30, mustLoad(t, []string{"--repl-backlog-size", "20gb"}, nil).Current().ReplBacklogMaxSize)
	require.EqualValues(t, 0, mustLoad(t, []string{"--repl-backlog-size", "20gb", "--repl-backlog-max-size", "0"}, nil).Current().ReplBacklogMaxSize)
	require.EqualValues(t, 16<<10, mustLoad(t, []string{"--repl-backlog-size", "1"}, nil).Current().ReplBacklogSize, "as Redis")
}

func TestRenamesReachTheStruct(t *testing.T) {
	c := mustLoad(t, []string{write(t, "x.conf", "rename-command FLUSHALL \"\"\nrename-command CONFIG \"c o\"\n")}, nil).Current()
	require.Equal(t, []Rename{{"FLUSHALL", ""}, {"CONFIG", "c o"}}, c.RenameCommands)
}

func TestTableIsSound(t *testing.T) {
	env := map[string]string{}
	for name := range byName {
		require.Equal(t, strings.ToLower(name), name)
		require.LessOrEqual(t, len(name), maxNameLen)
		require.Empty(t, env[envName(name)], "%s and %s share an environment variable", name, env[envName(name)])
		env[envName(name)] = name
	}
	for _, d := range directives {
		if !d.kind.repeats && (d.kind == integer || d.kind == memory) {
			require.True(t, d.max > d.min || d.max == unlimited, "%s has no range", d.name)
		}
		works := d.bind != nil || d.check != nil || d.name == "enable-protected-configs"
		require.True(t, works || d.inert != "" || d.warn != nil, "%s neither works nor says why not", d.name)
	}
}

func TestErrorsUnwrap(t *testing.T) {
	cause := errors.New("cause")
	require.ErrorIs(t, &Error{File: "f", Line: 3, Text: "x y", Problem: "bad", Remedy: "mend", Err: cause}, cause)
	require.EqualError(t, &Error{File: "f", Line: 3, Text: "x y", Problem: "bad", Remedy: "mend", Err: cause}, "f:3: 'x y': bad: cause (mend)")
}
