package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine"
	"replogd/engine/command"
)

// Every command of the table is run by the server or by the engine, and neither has a command that the table does not know.
func TestEveryCommandHasOneImplementation(t *testing.T) {
	known := map[string]bool{}
	var visit func(spec *command.Spec)
	visit = func(spec *command.Spec) {
		known[spec.Name] = true
		inServer, inEngine := handlers[spec.Name] != nil, engine.Lookup([]byte(spec.Name)) != nil
		if len(spec.Subcommands) == 0 || spec.Name == "command" {
			require.True(t, inServer || inEngine, "%s is not implemented", spec.Name)
		}
		require.False(t, inServer && inEngine, "%s is implemented twice", spec.Name)
		for _, sub := range spec.Subcommands {
			visit(sub)
		}
	}
	for _, spec := range command.All() {
		visit(spec)
	}
	for name := range handlers {
		require.True(t, known[name], "the server implements %s, which has no spec", name)
	}
	for _, cmd := range engine.Commands() {
		require.True(t, known[cmd.Name()], "the engine implements %s, which has no spec", cmd.Name())
	}
}

func TestPipelineKeepsOrderAcrossKindsOfCommands(t *testing.T) {
	c := start(t).dial()
	c.send(frame("SET", "a", "1") + frame("INCR", "a") + frame("PING") + frame("GET", "a") + frame("SELECT", "1") + frame("GET", "a") +
		frame("nosuch") + frame("SET", "a", "other") + "GET a\r\n" + frame("SELECT", "0") + frame("GET", "a"))
	var got []string
	for range 11 {
		got = append(got, c.read())
	}
	require.Equal(t, []string{
		"+OK\r\n", ":2\r\n", "+PONG\r\n", "$1\r\n2\r\n", "+OK\r\n", "$-1\r\n",
		"-ERR unknown command 'nosuch', with args beginning with: \r\n", "+OK\r\n", "$5\r\nother\r\n", "+OK\r\n", "$1\r\n2\r\n",
	}, got)
}

func TestLongPipelineIsAnsweredInPortions(t *testing.T) {
	c := start(t).dial()
	value := strings.Repeat("v", 10_000)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", value))
	const n = 2000
	sent := make(chan error, 1)
	go func() {
		_, err := c.nc.Write([]byte(strings.Repeat(frame("GET", "k"), n)))
		sent <- err
	}()
	for range n {
		require.Equal(t, value, bulk(c.read()))
	}
	require.NoError(t, <-sent)
}

func TestClientReply(t *testing.T) {
	for _, tc := range []struct{ name, in, out string }{
		{"on", "client reply on\r\nping\r\n", "+OK\r\n+PONG\r\n"},
		{"skip", "client reply skip\r\nping\r\nset a 1\r\n", "+OK\r\n"},
		{"skip a keyspace command", "client reply skip\r\nset a 1\r\nget a\r\n", "$1\r\n1\r\n"},
		{"skip twice", "client reply skip\r\nclient reply skip\r\nping\r\nping\r\n", "+PONG\r\n"},
		{"skip, then on", "client reply skip\r\nclient reply on\r\nping\r\n", "+OK\r\n+PONG\r\n"},
		{"off", "client reply off\r\nping\r\nset a 2\r\nnosuch\r\nclient reply on\r\nget a\r\n", "+OK\r\n$1\r\n2\r\n"},
		{"skip while off", "client reply off\r\nclient reply skip\r\nping\r\nclient reply on\r\n", "+OK\r\n"},
		{"skip an error", "client reply skip\r\nnosuch\r\nping\r\n", "+PONG\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t).dial()
			c.send(tc.in + "quit\r\n")
			require.Equal(t, tc.out+"+OK\r\n", c.closed())
		})
	}
}

func TestPanicClosesOnlyItsConnection(t *testing.T) {
	r := start(t)
	e := r.srv.table.find([]byte("time"))
	e.handle = func(*conn, [][]byte) { panic("test") }
	victim, other := r.dial(), r.dial()
	require.Equal(t, "+PONG\r\n", other.do("PING"))
	victim.send(frame("TIME"))
	require.Empty(t, victim.closed())
	require.Equal(t, "+PONG\r\n", other.do("PING"))
}

func TestRenameCommand(t *testing.T) {
	c := start(t, "--rename-command", "CONFIG", "hidden", "--rename-command", "ECHO", "").dial()
	require.Contains(t, c.do("CONFIG", "GET", "port"), "unknown command 'CONFIG'")
	require.Contains(t, c.do("ECHO", "x"), "unknown command 'ECHO'")
	require.True(t, strings.HasPrefix(c.do("HIDDEN", "GET", "port"), "*2\r\n"))
}
