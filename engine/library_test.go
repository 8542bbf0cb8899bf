package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

func TestLibraryNamesItself(t *testing.T) {
	for code, name := range map[string]string{
		"#!lua name=mylib\nreturn 1": "mylib", "#!lua name=a_B9": "a_B9", "#!lua  NAME=x \r\n": "x", "#!js key=v name=x other=y\n": "x",
		"": "", "return 1": "", "#!lua\n": "", "#!lua name=\n": "", "#!lua name=a-b\n": "", "#!lua\nname=x": "", " #!lua name=x": "",
	} {
		got, err := libraryName([]byte(code))
		if name == "" {
			require.Error(t, err, code)
			continue
		}
		require.NoError(t, err, code)
		require.Equal(t, name, got)
	}
}

// Libraries are changed by the stream, survive a restart, and are in a snapshot's RDB.
func TestLibrariesFollowTheStream(t *testing.T) {
	n := newNode(t, smallStore)
	defer func() { n.close() }()
	n.follow()
	names := func() (names []string) {
		s := n.e.Snapshot()
		defer s.Close()
		codes, err := s.libraries()
		require.NoError(t, err)
		for _, code := range codes {
			name, err := libraryName(code)
			require.NoError(t, err)
			names = append(names, name)
		}
		return names
	}
	send := func(commands ...[]string) {
		var stream []byte
		for _, c := range commands {
			stream = resp.AppendCommandStrings(stream, c...)
		}
		n.receive(stream)
	}
	send([]string{"SELECT", "0"}, []string{"FUNCTION", "LOAD", "#!lua name=a\n1"}, []string{"FUNCTION", "load", "REPLACE", "#!lua name=b\n1"}, []string{"SET", "k", "1"})
	require.Equal(t, []string{"a", "b"}, names())
	send([]string{"FUNCTION", "LOAD", "REPLACE", "#!lua name=a\n2"}, []string{"FUNCTION", "DELETE", "b"}, []string{"FUNCTION", "DELETE", "nosuch"})
	require.Equal(t, []string{"a"}, names())
	n.close()
	require.NoError(t, n.open(smallStore))
	require.Equal(t, []string{"a"}, names())
	n.follow()
	send([]string{"FUNCTION", "FLUSH", "ASYNC"}, []string{"FUNCTION", "LOAD", "#!lua name=c\n1"})
	require.Equal(t, []string{"c"}, names())
}
