package hll

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSelfTest(t *testing.T) { require.NoError(t, SelfTest()) }

// TestSparseAndDenseAgree raises the same registers in both: they must stay equal until the sparse one has become dense.
func TestSparseAndDenseAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sparse := New()
		dense, err := New().ToDense()
		require.NoError(t, err)
		for range rapid.IntRange(0, 200).Draw(t, "changes") {
			index := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, registerCount-1)).Draw(t, "index")
			rank := byte(rapid.IntRange(1, maxVal+1).Draw(t, "rank"))
			var a, b bool
			sparse, a, err = sparse.raise(index, rank, 400)
			require.NoError(t, err)
			dense, b, err = dense.raise(index, rank, 400)
			require.NoError(t, err)
			require.Equal(t, b, a)
			require.True(t, sparse.Dense() || len(sparse) <= 400+headerSize)
		}
		wide, err := sparse.ToDense()
		require.NoError(t, err)
		require.Equal(t, dense.Registers(), wide.Registers())
		n, err := sparse.Count()
		require.NoError(t, err)
		m, err := dense.Count()
		require.NoError(t, err)
		require.Equal(t, m, n)
	})
}

// TestMergeIsTheUnion merges two halves of a set and adds them to a third sketch.
func TestMergeIsTheUnion(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []Sketch{New(), New()}
	whole := New()
	for i := range 5000 {
		element := fmt.Append(nil, random.Uint64())
		parts[i%2], _, _ = parts[i%2].Add(element, 3000)
		whole, _, _ = whole.Add(element, 3000)
	}
	var r Registers
	for _, s := range parts {
		require.NoError(t, r.Merge(s))
	}
	want, err := whole.Count()
	require.NoError(t, err)
	require.Equal(t, want, r.Count())
	got, err := r.Into(New(), 3000)
	require.NoError(t, err)
	require.Equal(t, whole.Registers(), got.Registers())
}

// FuzzSketch feeds any bytes that have a sketch's header: errors, never a panic, and nothing that is not a sketch comes out.
func FuzzSketch(f *testing.F) {
	f.Add([]byte(New()), []byte("a"))
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x90\x7f\xff"), []byte("b"))
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f"), []byte("c"))
	f.Fuzz(func(t *testing.T, b, element []byte) {
		if !Is(b) {
			return
		}
		s := Sketch(append([]byte(nil), b...))
		_, _ = s.Count()
		_ = s.Decode()
		var r Registers
		_ = r.Merge(s)
		_, _ = s.ToDense()
		s, _, err := s.Add(element, 100)
		if err == nil {
			require.True(t, Is(s))
		}
	})
}
