package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func TestAppendReopenRead(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond, SyncNo} {
		t.Run(policy.String(), func(t *testing.T) {
			o := quiet(vfs.NewMem(), policy)
			o.StartOffset = 1000
			l, err := Open(o)
			require.NoError(t, err)
			var ends []uint64
			for i := range 300 {
				ends = append(ends, appendN(t, l, 1+i))
				if i%7 == 0 {
					require.NoError(t, l.WaitWritten(deadline(t), ends[i]))
				}
			}
			last := ends[len(ends)-1]
			require.NoError(t, l.WaitSynced(deadline(t), last))
			require.Equal(t, last, l.Synced())
			require.Equal(t, last, l.Written())
			require.Zero(t, l.PendingBytes())
			require.Greater(t, len(l.Segments()), 5)
			for _, from := range append([]uint64{1000, 1001}, ends...) {
				end, err := readAll(t, l, from)
				require.NoError(t, err)
				require.Equal(t, last, end)
			}
			segs := l.Segments()
			require.NoError(t, l.Close())

			l, err = Open(o)
			require.NoError(t, err)
			require.Equal(t, last, l.End())
			require.Equal(t, last, l.Synced())
			require.EqualValues(t, 1000, l.Start())
			require.Empty(t, l.Recovery().TornFile)
			require.Equal(t, len(segs), len(l.Segments()))
			for _, from := range append([]uint64{1000, 1001}, ends...) {
				end, err := readAll(t, l, from)
				require.NoError(t, err)
				require.Equal(t, last, end)
			}
			require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 10)))
			require.NoError(t, l.Close())
		})
	}
}
