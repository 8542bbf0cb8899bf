package backlog

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGoldenValues pins the bytes on disk: a change here is a change of format.
func TestGoldenValues(t *testing.T) {
	l := line("a", 0, "b", 0x0102)
	for _, c := range []struct {
		key  string
		body []byte
		want string // hex; blanks separate the fields
	}{
		{
			keyRun, encodeRun(runRecord{role: roleLeader, unsafe: true, led: true, floor: 0x0A0B}),
			"01" + // value version
				" 01 01 05" + // running, leader, unsafe + led
				" 0b0a000000000000" + // floor
				" c604bf77", // checksum
		},
		{
			keyRun, encodeRun(runRecord{clean: true, role: roleFollower, lostTail: true}),
			"01 02 02 02 0000000000000000 " + "0079e353",
		},
		{
			keyGeneration, encodeGeneration(generationRecord{gen: 7, start: 0x0102}),
			"01 0700000000000000 0201000000000000 " + "554508dd",
		},
		{
			keyHistories, encodeLineage(l),
			"01 01" + // value version; own
				" 03000000 0200" + // next epoch, count
				" 01000000 0000000000000000 " + strings.Repeat("61", IDLen) +
				" 02000000 0201000000000000 " + strings.Repeat("62", IDLen) +
				" 982f9873",
		},
		{
			id('c'), encodeReplica(Replica{Ack: 9, LastSeen: time.UnixMilli(0x0102), Addr: "h:1"}),
			"01 0900000000000000 0201000000000000 683a31 " + "7712e0f3",
		},
	} {
		want := strings.ReplaceAll(c.want, " ", "")
		require.Equal(t, want, hex.EncodeToString(sealValue(c.key, c.body)), "value %s", c.key)
	}
}

func TestValuesRoundTrip(t *testing.T) {
	for _, r := range []runRecord{
		{},
		{clean: true, floor: unbounded},
		{role: roleLeader, led: true, unsafe: true},
		{role: roleFollower, led: true, lostTail: true, floor: 5},
	} {
		got, err := decodeRun(encodeRun(r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	l := line("a", 3, "b", 3, "c", 900)
	got, err := decodeLineage(encodeLineage(l))
	require.NoError(t, err)
	require.Equal(t, l, got)
	rep := Replica{ID: id('a'), Addr: "10.0.0.1:6380", Ack: 77, LastSeen: time.UnixMilli(123456)}
	back, err := decodeReplica(id('a'), encodeReplica(rep))
	require.NoError(t, err)
	require.Equal(t, rep, back)
}

func TestOpenValueNoticesEveryFlippedBitAndTheWrongKey(t *testing.T) {
	v := sealValue(keyRun, encodeRun(runRecord{role: roleLeader, floor: 12345}))
	_, err := openValue(keyRun, v)
	require.NoError(t, err)
	for i := range len(v) * 8 {
		c := append([]byte(nil), v...)
		c[i/8] ^= 1 << (i % 8)
		_, err := openValue(keyRun, c)
		require.ErrorIs(t, err, errSum, "bit %d", i)
	}
	_, err = openValue(keyNode, v)
	require.ErrorIs(t, err, errSum)
	_, err = openValue(keyRun, v[:3])
	require.ErrorIs(t, err, errShort)
}

func TestDecodersRefuseNonsense(t *testing.T) {
	run := encodeRun(runRecord{floor: 1})
	mutate := func(b []byte, i int, v byte) []byte {
		b = append([]byte(nil), b...)
		b[i] = v
		return b
	}
	for name, b := range map[string][]byte{
		"short": run[:5], "long": append(run, 0), "state": mutate(run, 0, 9), "role": mutate(run, 1, 9), "flags": mutate(run, 2, 0x80),
	} {
		_, err := decodeRun(b)
		require.Error(t, err, name)
	}
	lin := encodeLineage(line("a", 0, "b", 5))
	for name, b := range map[string][]byte{
		"short": lin[:len(lin)-1], "long": append(lin, 0), "count": mutate(lin, 5, 200), "flags": mutate(lin, 0, 4),
		"id": mutate(lin, len(lin)-1, 'x'), "epoch 0": mutate(lin, 7, 0), "epochs fall": mutate(lin, 7, 2), "next": mutate(lin, 1, 2),
		"start falls": mutate(lin, 11, 6),
	} {
		_, err := decodeLineage(b)
		require.Error(t, err, name)
	}
	_, err := decodeGeneration(make([]byte, 16))
	require.ErrorContains(t, err, "generation 0")
	_, err = decodeReplica(id('a'), make([]byte, 15))
	require.ErrorIs(t, err, errShort)
	_, err = decodeReplica(id('a'), make([]byte, 16+maxReplicaAddr+1))
	require.Error(t, err)
}

// FuzzDecode: no panic, and what decodes encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add(encodeRun(runRecord{role: roleLeader, floor: 3}))
	f.Add(encodeLineage(line("a", 0, "b", 5)))
	f.Add(encodeGeneration(generationRecord{gen: 1}))
	f.Add(encodeReplica(Replica{Addr: "a:1"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeRun(b); err == nil {
			require.Equal(t, b, encodeRun(r))
		}
		if l, err := decodeLineage(b); err == nil && string(encodeLineage(l)) != string(b) {
			// Only upper-case ids are written differently from how they were read.
			require.Equal(t, strings.ToLower(string(b)), strings.ToLower(string(encodeLineage(l))))
		}
		if g, err := decodeGeneration(b); err == nil {
			require.Equal(t, b, encodeGeneration(g))
		}
		if r, err := decodeReplica("x", b); err == nil {
			require.Equal(t, b, encodeReplica(r))
		}
	})
}
