package replica

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func TestAGrowingFileIsReadWhileItIsWritten(t *testing.T) {
	g, err := newGrowingFile(vfs.NewMem(), "f")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	var want bytes.Buffer
	got := make(chan []byte)
	go func() {
		all, err := io.ReadAll(g)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		got <- all
	}()
	for range 500 {
		p := bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(3000))
		want.Write(p)
		_, err := g.Write(p)
		require.NoError(t, err)
	}
	g.end(io.EOF)
	require.True(t, bytes.Equal(want.Bytes(), <-got))
	require.NoError(t, g.close())
}

func TestBothSidesOfAGrowingFileMayGiveUp(t *testing.T) {
	g, err := newGrowingFile(vfs.NewMem(), "f")
	require.NoError(t, err)
	_, err = g.Write([]byte("part"))
	require.NoError(t, err)
	cut := errors.New("cut")
	g.end(cut)
	got, err := io.ReadAll(g)
	require.ErrorIs(t, err, cut)
	require.Equal(t, "part", string(got))
	g.leave()
	_, err = g.Write([]byte("more"))
	require.ErrorIs(t, err, errReaderLeft)
	require.NoError(t, g.close())
}
