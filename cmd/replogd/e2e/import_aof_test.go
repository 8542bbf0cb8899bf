package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// appendOnly runs a Redis that writes append-only files, fills it, and returns their directory and the data's digest.
func appendOnly(t *testing.T, settings ...string) (dir, digest string) {
	t.Helper()
	server := newNodeOf(t, redisTool(t, "redis-server"), "redis", append([]string{"appendonly", "yes", "appendfsync", "always", "save", ""}, settings...)...).start()
	fillAllTypes(server)
	require.Equal(t, "Background append only file rewriting started", server.do("BGREWRITEAOF"))
	server.eventuallyField("aof_rewrite_in_progress", "0")
	server.eventuallyField("aof_rewrite_scheduled", "0")
	fillAllTypes(server)
	server.do("EVAL", "redis.call('SET', 'script:1', 1) redis.call('INCR', 'script:2')", 0)
	_, err := server.client().TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), "tx:1", "x", time.Hour)
		p.Incr(t.Context(), "tx:2")
		return nil
	})
	require.NoError(t, err)
	server.do("SETEX gone 1 x")
	server.do("DEL gone")
	digest = server.do("DEBUG DIGEST")
	server.kill9()
	return filepath.Join(server.dir, "appendonlydir"), digest
}

// imports makes a data directory and returns a server on it, with what the import said.
func imports(t *testing.T, from string) (n *node, out string) {
	t.Helper()
	n = newNode(t, "imported")
	out, code := n.run("import", from, n.dir)
	require.Zero(t, code, out)
	return n.start(), out
}

// TestImportAppendOnlyFiles: the directory of Redis 7, with a base of either form; the one file of older versions; and an end that a crash
// has left.
func TestImportAppendOnlyFiles(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	for name, settings := range map[string][]string{
		"rdb base": {"aof-timestamp-enabled", "yes"}, "base of commands": {"aof-use-rdb-preamble", "no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, digest := appendOnly(t, settings...)
			n, out := imports(t, dir)
			require.Regexp(t, `\d+ keys in .*, replid [0-9a-f]{40}, offset \d+`, out)
			require.Equal(t, digest, n.do("DEBUG DIGEST"))
			n.do("SET more 1")
			n.kill9()
			n.restart()
			require.Equal(t, "1", n.do("GET more"))

			// As the one file of Redis 4 to 6: the base, then the commands.
			one := filepath.Join(t.TempDir(), "appendonly.aof")
			var whole []byte
			for _, pattern := range []string{"*.base.*", "*.incr.*"} {
				found, err := filepath.Glob(filepath.Join(dir, pattern))
				require.NoError(t, err)
				require.NotEmpty(t, found)
				part, err := os.ReadFile(found[len(found)-1])
				require.NoError(t, err)
				whole = append(whole, part...)
			}
			require.NoError(t, os.WriteFile(one, whole, 0o600))
			n, _ = imports(t, one)
			require.Equal(t, digest, n.do("DEBUG DIGEST"))
		})
	}
}

func TestImportDamagedAppendOnlyFiles(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	dir, digest := appendOnly(t)
	incr, err := filepath.Glob(filepath.Join(dir, "*.incr.aof"))
	require.NoError(t, err)
	file := incr[len(incr)-1]
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	refuses := func(content string) string {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		n := newNode(t, "refuses")
		out, code := n.run("import", dir, n.dir)
		require.Equal(t, 1, code, out)
		return out
	}

	require.NoError(t, os.WriteFile(file, append(whole, "*3\r\n$3\r\nSET\r\n$4\r\nha"...), 0o600))
	n, out := imports(t, dir)
	require.Contains(t, out, "ends within the command at byte")
	require.Equal(t, digest, n.do("DEBUG DIGEST"))
	require.NoError(t, os.WriteFile(file, append(whole, "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\nx\r\n"...), 0o600))
	n, out = imports(t, dir)
	require.Contains(t, out, "between MULTI and EXEC")
	require.Equal(t, digest, n.do("DEBUG DIGEST"))

	require.Contains(t, refuses(strings.Replace(string(whole), "\r\n*3\r\n", "\r\n&3\r\n", 1)), "where '*' is due")
	require.Contains(t, refuses(string(whole)+"*1\r\n$8\r\nNONSENSE\r\n"), "unknown command")
	require.Contains(t, refuses(string(whole)+"*1\r\n$4\r\nEXEC\r\n"), "EXEC")
	require.NoError(t, os.Remove(file))
	missing := newNode(t, "missing")
	out, code := missing.run("import", dir, missing.dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "no such file")
	out, code = missing.run("import", t.TempDir(), missing.dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "manifest")
}
