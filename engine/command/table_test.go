package command_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/command"
)

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"get":                        "get",
		"GET":                        "get",
		"PsEtEx":                     "psetex",
		"client":                     "client",
		"client|list":                "",
		"":                           "",
		"g":                          "",
		"getx":                       "",
		"get ":                       "",
		"GE\xd4":                     "",
		strings.Repeat("get", 1<<16): "",
	} {
		s := command.Lookup([]byte(name))
		if want == "" {
			require.Nil(t, s, name)
		} else {
			require.Equal(t, want, s.Name)
		}
	}
	for name, want := range map[string]string{
		"CLIENT|List": "client|list",
		"get":         "get",
		"client|":     "",
		"client|nope": "",
		"get|x":       "",
		"|":           "",
		"config|get":  "config|get",
	} {
		s := command.LookupFull([]byte(name))
		if want == "" {
			require.Nil(t, s, name)
		} else {
			require.Equal(t, want, s.Name)
		}
	}
	client := command.Lookup([]byte("client"))
	require.Equal(t, "client|no-evict", client.Subcommand([]byte("NO-Evict")).Name)
	require.Nil(t, client.Subcommand([]byte("nope")))
	require.True(t, client.Container())
	require.False(t, command.Lookup([]byte("command")).Container())
	require.False(t, command.Lookup([]byte("get")).Container())
}

func TestLookupDoesNotAllocate(t *testing.T) {
	name, sub := []byte("InCrByFlOaT"), []byte("SETNAME")
	client := command.Lookup([]byte("client"))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if command.Lookup(name) == nil || client.Subcommand(sub) == nil {
			t.Fatal("not found")
		}
	}))
}

// TestEntriesAreWhole finds slips that a comparison with Redis would not show when
// no redis-server is installed.
func TestEntriesAreWhole(t *testing.T) {
	all := command.All()
	require.True(t, slices.IsSortedFunc(all, func(a, b *command.Spec) int { return strings.Compare(a.Name, b.Name) }))
	require.NotEmpty(t, all)
	each(all, func(s *command.Spec) {
		require.Same(t, s, command.LookupFull([]byte(s.Name)), s.Name)
		require.Equal(t, strings.ToLower(s.Name), s.Name)
		require.NotZero(t, s.Arity, s.Name)
		require.NotEmpty(t, s.Since, s.Name)
		require.NotEmpty(t, s.Group, s.Name)
		require.NotEmpty(t, s.Summary, s.Name)
		if !s.Flags.Has(command.MovableKeys) {
			require.Equal(t, len(s.Finders) > 0, s.Keys != command.KeySpec{}, s.Name)
		}
		require.False(t, s.Flags.Has(command.Write|command.ReadOnly), s.Name)
		require.NotEqual(t, s.HasCategory("@fast"), s.HasCategory("@slow"), s.Name)
		require.Equal(t, s.Flags.Has(command.Write), s.HasCategory("@write"), s.Name)
		for _, f := range s.Finders {
			require.NotZero(t, f.Flags&(command.KeyRO|command.KeyRW|command.KeyOW|command.KeyRM|command.KeyNotKey), s.Name)
		}
		checkArgs(t, s, s.Args)
	})
}

func checkArgs(t *testing.T, s *command.Spec, args []command.Arg) {
	for _, a := range args {
		require.NotEmpty(t, a.Name, s.Name)
		require.Equal(t, a.Type == "key" || a.KeySpec > 0, a.KeySpec >= 0, s.Name) // SORT's patterns name keys too
		require.Less(t, a.KeySpec, max(len(s.Finders), 1), s.Name)
		require.Equal(t, a.Type == "oneof" || a.Type == "block", len(a.Args) > 0, s.Name)
		checkArgs(t, s, a.Args)
	}
}

func TestArity(t *testing.T) {
	get, set := command.Lookup([]byte("get")), command.Lookup([]byte("set"))
	require.False(t, get.ArityOK(1))
	require.True(t, get.ArityOK(2))
	require.False(t, get.ArityOK(3))
	require.False(t, set.ArityOK(2))
	require.True(t, set.ArityOK(3))
	require.True(t, set.ArityOK(30))
}

func BenchmarkLookup(b *testing.B) {
	name := []byte("SET")
	b.ReportAllocs()
	for b.Loop() {
		command.Lookup(name)
	}
}
