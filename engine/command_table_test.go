package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/command"
)

func TestCommandsAgreeWithTheirSpecs(t *testing.T) {
	names := make([]string, 0, len(Commands()))
	for _, c := range Commands() {
		names = append(names, c.Name())
		require.NotNil(t, c.Spec, c.Name())
		require.Equal(t, c.Name(), c.Spec.Name)
		require.Equal(t, c.write, c.Spec.Flags&command.Write != 0, "%s: the table here and the flag write", c.Name())
		require.Equal(t, !c.write, c.Spec.Flags&command.ReadOnly != 0, "%s: the table here and the flag readonly", c.Name())
	}
	require.True(t, slices.IsSorted(names))
	require.Len(t, slices.Compact(names), len(Commands()))
}

// Every command of the groups string and generic that works on keys has a handler.
func TestEverySpecOfTheKeyspaceHasAHandler(t *testing.T) {
	for _, spec := range command.All() {
		if spec.Flags&(command.Write|command.ReadOnly) != 0 {
			require.NotNil(t, Lookup([]byte(spec.Name)), spec.Name)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range []string{"get", "GET", "gEt", "incrbyfloat", "INCRBYFLOAT"} {
		c := Lookup([]byte(name))
		require.NotNil(t, c, name)
		require.Equal(t, strings.ToLower(name), c.Name())
	}
	for _, name := range []string{"", "ge", "gets", "get ", "incrbyfloatx", "select", "ping", "\x07et", strings.Repeat("g", 1000)} {
		require.Nil(t, Lookup([]byte(name)), name)
	}
	name := []byte("IncrByFloat")
	require.Zero(t, testing.AllocsPerRun(100, func() { Lookup(name) }))
}
