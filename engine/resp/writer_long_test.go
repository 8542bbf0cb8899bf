package resp_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// Long replies borrow memory, which others get after Reset: what each has written is its own.
func TestLongRepliesOfSeveralWriters(t *testing.T) {
	var w [3]resp.Writer
	for round := range 20 {
		want := make([][]byte, len(w))
		for i := range 2000 {
			for k := range w {
				b := bytes.Repeat([]byte{byte('a' + k)}, (i*7+round*k)%150)
				w[k].Bulk(b)
				want[k] = fmt.Appendf(want[k], "$%d\r\n%s\r\n", len(b), b)
			}
		}
		w[0].Bulk(bytes.Repeat([]byte("x"), 1<<20)) // beyond what can be borrowed
		want[0] = fmt.Appendf(want[0], "$%d\r\n%s\r\n", 1<<20, bytes.Repeat([]byte("x"), 1<<20))
		for k := range w {
			require.Equal(t, want[k], w[k].Bytes())
			w[k].Reset()
			require.Empty(t, w[k].Bytes())
			require.LessOrEqual(t, cap(w[k].Bytes()), 64<<10)
		}
	}
}

// A buffer that has served one long reply serves the next: what append would have made of it, bit by bit, would be too long to be kept.
func TestALongReplyLeavesABufferForTheNext(t *testing.T) {
	var w resp.Writer
	var kept *byte
	for round := range 3 {
		for w.Len() < 200<<10 {
			w.Bulk(bytes.Repeat([]byte("x"), 100))
		}
		w.Reset()
		require.Equal(t, 64<<10, cap(w.Bytes()))
		first := &w.Bytes()[:1][0]
		if round > 0 {
			require.Same(t, kept, first)
		}
		kept = first
	}
}
