package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRandomHistories: whatever is done, and however often power is lost on the way, what was reported synced is there, what is
// there is a prefix of what was appended, and a cut tail never comes back. The content of every byte follows from its
// offset and the number of crashes before it was appended, so that bytes of an earlier life are told from those of a later.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewCrashableMem()
		policy := SyncPolicy(rapid.IntRange(0, 2).Draw(rt, "policy"))
		o := quiet(fs, policy)
		o.SegmentSize = int64(rapid.SampledFrom([]int{MinSegmentSize, 5000, 100_000}).Draw(rt, "segment"))
		l, err := Open(o)
		require.NoError(rt, err)
		defer func() {
			if l != nil {
				_ = l.Close()
			}
		}()
		var model []byte // the stream from offset 0, as appended; after a crash cut to what survived
		life := byte(0)

		check := func() {
			r, err := l.NewReader(l.Start())
			require.NoError(rt, err)
			off := l.Start()
			for off < l.Written() {
				rec, err := r.Next()
				require.NoError(rt, err)
				require.Equal(rt, off, rec.Start)
				require.Equal(rt, model[off:off+uint64(len(rec.Payload))], rec.Payload)
				off += uint64(len(rec.Payload))
			}
			require.NoError(rt, r.Close())
		}
		reopen := func(fs *vfs.MemFS) {
			o.FS = fs
			l, err = Open(o)
			require.NoError(rt, err)
			require.LessOrEqual(rt, l.End(), uint64(len(model)))
			model = model[:l.End()]
			life++
			check()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(rt, "records") {
					p := payloadAt(l.End(), rapid.IntRange(1, 900).Draw(rt, "bytes"))
					for i := range p {
						p[i] += life
					}
					end, err := l.Append(KindData, 0, p)
					require.NoError(rt, err)
					model = append(model, p...)
					require.EqualValues(rt, len(model), end)
				}
			},
			"written": func(*rapid.T) { require.NoError(rt, l.WaitWritten(deadline(t), l.End())) },
			"synced":  func(*rapid.T) { require.NoError(rt, l.WaitSynced(deadline(t), l.End())) },
			"epoch":   func(*rapid.T) { l.SetEpoch(uint32(life), HistoryID{life}) },
			"drop": func(rt *rapid.T) {
				_, err := l.DropBefore(rapid.Uint64Range(0, l.End()).Draw(rt, "before"))
				require.NoError(rt, err)
			},
			"close": func(*rapid.T) {
				require.NoError(rt, l.Close())
				reopen(fs)
				require.Empty(rt, l.Recovery().TornFile)
			},
			"crash": func(rt *rapid.T) {
				kept := rapid.SampledFrom([]int{0, 30, 70, 100}).Draw(rt, "kept")
				synced, written := l.Synced(), l.Written()
				fs2 := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: newRNG(rapid.Uint64().Draw(rt, "seed"))})
				require.NoError(rt, l.Close())
				fs = fs2
				reopen(fs)
				require.GreaterOrEqual(rt, l.End(), synced)
				require.LessOrEqual(rt, l.End(), written)
				if kept == 100 {
					require.Equal(rt, written, l.End())
				}
			},
			"": func(*rapid.T) { check() },
		})
	})
}
