package resp

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortions(t *testing.T) {
	var out strings.Builder
	w := &Writer{}
	w.Simple("first")
	require.NoError(t, w.Portion(), "nobody takes portions")
	limit := 1 << 30
	w.HandOut = func(p []byte) (int, bool, error) {
		n := min(len(p), limit)
		out.Write(p[:n])
		return n, n == len(p), nil
	}
	require.NoError(t, w.Portion())
	require.Empty(t, out.String(), "too little for a portion")
	mark := w.Len()
	long := strings.Repeat("x", portion)
	w.BulkString(long)
	require.NoError(t, w.Portion())
	require.Empty(t, w.Bytes())
	require.Nil(t, w.Since(mark), "handed out")
	after := w.Len()
	w.Simple("last")
	require.Equal(t, "+last\r\n", string(w.Since(after)))
	w.Truncate(after)
	require.False(t, w.Torn())
	limit = 10
	w.BulkString(long)
	require.NoError(t, w.Portion())
	require.Nil(t, w.HandOut, "it wants no more")
	whole := out.String() + string(w.Bytes())
	require.Equal(t, "+first\r\n"+strings.Repeat("$262144\r\n"+long+"\r\n", 2), whole)
	w.Truncate(mark)
	require.True(t, w.Torn())
	require.Empty(t, w.Bytes())
	w.Reset()
	require.Zero(t, w.Len())
	require.True(t, w.Torn(), "for good")

	gone := errors.New("gone")
	w = &Writer{HandOut: func([]byte) (int, bool, error) { return 0, false, gone }}
	w.BulkString(long)
	require.ErrorIs(t, w.Portion(), gone)
	require.True(t, w.Torn(), "a reply is missing")
}
