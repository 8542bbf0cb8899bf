package keys_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/keys"
)

// The layout is on disk: these bytes never change.
func TestRowsHaveTheSpecifiedBytes(t *testing.T) {
	f := func(want string, row []byte) {
		t.Helper()
		require.Equal(t, want, hex.EncodeToString(row))
	}
	f("10"+"00000003"+"2f96"+"33bf00a859c4"+"666f6f", keys.AppendKey(nil, 3, []byte("foo")))
	f("40"+"00000003"+"0000018bcfe56800"+"666f6f", keys.AppendExpiry(nil, 3, 1700000000000, []byte("foo")))
	f("30"+"00000007", keys.AppendReclaim(nil, 7))
	f("00"+"7374617465", keys.System("state"))
	f("0000"+"6869", keys.AppendHead(nil, keys.Head{Value: []byte("hi")}))
	f("0001"+"0000018bcfe56800"+"6869", keys.AppendHead(nil, keys.Head{ExpireMs: 1700000000000, Value: []byte("hi")}))
}

// Slots as CLUSTER KEYSLOT of Redis 7.0.15 gives them.
func TestSlot(t *testing.T) {
	for key, want := range map[string]uint16{
		"foo": 12182, "bar": 5061, "": 0, "{user1000}.following": 3443, "{user1000}.followers": 3443,
		"foo{}{bar}": 8363, "foo{{bar}}zap": 4015, "foo{bar}{zap}": 5061, "123456789": 12739,
	} {
		require.Equal(t, want, keys.Slot([]byte(key)), "slot of %q", key)
	}
}

// The slot of a key of any length is the CRC-16 of its bits, one after the other.
func TestSlotIsACRC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.ByteMax('z'), 0, 40).Draw(t, "key") // no braces
		var crc uint16
		for _, b := range key {
			crc ^= uint16(b) << 8
			for range 8 {
				carry := crc >> 15
				crc = crc<<1 ^ carry*0x1021
			}
		}
		require.Equal(t, crc%keys.Slots, keys.Slot(key))
	})
}

func BenchmarkSlot(b *testing.B) {
	key := []byte("key:000000123456")
	for b.Loop() {
		keys.Slot(key)
	}
}

func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		db := rapid.Uint32().Draw(t, "db")
		gotDB, pos, gotKey, err := keys.ParseKey(keys.AppendKey(nil, db, key))
		require.NoError(t, err)
		require.Equal(t, db, gotDB)
		require.Equal(t, keys.PosOf(key), pos)
		require.True(t, bytes.Equal(key, gotKey))

		ms := rapid.Int64Min(0).Draw(t, "ms")
		gotDB, gotMs, gotKey, err := keys.ParseExpiry(keys.AppendExpiry(nil, db, ms, key))
		require.NoError(t, err)
		require.Equal(t, db, gotDB)
		require.Equal(t, ms, gotMs)
		require.True(t, bytes.Equal(key, gotKey))

		h := keys.Head{ExpireMs: rapid.Int64Min(0).Draw(t, "expire"), Value: key}
		got, err := keys.ParseHead(keys.AppendHead(nil, h))
		require.NoError(t, err)
		require.Equal(t, h.ExpireMs, got.ExpireMs)
		require.True(t, bytes.Equal(h.Value, got.Value))
	})
}

// Rows of a database lie within its bounds, in the order of positions.
func TestKeysLieWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := rapid.Uint32().Draw(t, "db")
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		lower, upper := keys.DBBounds(keys.TagKey, db, db)
		row := keys.AppendKey(nil, db, key)
		require.LessOrEqual(t, bytes.Compare(lower, row), 0)
		require.Negative(t, bytes.Compare(row, upper))
		from := keys.AppendKeyPos(nil, db, keys.PosOf(key))
		require.LessOrEqual(t, bytes.Compare(from, row), 0)
		require.Negative(t, bytes.Compare(row, keys.AppendKeyPos(nil, db, keys.PosOf(key)+1)))
	})
}

func FuzzParse(f *testing.F) {
	f.Add(keys.AppendKey(nil, 1, []byte("k")))
	f.Add(keys.AppendExpiry(nil, 1, 2, []byte("k")))
	f.Add(keys.AppendHead(nil, keys.Head{ExpireMs: 5, Value: []byte("v")}))
	f.Fuzz(func(t *testing.T, row []byte) {
		if db, pos, key, err := keys.ParseKey(row); err == nil && pos == keys.PosOf(key) {
			require.Equal(t, row, keys.AppendKey(nil, db, key))
		}
		if db, ms, key, err := keys.ParseExpiry(row); err == nil {
			require.Equal(t, row, keys.AppendExpiry(nil, db, ms, key))
		}
		if h, err := keys.ParseHead(row); err == nil && (h.ExpireMs != 0 || row[1] == 0) {
			require.True(t, bytes.Equal(row, keys.AppendHead(nil, h)))
		}
	})
}
