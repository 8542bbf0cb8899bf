package keys_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
)

// The layout is on disk: these bytes never change.
func TestElementRowsHaveTheSpecifiedBytes(t *testing.T) {
	f := func(want string, row []byte) {
		t.Helper()
		require.Equal(t, want, hex.EncodeToString(row))
	}
	const uid = "0000000000000005"
	f("20"+uid+"33bf00a859c4"+"666f6f", keys.AppendField(nil, 5, []byte("foo")))
	f("21"+uid+"8000000000000001", keys.AppendIndex(nil, 5, 1<<63+1))
	f("23"+uid+"bff0000000000000"+"666f6f", keys.AppendScore(nil, 5, 1, []byte("foo")))
	f("23"+uid+"400fffffffffffff"+"666f6f", keys.AppendScore(nil, 5, -1, []byte("foo")))
	f("23"+uid+"8000000000000000", keys.AppendScore(nil, 5, math.Copysign(0, -1), nil))
	f("8000000000000000", keys.AppendBits(nil, math.Copysign(0, -1)))
	f("31"+uid, keys.AppendOrphan(nil, 5))
	f("4000"+"05"+"8001"+"6869", keys.AppendHead(nil, keys.Head{Type: keys.TypeHash, UID: 5, Count: 128, Value: []byte("hi")}))
}

func TestElementRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uid := rapid.Uint64Min(1).Draw(t, "uid")
		elem := rapid.SliceOf(rapid.Byte()).Draw(t, "element")
		score := rapid.Float64().Draw(t, "score")
		place, field, err := keys.ParseField(keys.AppendField(nil, uid, elem))
		require.NoError(t, err)
		require.Equal(t, keys.FieldPlace(elem), place)
		require.True(t, bytes.Equal(elem, field))
		got, member, err := keys.ParseScore(keys.AppendScore(nil, uid, score, elem))
		require.NoError(t, err)
		require.Equal(t, score, got)
		require.True(t, bytes.Equal(elem, member))
		bits, err := keys.ParseBits(keys.AppendBits(nil, score))
		require.NoError(t, err)
		require.Equal(t, math.Float64bits(score), math.Float64bits(bits))
		orphan, err := keys.ParseOrphan(keys.AppendOrphan(nil, uid))
		require.NoError(t, err)
		require.Equal(t, uid, orphan)

		h := keys.Head{
			Type: rapid.SampledFrom([]keys.Type{keys.TypeList, keys.TypeSet, keys.TypeZSet, keys.TypeHash, keys.TypeStream}).Draw(t, "type"),
			UID:  uid, Count: rapid.Int64Range(1, 1<<62).Draw(t, "count"), ExpireMs: rapid.Int64Min(0).Draw(t, "expire"), Value: elem,
		}
		back, err := keys.ParseHead(keys.AppendHead(nil, h))
		require.NoError(t, err)
		require.True(t, bytes.Equal(h.Value, back.Value))
		h.Value, back.Value = nil, nil
		require.Equal(t, h, back)
	})
}

// Bytewise order of score rows is the order of scores, then of members.
func TestScoresAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1, -1}))
		a, b := scores.Draw(t, "a"), scores.Draw(t, "b")
		x, y := keys.AppendScore(nil, 1, a, []byte("m")), keys.AppendScore(nil, 1, b, []byte("m"))
		switch {
		case a < b:
			require.Negative(t, bytes.Compare(x, y))
		case a > b:
			require.Positive(t, bytes.Compare(x, y))
		default:
			require.Equal(t, x, y)
		}
	})
}

func TestBoundsHoldACollection(t *testing.T) {
	for _, uid := range []uint64{1, 255, 256, math.MaxUint64} {
		lower, upper := keys.UIDBounds(keys.TagField, uid, uid)
		row := keys.AppendField(nil, uid, []byte("x"))
		require.True(t, bytes.Compare(lower, row) <= 0 && bytes.Compare(row, upper) < 0)
		require.Positive(t, bytes.Compare(keys.AppendFieldPlace(nil, uid, 1<<48), row))
		if uid < math.MaxUint64 {
			require.LessOrEqual(t, bytes.Compare(upper, keys.AppendField(nil, uid+1, nil)), 0)
		}
		require.Positive(t, bytes.Compare(lower, keys.AppendField(nil, uid-1, []byte("x"))))
	}
}

func TestDamagedElementRowsAreRefused(t *testing.T) {
	for _, row := range [][]byte{nil, {keys.TagField}, {keys.TagScore, 0, 0, 0, 0, 0, 0, 0, 1, 0}, {keys.TagOrphan, 1}} {
		_, _, err := keys.ParseField(row)
		require.ErrorIs(t, err, keys.ErrMalformed)
		_, _, err = keys.ParseScore(row)
		require.ErrorIs(t, err, keys.ErrMalformed)
		_, err = keys.ParseOrphan(row)
		require.ErrorIs(t, err, keys.ErrMalformed)
		_, err = keys.ParseBits(row)
		require.ErrorIs(t, err, keys.ErrMalformed)
	}
	for _, head := range []string{"\x40\x00", "\x40\x00\x00\x01", "\x40\x00\x01\x00", "\x40\x00\x81\x00\x01", "\x50\x00\x01\x01", "\x12\x00\x01\x01"} {
		_, err := keys.ParseHead([]byte(head))
		require.ErrorIs(t, err, keys.ErrMalformed, "%x", head)
	}
}
