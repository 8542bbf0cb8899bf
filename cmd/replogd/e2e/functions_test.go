package e2e_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFunctionsPassThrough: libraries of functions that a Redis has loaded, before and after it was copied, are there on a Redis below us, in
// what we save, and after our kill -9, although we cannot call them.
func TestFunctionsPassThrough(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	library := func(name, answer string) string {
		return fmt.Sprintf("#!lua name=%s\nredis.register_function{function_name='%s', callback=function(keys, args) return '%s' end, flags={'no-writes'}}\n", name, name, answer)
	}
	top := newNodeOf(t, redisServer, "top", "enable-debug-command", "yes", "repl-diskless-sync-delay", "0", "save", "").start()
	top.do("FUNCTION LOAD", library("early", "1"))
	top.do("FUNCTION LOAD", library("dropped", "1"))
	ours := newNode(t, "ours", "replicaof", fmt.Sprintf("127.0.0.1 %d", top.port)).start()
	ours.waitLinkUp()
	top.do("FUNCTION LOAD", library("late", "1"))
	top.do("FUNCTION LOAD REPLACE", library("early", "2"))
	top.do("FUNCTION DELETE dropped")
	waitSame(t, top, ours)
	ours.kill9()
	ours.restart()
	ours.waitLinkUp()

	answers := func(n *node, function, answer string) {
		t.Helper()
		eventually(t, syncWithin, n.name+" calls "+function, func() error {
			got, err := n.try("FCALL_RO " + function + " 0")
			if err != nil {
				return err
			}
			return want(function, got, answer)
		})
	}
	below := newNodeOf(t, redisServer, "below", "save", "", "replicaof", fmt.Sprintf("127.0.0.1 %d", ours.port)).start()
	below.waitLinkUp()
	for function, answer := range map[string]string{"early": "2", "late": "1"} {
		eventually(t, syncWithin, "it is there", func() error {
			list, err := below.try("FUNCTION LIST LIBRARYNAME " + function)
			if err == nil && list == "[]" {
				err = fmt.Errorf("it is not")
			}
			return err
		})
		require.Contains(t, top.do("FUNCTION LIST LIBRARYNAME "+function+" WITHCODE"), "return '"+answer+"'")
		require.Equal(t, top.do("FUNCTION LIST LIBRARYNAME "+function+" WITHCODE"), below.do("FUNCTION LIST LIBRARYNAME "+function+" WITHCODE"))
	}
	require.Equal(t, "[]", below.do("FUNCTION LIST LIBRARYNAME dropped"))

	// Through the stream, and in a file.
	dump, err := top.client().FunctionDump(t.Context()).Result()
	require.NoError(t, err)
	top.do("FUNCTION FLUSH")
	top.do("FUNCTION RESTORE", dump, "FLUSH")
	waitSame(t, top, ours)
	require.Equal(t, "OK", ours.do("SAVE"))
	saved := newNodeOf(t, redisServer, "saved", "dbfilename", "dump.rdb")
	copyFile(t, filepath.Join(ours.dir, "dump.rdb"), filepath.Join(saved.dir, "dump.rdb"))
	saved.start()
	answers(saved, "early", "2")

	// Taken over by us, then by a Redis: nothing is missing.
	ours.do("REPLICAOF NO ONE")
	below.do("REPLICAOF NO ONE")
	answers(below, "late", "1")
	require.Contains(t, ours.refuses("FCALL early 0"), "unknown command")
}
