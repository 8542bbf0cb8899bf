package backlog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
)

// inspect prints the findings as "severity file@offset text".
func (n *node) inspect() (*Report, string) {
	r, err := Inspect(context.Background(), n.fs, "srv", filepath.Join(n.meta, metaName))
	require.NoError(n.t, err)
	var lines []string
	for _, f := range r.Findings {
		lines = append(lines, fmt.Sprintf("%s %s@%d %s", f.Severity, filepath.Base(f.File), f.Offset, f.Text))
		if f.Severity == Damage {
			require.NotEmpty(n.t, f.Remedy, f.Text)
		}
	}
	return r, strings.Join(lines, "\n")
}

// closedNode has three closed segments and a live one, and was shut down cleanly.
func closedNode(t *testing.T) *node {
	n := started(t)
	require.NoError(t, n.SetRole(true))
	n.fill(3)
	n.write("live")
	require.NoError(t, n.Close(true))
	return n
}

func segPath(k int) string { return fmt.Sprintf("srv/wal/%020d.log", k*testSegment) }

func (n *node) corrupt(path string, at int64, b string) {
	f, err := n.fs.OpenReadWrite(path, "")
	require.NoError(n.t, err)
	_, err = f.WriteAt([]byte(b), at)
	require.NoError(n.t, err)
	require.NoError(n.t, f.Close())
}

func TestInspectFindsNothingInASoundDirectory(t *testing.T) {
	n := closedNode(t)
	r, text := n.inspect()
	require.Empty(t, text)
	require.Equal(t, Note, r.Worst())
	require.Equal(t, "leader", r.Role)
	require.True(t, r.Clean)
	require.False(t, r.LostTail)
	require.Equal(t, uint64(3*testSegment+4), r.End)
	require.GreaterOrEqual(t, r.Records, uint64(4))
	require.Len(t, r.Histories, 1)
	require.NoFileExists(t, filepath.Join(n.meta, "nothing"))
	n.open()
}

func TestInspectGoesOnPastDamage(t *testing.T) {
	n := closedNode(t)
	n.corrupt(segPath(0), 300, "X")
	n.corrupt(segPath(2), 500, "X")
	edit(t, n, func(tx *bolt.Tx) error { return putVersion(tx.Bucket([]byte(bucketMeta)), keyRun, 9) })
	r, text := n.inspect()
	require.Equal(t, Damage, r.Worst())
	require.Contains(t, text, "damage meta.db@-1 read meta.db: value \"run\"")
	require.Contains(t, text, "damage 00000000000000000000.log@128 no record at offset 0 although the segment is not the last: record payload checksum mismatch")
	require.Contains(t, text, "damage 00000000000000002048.log@128 no record at offset 2048 although")
	require.Equal(t, 3, strings.Count(text, "damage "), text)
}

func TestInspectFindsMissingSegments(t *testing.T) {
	n := closedNode(t)
	require.NoError(t, n.fs.Remove(segPath(1)))
	_, text := n.inspect()
	require.Contains(t, text, "the segment begins at offset 2048, the one before ends at 1024")
	require.Error(t, n.tryOpen())

	n = closedNode(t)
	require.NoError(t, n.fs.RemoveAll("srv/wal"))
	_, text = n.inspect()
	require.Contains(t, text, "there is no log, but it was fsynced up to offset 3076")

	n = closedNode(t)
	require.NoError(t, n.fs.Remove(segPath(3)))
	_, text = n.inspect()
	require.Contains(t, text, "the log ends at offset 3072, but it was fsynced up to 3076")
	require.ErrorIs(t, n.tryOpen(), ErrLogShort)
}

func TestInspectKnowsWhatACrashLeaves(t *testing.T) {
	n := started(t)
	n.write("x")
	c := n.crashed(100)
	live := c.fs
	f, err := live.OpenReadWrite(segPath(0), "")
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("torn"), info.Size())
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(filepath.Join(c.meta, metaName+tempSuffix), nil, 0o600))
	r, text := c.inspect()
	require.Equal(t, Note, r.Worst(), text)
	require.Contains(t, text, "torn tail of")
	require.Contains(t, text, "note meta.db.tmp")
	require.False(t, r.Clean)
	c.open()
}

// TestInspectTellsDamageFromATornTail in the last segment: a later record proves that the damaged one was fsynced.
func TestInspectTellsDamageFromATornTail(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	n.write("abcdefghij")
	require.NoError(t, n.Close(true))
	n.corrupt(segPath(0), 180, "X")
	r, text := n.inspect()
	require.Equal(t, Damage, r.Worst())
	require.Contains(t, text, "damaged at stream offset 0")
	require.Error(t, n.tryOpen())
}

func TestInspectNotesAnUnfinishedSegment(t *testing.T) {
	n := closedNode(t)
	f, err := n.fs.Create(fmt.Sprintf("srv/wal/%020d.log", 3*testSegment+4), "")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 4096))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	r, text := n.inspect()
	require.Equal(t, Note, r.Worst(), text)
	require.Contains(t, text, "left by a crash while the segment was made")
	n.open()
}

func TestInspectOfARunningServer(t *testing.T) {
	n := started(t)
	n.write("x")
	r, text := n.inspect()
	require.Equal(t, Warning, r.Worst())
	require.Contains(t, text, fmt.Sprintf("in use by process %d", os.Getpid()))
	require.Equal(t, uint64(1), r.End)
}

func TestInspectOfNoDirectory(t *testing.T) {
	n := newNode(t)
	_, text := n.inspect()
	require.Contains(t, text, "meta.db cannot be opened")
}

// TestMetaFromElsewhere: an old backup of meta.db, and another node's, do not know the log's histories.
func TestMetaFromElsewhere(t *testing.T) {
	n := started(t)
	old := n.crashed(100)
	_, err := n.StartHistory()
	require.NoError(t, err)
	n.write("x")
	old.fs = n.crashed(100).fs
	require.ErrorIs(t, old.tryOpen(), ErrMetaStale)
	_, text := old.inspect()
	require.Contains(t, text, "meta.db knows none from 2 on")

	other := started(t).crashed(100)
	other.fs = n.crashed(100).fs
	require.ErrorIs(t, other.tryOpen(), ErrMetaStale)

	same := started(t)
	same.write("x")
	mine := started(t).crashed(100)
	mine.fs = same.crashed(100).fs
	err = mine.tryOpen()
	require.ErrorIs(t, err, ErrMetaStale)
	require.ErrorContains(t, err, "by meta.db it is")
}

func TestInspectStops(t *testing.T) {
	n := closedNode(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Inspect(ctx, n.fs, "srv", filepath.Join(n.meta, metaName))
	require.ErrorIs(t, err, context.Canceled)
}

func TestInspectKnowsSupersededSegments(t *testing.T) {
	n := started(t)
	n.fill(1)
	was := n.crashed(100)
	require.NoError(t, n.BeginGeneration(2, []History{{id('a'), 0}}, 9))
	after := n.crashed(100)
	after.fs = was.fs
	_, text := after.inspect()
	require.Contains(t, text, "of generation 1, superseded by a full sync (now 2)")
	require.NotContains(t, text, "damage")
	after.open()
	require.Equal(t, uint64(9), after.Log().Recovery().End)
}
