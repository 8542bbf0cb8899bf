package backlog

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTailIsEmptyUntilStarted(t *testing.T) {
	tl := tail{size: 8}
	tl.append(0, []byte("abc"))
	require.Zero(t, tl.read(make([]byte, 4), 0))
	tl.start(3)
	require.Zero(t, tl.read(make([]byte, 4), 2), "what was there before is not")
	tl.append(3, []byte("def"))
	p := make([]byte, 8)
	require.Equal(t, 3, tl.read(p, 3))
	require.Equal(t, "def", string(p[:3]))
}

// TestTailHoldsTheLatestBytes compares the ring with the whole stream.
func TestTailHoldsTheLatestBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 16).Draw(t, "size")
		tl := tail{size: size}
		base := rapid.Uint64Range(0, 40).Draw(t, "base")
		stream := make([]byte, base)
		tl.start(base)
		held := base // nothing before was ever in the ring since the last gap
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			end := uint64(len(stream))
			switch rapid.SampledFrom([]string{"append", "append", "undo", "gap"}).Draw(t, "op") {
			case "append":
				p := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
				tl.append(end, p)
				stream = append(stream, p...)
			case "undo":
				p := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
				tl.append(end, p)
				tl.truncate(end)
			case "gap": // bytes that the ring never saw
				stream = append(stream, 1, 2, 3)
				held = uint64(len(stream))
				tl.append(held, nil)
			}
			for off := uint64(0); off <= uint64(len(stream))+1; off++ {
				p := make([]byte, rapid.IntRange(1, 20).Draw(t, "room"))
				n := tl.read(p, off)
				if off < held || off >= uint64(len(stream)) {
					if n != 0 {
						t.Fatalf("read %d bytes at %d outside of [%d,%d)", n, off, held, len(stream))
					}
					continue
				}
				if string(p[:n]) != string(stream[off:off+uint64(n)]) {
					t.Fatalf("wrong bytes at %d", off)
				}
			}
		}
	})
}

func TestTailServesTheWholeRing(t *testing.T) {
	tl := tail{size: 4}
	tl.start(10)
	tl.append(10, []byte("abcdef"))
	p := make([]byte, 9)
	require.Zero(t, tl.read(p, 11))
	require.Equal(t, 4, tl.read(p, 12))
	require.Equal(t, "cdef", string(p[:4]))
	tl.restart(100)
	require.Zero(t, tl.read(p, 12))
}
