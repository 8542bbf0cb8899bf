package backlog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// edit changes meta.db of a closed node by hand.
func edit(t *testing.T, n *node, fn func(tx *bolt.Tx) error) {
	db, err := bolt.Open(filepath.Join(n.meta, metaName), metaMode, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(fn))
	require.NoError(t, db.Close())
}

func TestDamagedValuesAreRefusedByName(t *testing.T) {
	meta := func(tx *bolt.Tx) *bolt.Bucket { return tx.Bucket([]byte(bucketMeta)) }
	for _, c := range []struct {
		name string
		edit func(tx *bolt.Tx) error
		want string
	}{
		{"flipped bit", func(tx *bolt.Tx) error {
			v := append([]byte(nil), meta(tx).Get([]byte(keyHistories))...)
			v[20] ^= 1
			return meta(tx).Put([]byte(keyHistories), v)
		}, `value "histories": checksum mismatch`},
		{"missing value", func(tx *bolt.Tx) error { return meta(tx).Delete([]byte(keyRun)) }, `value "run": it is missing`},
		{"missing format", func(tx *bolt.Tx) error { return meta(tx).Delete([]byte(keyFormat)) }, `value "format": it is missing`},
		{"bad node id", func(tx *bolt.Tx) error { return put(meta(tx), keyNode, []byte("me")) }, `value "node"`},
		{"missing bucket", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketMeta)) }, `bucket "meta" is missing`},
		{"missing replicas", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketReplicas)) }, `bucket "replicas" is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := started(t)
			require.NoError(t, n.Close(true))
			edit(t, n, c.edit)
			err := n.tryOpen()
			var me *MetaError
			require.ErrorAs(t, err, &me)
			require.Equal(t, filepath.Join(n.meta, metaName), me.Path)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "the file is damaged: restore it")
		})
	}
}

func TestNewerFormatIsUnsupportedNotDamaged(t *testing.T) {
	for name, fn := range map[string]func(tx *bolt.Tx) error{
		"file": func(tx *bolt.Tx) error {
			return put(tx.Bucket([]byte(bucketMeta)), keyFormat, []byte{formatVersion + 1})
		},
		"value": func(tx *bolt.Tx) error { return putVersion(tx.Bucket([]byte(bucketMeta)), keyRun, valueVersion+1) },
	} {
		n := started(t)
		require.NoError(t, n.Close(true))
		edit(t, n, fn)
		err := n.tryOpen()
		require.ErrorIs(t, err, ErrUnsupported, name)
		require.ErrorContains(t, err, "start the version that wrote it", name)
	}
}

// putVersion writes a well-formed value of another version.
func putVersion(b *bolt.Bucket, key string, version byte) error {
	v := []byte{version, 1, 2, 3}
	sum := valueSum(key, v)
	return b.Put([]byte(key), append(v, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)))
}

func TestDamagedReplicaNoteIsLeftOut(t *testing.T) {
	n := started(t)
	n.NoteReplica(id('1'), "one:1", 1)
	n.NoteReplica(id('2'), "two:2", 2)
	require.NoError(t, n.Close(true))
	edit(t, n, func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketReplicas)).Put([]byte(id('1')), []byte("junk")) })
	n.open()
	require.Len(t, n.Replicas(), 1)
	require.Equal(t, "two:2", n.Replicas()[0].Addr)
	require.Contains(t, n.logs.String(), "left out a damaged note of a replica")
}

// TestDamagedFile damages meta.db at every kind of place: the process must not die, and must either refuse or read exactly
// what was written (the damage hit a free page or one of the two headers).
func TestDamagedFile(t *testing.T) {
	n := started(t)
	require.NoError(t, n.SetRole(true))
	n.NoteReplica(id('1'), "one:1", 0)
	require.NoError(t, n.Close(true))
	path := filepath.Join(n.meta, metaName)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	s, err := openMeta(path, true)
	require.NoError(t, err)
	want, err := s.load()
	require.NoError(t, err)
	require.NoError(t, s.close())

	refused := 0
	check := func(what string, b []byte) {
		bad := filepath.Join(t.TempDir(), "bad.db")
		require.NoError(t, os.WriteFile(bad, b, metaMode))
		s, err := openMeta(bad, false)
		if err == nil {
			defer func() { _ = s.close() }()
			var got *metaState
			if got, err = s.load(); err == nil {
				require.Equal(t, want.node, got.node, what)
				require.Equal(t, want.lineage, got.lineage, what)
				require.Equal(t, want.gen, got.gen, what)
				return
			}
		}
		var me *MetaError
		require.ErrorAs(t, err, &me, what)
		refused++
	}
	for _, size := range []int{0, 1, 100, 4096, 5000, 8192, 12288, 16384, 20000, len(good) - 4096} {
		check("cut short", good[:size])
	}
	page := os.Getpagesize()
	for at := 0; at < len(good); at += page {
		b := append([]byte(nil), good...)
		clear(b[at : at+page])
		check("page zeroed", b)
		b = append([]byte(nil), good...)
		for i := range page {
			b[at+i] = 0xFF
		}
		check("page of ones", b)
		for _, off := range []int{0, 8, 10, 16, 40, 100, 200} {
			b = append([]byte(nil), good...)
			b[at+off] ^= 0x55
			check("byte flipped", b)
		}
	}
	require.Greater(t, refused, 10, "most damage is found")
}

// TestFailedCommit: the old state stays in effect, Health tells, and meta.db is left alone from then on.
func TestFailedCommit(t *testing.T) {
	n := started(t)
	require.NoError(t, n.SetRole(false))
	was := n.Histories()
	f := n.Backlog.meta.file
	fd, err := unix.Dup(int(f.Fd())) // keeps the file usable for Close
	require.NoError(t, err)
	ro, err := os.Open(filepath.Join(n.meta, metaName))
	require.NoError(t, err)
	require.NoError(t, unix.Dup2(int(ro.Fd()), int(f.Fd()))) // bbolt's descriptor can no longer write
	require.NoError(t, ro.Close())

	_, err = n.StartHistory()
	var me *MetaError
	require.ErrorAs(t, err, &me)
	require.Equal(t, "start history", me.Op)
	require.Equal(t, was, n.Histories())
	require.ErrorAs(t, n.Health(), &me)
	require.Error(t, n.SetRole(true))
	require.Equal(t, "follower", n.Role())
	require.ErrorAs(t, n.BeginGeneration(2, []History{{id('a'), 0}}, 9), &me)
	require.Equal(t, uint64(1), n.Generation())
	n.write("reads and the log go on")

	require.NoError(t, unix.Dup2(fd, int(f.Fd())))
	require.NoError(t, unix.Close(fd))
	require.Error(t, n.SetRole(true), "a failed fsync or write is final until a restart")
	require.Error(t, n.Close(true), "and the shutdown is not clean")
	n.open()
	require.True(t, n.Unclean())
	require.Equal(t, was, n.Histories())
}

// TestFullDiskIsTransient: a commit that finds no space can be repeated.
func TestFullDiskIsTransient(t *testing.T) {
	n := started(t)
	n.Backlog.meta.db.MaxSize = 1
	// The file has to grow for this: many replicas' notes do not fit.
	for i := range MaxReplicas {
		n.NoteReplica(id(byte("0123456789abcdef"[i%16]))[:38]+string("0123456789abcdef"[i/16])+"0", "some.host.example.org:6379", 1)
	}
	require.Error(t, n.flushReplicas(true))
	require.ErrorContains(t, n.Health(), "maximum size")
	n.Backlog.meta.db.MaxSize = 0
	require.NoError(t, n.flushReplicas(true), "what was not written is still to be written")
	require.NoError(t, n.Health())
	require.NoError(t, n.Close(true))
	n.open()
	require.Len(t, n.Replicas(), MaxReplicas)
}
