package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

func TestIsWord(t *testing.T) {
	for _, tc := range []struct {
		arg, word string
		want      bool
	}{
		{"EX", "EX", true},
		{"ex", "EX", true},
		{"eX", "EX", true},
		{"EXAT", "EX", false},
		{"EX", "EXAT", false},
		{"E", "EX", false},
		{"", "EX", false},
		{"EX\x00", "EX", true},
		{"ex\x00AT", "EX", true},
		{"E\x00", "EX", false},
		{"e\xf8", "EX", false}, // 'x' with the top bit set
		{"e8", "EX", false},    // 'X' without the bit that letters have
	} {
		require.Equal(t, tc.want, isWord([]byte(tc.arg), tc.word), "%q %q", tc.arg, tc.word)
	}
}

// A string may have maxStringBytes and not one more, whatever way the sum is put together.
func TestStringsFitUpToTheLimit(t *testing.T) {
	for _, tc := range []struct {
		size, more int64
		want       bool
	}{
		{0, 0, true},
		{maxStringBytes, 0, true},
		{0, maxStringBytes, true},
		{maxStringBytes - 1, 1, true},
		{maxStringBytes, 1, false},
		{1, maxStringBytes, false},
		{maxStringBytes + 1, 0, false},
		{1<<63 - 1, 1, false},
		{1<<63 - 1, 1<<63 - 1, false},
	} {
		w := &resp.Writer{}
		c := call{w: w, args: byteArgs("APPEND")}
		ok, err := c.fits(tc.size, tc.more)
		require.NoError(t, err)
		require.Equal(t, tc.want, ok, tc)
		if !tc.want {
			require.Equal(t, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n", string(w.Bytes()))
		}

		// The stream has no answers: what does not fit must stop the applier.
		c.replay = true
		ok, err = c.fits(tc.size, tc.more)
		require.Equal(t, tc.want, ok, tc)
		require.Equal(t, tc.want, err == nil, tc)
	}
}

func TestScratchDoesNotKeepLargeMemory(t *testing.T) {
	for _, n := range []int{0, 1, maxKeptScratch, maxKeptScratch + 1, 1 << 20} {
		require.NoError(t, withScratch(n, func(b []byte) error {
			require.Len(t, b, n)
			return nil
		}))
		p := scratch.Get().(*[]byte)
		require.LessOrEqual(t, cap(*p), maxKeptScratch)
		scratch.Put(p)
	}
}
