package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// setError texts were measured on redis-server 7.0.15 (see oracle_test.go for the comparison itself).
func TestSetErrors(t *testing.T) {
	m := mustLoad(t, nil, nil)
	for _, c := range []struct {
		pairs [][2]string
		want  string
	}{
		{[][2]string{{"foo", "bar"}}, "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
		{[][2]string{{"port", "1"}, {"foo", "2"}}, "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
		{[][2]string{{"rename-command", "a b"}}, "ERR Unknown option or number of arguments for CONFIG SET - 'rename-command'"},
		{[][2]string{{"port", "abc"}}, "ERR CONFIG SET failed (possibly related to argument 'port') - argument couldn't be parsed into an integer"},
		{[][2]string{{"TimeOut", "-1"}}, "ERR CONFIG SET failed (possibly related to argument 'TimeOut') - argument must be between 0 and 2147483647 inclusive"},
		{[][2]string{{"databases", "3"}}, "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
		{[][2]string{{"slaveof", "x 1"}}, "ERR CONFIG SET failed (possibly related to argument 'slaveof') - can't set immutable config"},
		{[][2]string{{"dir", "/"}}, "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"},
		{[][2]string{{"timeout", "1"}, {"TIMEOUT", "2"}}, "ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter"},
		{[][2]string{{"timeout", "1"}, {"appendfsync", "bad"}}, "ERR CONFIG SET failed (possibly related to argument 'appendfsync') - argument(s) must be one of the following: everysec, always, no"},
		{[][2]string{{"repl-backlog-size", "100gb"}, {"repl-backlog-max-size", "1gb"}}, "ERR CONFIG SET failed (possibly related to argument 'repl-backlog-max-size') - repl-backlog-max-size (1073741824) is below repl-backlog-size (107374182400)"},
		{[][2]string{{"tls-port", "1"}}, "ERR CONFIG SET failed (possibly related to argument 'tls-port') - TLS is not supported; clients would have to talk in clear text: use port behind a TLS proxy or tunnel"},
	} {
		before := m.Current()
		require.EqualError(t, m.Set(c.pairs), c.want)
		require.Same(t, before, m.Current(), "a refused CONFIG SET changes nothing")
	}
	require.NoError(t, m.Set(nil))
}

func TestSetPublishesOneNewConfig(t *testing.T) {
	m := mustLoad(t, nil, nil)
	old := m.Current()
	require.NoError(t, m.Set([][2]string{
		{"timeout", "12"}, {"slave-priority", "4"}, {"client-output-buffer-limit", "slave 1mb 2 3"}, {"save", "10 20 30 40"}, {"loglevel", "DEBUG"}, {"repl-backlog-retention", "48h"},
	}))
	require.Zero(t, old.Timeout, "a published Config never changes")
	c := m.Current()
	require.Equal(t, 12*time.Second, c.Timeout)
	require.Equal(t, 4, c.ReplicaPriority)
	require.Equal(t, "debug", c.LogLevel)
	require.Equal(t, OutputLimits{
		Replica: OutputLimit{1 << 20, 2, 3 * time.Second}, PubSub: OutputLimit{32 << 20, 8 << 20, time.Minute},
	}, c.ClientOutputBufferLimit)
	require.Equal(t, "10 20 30 40", get(t, m, "save"))
	require.Equal(t, "2d", get(t, m, "repl-backlog-retention"))
	require.NoError(t, m.Set([][2]string{{"save", "1 2"}}))
	require.Equal(t, "1 2", get(t, m, "save"), "CONFIG SET save replaces")
}

func TestProtectedConfigs(t *testing.T) {
	m := mustLoad(t, []string{"--enable-protected-configs", "yes"}, nil)
	require.NoError(t, m.Set([][2]string{{"dbfilename", "x.rdb"}}))
	require.ErrorContains(t, m.Set([][2]string{{"dir", "/"}}), "can't set immutable config")
}

func TestAVetoUndoesEarlierCallbacks(t *testing.T) {
	m := mustLoad(t, nil, nil)
	var calls []string
	record := func(name string, err error) func(old, new *Config) error {
		return func(old, new *Config) error {
			calls = append(calls, fmt.Sprintf("%s %d->%d", name, old.Port, new.Port))
			return err
		}
	}
	m.OnChange(record("a", nil))
	m.OnChange(record("b", nil))
	veto := &Error{Directive: "port", Problem: "Unable to listen on this port. Check server logs."}
	m.OnChange(record("c", veto))
	err := m.Set([][2]string{{"timeout", "5"}, {"port", "6390"}})
	require.EqualError(t, err, "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.")
	require.ErrorIs(t, err, veto)
	require.Equal(t, []string{"a 6379->6390", "b 6379->6390", "c 6379->6390", "b 6390->6379", "a 6390->6379"}, calls)
	require.Equal(t, "0", get(t, m, "timeout"))

	m2 := mustLoad(t, nil, nil)
	m2.OnChange(func(_, _ *Config) error { return errors.New("no") })
	require.EqualError(t, m2.Set([][2]string{{"timeout", "5"}}), "ERR CONFIG SET failed (possibly related to argument 'timeout') - no")
}

func TestSetReplicaOf(t *testing.T) {
	m := mustLoad(t, nil, nil)
	a := &Addr{Host: "h", Port: 1}
	m.SetReplicaOf(a)
	a.Port = 2
	require.Equal(t, &Addr{Host: "h", Port: 1}, m.Current().ReplicaOf)
	require.Equal(t, "h 1", get(t, m, "replicaof"))
	require.Equal(t, "h 1", get(t, m, "slaveof"))
	m.SetReplicaOf(nil)
	require.Nil(t, m.Current().ReplicaOf)
	require.Equal(t, "", get(t, m, "replicaof"))
	require.Equal(t, "[::1]:6379", Addr{Host: "::1", Port: 6379}.String())
}

// settable draws a CONFIG SET that must succeed, from the table.
func settable(t *rapid.T) (name, val string) {
	var ds []*directive
	for _, d := range directives {
		if !d.fixed && !d.protected && !d.hidden && d.check == nil && d.name != "repl-backlog-size" && d.name != "repl-backlog-max-size" {
			ds = append(ds, d)
		}
	}
	d := rapid.SampledFrom(ds).Draw(t, "directive")
	name = rapid.SampledFrom(append([]string{d.name}, d.aliases...)).Draw(t, "name")
	switch d.kind {
	case boolean:
		val = rapid.SampledFrom([]string{"yes", "no", "YES"}).Draw(t, "bool")
	case integer:
		val = strconv.FormatInt(rapid.Int64Range(d.min, d.max).Draw(t, "int"), 10)
	case memory, memoryOrPercent:
		hi := d.max
		if hi == unlimited {
			hi = maxInt64
		}
		val = formatMemory(uint64(rapid.Int64Range(d.min, hi).Draw(t, "size")))
	case duration:
		val = strconv.Itoa(rapid.IntRange(0, 1<<30).Draw(t, "seconds")) + rapid.SampledFrom([]string{"", "s"}).Draw(t, "unit")
	case enum:
		val = rapid.SampledFrom(d.words).Draw(t, "word")
	case flags:
		val = strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"save", "now", "force"}), 1, 3, rapid.ID).Draw(t, "flags"), " ")
	case savePoints:
		val = rapid.SampledFrom([]string{"", "1 2", "3 4 5 6"}).Draw(t, "save")
	case outputLimits:
		val = rapid.SampledFrom([]string{"normal 1mb 2kb 3", "slave 0 0 0", "replica 5 4 3 pubsub 1 1 1"}).Draw(t, "limits")
	case list:
		val = rapid.SampledFrom([]string{"*", "127.0.0.1 ::1", "-::*"}).Draw(t, "list")
	case notify:
		val = rapid.SampledFrom([]string{"", "KEA", "Kg$", "Ex"}).Draw(t, "classes")
	case percentiles:
		val = rapid.SampledFrom([]string{"", "50", "50 99.9 100", "0.5"}).Draw(t, "percentiles")
	case oomScores:
		val = "1 2 3"
	case text:
		val = rapid.String().Draw(t, "text")
	default:
		t.Fatalf("no generator for %s", d.name)
	}
	return name, val
}

// What CONFIG GET says after a CONFIG SET can be set again and changes nothing; CONFIG REWRITE makes a start from the
// file alone yield the same.
func TestSetGetRewriteRoundTrip(t *testing.T) {
	path := write(t, "x.conf", "# mine\nport 7000\nsave 1 2\nclient-output-buffer-limit slave 1 2 3\nloglevel verbose\n")
	rapid.Check(t, func(rt *rapid.T) {
		m := mustLoad(t, []string{path}, nil)
		for range rapid.IntRange(1, 5).Draw(rt, "sets") {
			name, val := settable(rt)
			if err := m.Set([][2]string{{name, val}}); err != nil {
				rt.Fatalf("set %s %q: %v", name, val, err)
			}
			shown := get(t, m, name)
			if err := m.Set([][2]string{{name, shown}}); err != nil {
				rt.Fatalf("set %s to what GET shows, %q: %v", name, shown, err)
			}
			if again := get(t, m, name); again != shown {
				rt.Fatalf("%s: %q became %q", name, shown, again)
			}
		}
		if err := m.Rewrite(); err != nil {
			rt.Fatal(err)
		}
		again, err := Load([]string{path}, nil)
		if err != nil {
			rt.Fatal(err)
		}
		require.Equal(rt, m.Settings(), again.Settings())
		require.Equal(rt, m.Current(), again.Current())
	})
}

func TestConcurrentSetAndCurrent(t *testing.T) {
	m := mustLoad(t, nil, nil)
	m.OnChange(func(_, _ *Config) error { return nil })
	require.NoError(t, m.Set([][2]string{{"timeout", "100"}, {"replica-priority", "100"}}))
	const rounds = 200
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := m.Current()
				if int(c.Timeout/time.Second) != c.ReplicaPriority {
					t.Errorf("half of a CONFIG SET is visible: timeout %v, priority %d", c.Timeout, c.ReplicaPriority)
					return
				}
				_ = m.Settings()
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range rounds {
				n := strconv.Itoa(w*rounds + i)
				if err := m.Set([][2]string{{"timeout", n}, {"replica-priority", n}}); err != nil {
					t.Error(err)
				}
				m.SetReplicaOf(&Addr{Host: n, Port: w})
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}
