package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/engine/keys"
	"replogd/engine/resp"
	"replogd/wal"
	"replogd/wal/crashfs"
)

// coldNode has k0 to k99 in databases 0 and 3, all in files and none in the row cache.
func coldNode(t *testing.T) *testNode {
	n := newNode(t).lead()
	for _, db := range []string{"SELECT 3", "SELECT 0"} {
		n.client.DB = int(db[len(db)-1] - '0')
		for i := range 100 {
			n.do(fmt.Sprintf("SET k%d %d", i, i))
		}
	}
	n.close()
	require.NoError(t, n.open(func(o *Options) { o.RowFilterBytes = -1 })) // a filter would answer for absent keys
	return n
}

// What a piece of the log is about is fetched ahead, whatever database it is in and however the pieces are cut; nothing else is.
func TestRowWarmerFetchesWhatTheLogIsAbout(t *testing.T) {
	var log []byte
	for _, line := range []string{"SET k1 x", "MSET k2 x k3 x absent x", "SELECT 3", "MULTI", "INCR k4", "RENAME k5 k6", "EXEC", "PING", "SELECT 0", "DEL k7 k8"} {
		log = resp.AppendCommand(log, splitLine(line)...)
	}
	want := map[string]bool{"0/k1": true, "0/k2": true, "0/k3": true, "0/absent": true, "3/k4": true, "3/k5": true, "3/k6": true, "0/k7": true, "0/k8": true}
	for _, portion := range []int{len(log), 7} {
		n := coldNode(t)
		w := newRowWarmer(n.e)
		for from := 0; from < len(log); from += portion {
			w.warm(log[from:min(from+portion, len(log))])
		}
		ds := n.e.ds.Load()
		for _, db := range []int{0, 3} {
			id := (*ds.dbIDs.Load())[db]
			for _, key := range []string{"absent", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k99"} {
				lacks, _ := ds.cache.lacks(keys.AppendKey(nil, id, []byte(key)), false)
				require.Equal(t, want[fmt.Sprintf("%d/%s", db, key)], !lacks, "key %s of database %d", key, db)
			}
		}
		n.close()
	}
}

// A log that cannot be read is the replay's to report: nothing is fetched, and nothing else happens.
func TestRowWarmerLeavesDamageToTheReplay(t *testing.T) {
	n := coldNode(t)
	defer n.close()
	w := newRowWarmer(n.e)
	w.warm([]byte("*1\r\n$4\r\nPING\r\n+what\r\n"))
	w.warm(resp.AppendCommandStrings(nil, "DEL", "k1"))
	ds := n.e.ds.Load()
	lacks, _ := ds.cache.lacks(keys.AppendKey(nil, (*ds.dbIDs.Load())[0], []byte("k1")), false)
	require.True(t, lacks)
}

// A replay over values in files, which it changes and removes, comes to the same keyspace.
func TestReplayOverColdFiles(t *testing.T) {
	fs := crashfs.New()
	n := openNode(t, fs, t.TempDir()+"/meta.db", wal.SyncAlways, func(o *Options) { o.MemTableBytes = 32 << 20 }).lead()
	defer n.close()
	for i := range 3000 {
		n.exec(&n.client, fmt.Sprintf("SET k%d %d", i, i), fmt.Sprintf("SADD s%d a b c", i%50))
	}
	require.NoError(t, n.e.Flush(context.Background()))
	for i := range 3000 {
		n.exec(&n.client, fmt.Sprintf("APPEND k%d %s", i*7%4000, bulk(2000)), fmt.Sprintf("DEL k%d s%d", i*3%3000, i%60))
	}
	require.NoError(t, n.b.WaitSafe(context.Background(), n.client.Need))
	require.Greater(t, n.b.End()-n.e.durable.Load(), uint64(replayBuffer), "it takes more than one buffer")
	clone := fs.CrashClone(vfs.CrashCloneCfg{})
	crashed := openNode(t, clone, copyMeta(t, n.meta), wal.SyncAlways)
	defer crashed.close()
	require.Equal(t, n.digest(), crashed.digest())
}
