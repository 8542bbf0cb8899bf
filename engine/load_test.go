package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/rdb"
)

// loaded makes a keyspace of an RDB and has a node that follows adopt it.
func loaded(t *testing.T, file []byte, offset uint64) (*testNode, error) {
	t.Helper()
	n := newNode(t)
	t.Cleanup(n.close)
	n.follow()
	dir := "/node/incoming"
	if err := n.e.LoadRDB(context.Background(), dir, bytes.NewReader(file), offset, nil); err != nil {
		return nil, err
	}
	return n, n.e.Adopt(context.Background(), dir, offset, n.b.Histories())
}

// TestRDBFilesOfRedisLoad: what redis-server saves, it is here: the same digest, key counts and encodings.
func TestRDBFilesOfRedisLoad(t *testing.T) {
	p := newPair(t, smallStore)
	p.fillLarge(t)
	for i := range 300 {
		for _, line := range []string{"SET small:%[1]d %[1]d", "SET expires:%[1]d v PX 4102444800%03[1]d", "HSET h:%[1]d a 1 b 2", "ZADD z:%[1]d 1 a -0 b inf c", "SADD i:%[1]d 1 2 3", "XADD stream %d-1 f v g %[1]d"} {
			if strings.HasPrefix(line, "XADD") && i == 0 {
				continue
			}
			p.compare(t, line, byteArgs(strings.Fields(fmt.Sprintf(line, i))...))
		}
	}
	for _, line := range []string{"SELECT 9", "RPUSH l a b c", "SET text " + strings.Repeat("again", 500), "SELECT 0", "XGROUP CREATE stream g 5", "XDEL stream 7-1"} {
		p.compare(t, line, byteArgs(strings.Fields(line)...))
	}
	require.Equal(t, "+OK\r\n", string(p.stock.run(byteArgs("SAVE"))))
	dir := bulkOf(t, bytes.Clone(p.stock.run(byteArgs("CONFIG", "GET", "dir")))[len("*2\r\n$3\r\ndir\r\n"):])
	file, err := os.ReadFile(filepath.Join(string(dir), "dump.rdb"))
	require.NoError(t, err)
	n, err := loaded(t, file, 12345)
	require.NoError(t, err)
	require.Equal(t, string(p.stock.run(byteArgs("DEBUG", "DIGEST"))), "+"+n.digest()+"\r\n")
	for _, line := range []string{"DBSIZE", "OBJECT ENCODING hash", "OBJECT ENCODING h:1", "OBJECT ENCODING z:1", "OBJECT ENCODING zset", "OBJECT ENCODING i:1", "ZRANGE z:1 0 -1 WITHSCORES", "PEXPIRETIME expires:7", "LRANGE list 0 -1"} {
		require.Equal(t, string(p.stock.run(byteArgs(strings.Fields(line)...))), n.do(line), line)
	}
	// And what is written here is read here.
	var out bytes.Buffer
	snap := n.e.Snapshot()
	defer snap.Close()
	require.NoError(t, snap.WriteRDB(context.Background(), &out, strings.Repeat("a", 40)))
	again, err := loaded(t, out.Bytes(), 99)
	require.NoError(t, err)
	require.Equal(t, n.digest(), again.digest())
	require.Equal(t, n.do("DBSIZE"), again.do("DBSIZE"))
	require.EqualValues(t, 99, again.e.Applied())
}

// TestDamagedRDBFilesAreRefused: cut anywhere, changed anywhere, or with something twice.
func TestDamagedRDBFilesAreRefused(t *testing.T) {
	var out bytes.Buffer
	w := rdb.NewWriter(&out)
	w.Header(false)
	w.Aux("repl-stream-db", "0")
	w.SelectDB(0, 2, 1)
	w.ExpireMs(4102444800000)
	w.Byte(byte(rdb.TypeString))
	w.String([]byte("k"))
	w.String([]byte("value"))
	w.Byte(byte(rdb.TypeHash))
	w.String([]byte("h"))
	w.Len(1)
	w.String([]byte("f"))
	w.String([]byte("v"))
	require.NoError(t, w.End())
	whole := out.Bytes()
	n, err := loaded(t, whole, 1)
	require.NoError(t, err)
	require.Equal(t, "$5\r\nvalue\r\n", n.do("GET k"))
	n = newNode(t)
	defer n.close()
	load := func(file []byte) error {
		defer func() { require.NoError(t, n.fs.RemoveAll("/node/x")) }()
		return n.e.LoadRDB(context.Background(), "/node/x", bytes.NewReader(file), 1, nil)
	}
	for i := range whole {
		require.ErrorIs(t, load(whole[:i]), rdb.ErrCorrupt, "cut at %d", i)
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x10
		require.Error(t, load(damaged), "changed at %d", i)
	}
	for name, write := range map[string]func(w *rdb.Writer){
		"key": func(w *rdb.Writer) {
			w.Byte(0)
			w.String([]byte("k"))
			w.String([]byte("1"))
			w.Byte(0)
			w.String([]byte("k"))
			w.String([]byte("2"))
		},
		"field": func(w *rdb.Writer) {
			w.Byte(4)
			w.String([]byte("k"))
			w.Len(2)
			for range 4 {
				w.String([]byte("f"))
			}
		},
		"member": func(w *rdb.Writer) {
			w.Byte(2)
			w.String([]byte("k"))
			w.Len(2)
			for range 2 {
				w.String([]byte("m"))
			}
		},
	} {
		out.Reset()
		w := rdb.NewWriter(&out)
		w.Header(false)
		w.SelectDB(0, 1, 0)
		write(w)
		require.NoError(t, w.End())
		require.Error(t, load(out.Bytes()), name)
	}
}

// The rows of a keyspace that is being loaded are those of other collections than the engine's own, even where their uids are the same: what is
// known of the engine's stays known, and its memory is not touched, which others write.
func TestLoadingLeavesTheEnginesHintsAlone(t *testing.T) {
	for _, tc := range []struct {
		push, pop string
		held      func(h *placeHints, uid uint64) int
	}{
		{"RPUSH k e%d", "LPOP k", func(h *placeHints, uid uint64) int { return len(h.ends[uid].values) }},
		{"SADD k e%d", "SPOP k", func(h *placeHints, uid uint64) int { return len(h.walks[uid].members) }},
		{"ZADD k 1 e%d", "ZPOPMIN k", func(h *placeHints, uid uint64) int { return len(h.fronts[uid].members) }},
	} {
		t.Run(tc.pop, func(t *testing.T) {
			n := newNode(t).lead()
			defer n.close()
			uid := n.e.seq.state.nextUID
			for i := range 100 {
				n.do(fmt.Sprintf(tc.push, i))
			}
			var file bytes.Buffer
			snap := n.e.Snapshot()
			defer snap.Close()
			require.NoError(t, snap.WriteRDB(context.Background(), &file, strings.Repeat("a", 40)))
			for range 4 {
				n.do(tc.pop)
			}
			before := tc.held(&n.e.seq.hints, uid)
			require.Positive(t, before)
			require.NoError(t, n.e.LoadRDB(context.Background(), "/node/incoming", &file, 1, nil))
			require.Equal(t, before, tc.held(&n.e.seq.hints, uid))
		})
	}
}
