package rdb

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// recorder writes down what a value is made of.
type recorder struct{ parts []string }

func (r *recorder) add(format string, args ...any) error {
	r.parts = append(r.parts, fmt.Sprintf(format, args...))
	return nil
}

func (r *recorder) String(v []byte) error              { return r.add("string %q", v) }
func (r *recorder) Element(v []byte) error             { return r.add("element %q", v) }
func (r *recorder) Member(m []byte) error              { return r.add("member %q", m) }
func (r *recorder) Field(f, v []byte) error            { return r.add("field %q %q", f, v) }
func (r *recorder) Score(m []byte, s float64) error    { return r.add("score %q %v", m, s) }
func (r *recorder) Entry(id ID, fields [][]byte) error { return r.add("entry %v %q", id, fields) }
func (r *recorder) StreamInfo(info StreamInfo) error   { return r.add("info %v", info) }
func (r *recorder) Group(g Group) error {
	return r.add("group %q %v %d", g.Name, g.Last, g.EntriesRead)
}
func (r *recorder) Consumer(c Consumer) error { return r.add("consumer %q %d", c.Name, c.SeenMs) }
func (r *recorder) Pending(p Pending) error   { return r.add("pending %v", p) }

func TestStringsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strs := rapid.SliceOf(rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.Int64(), func(n int64) []byte { return appendInt(nil, n) }),
			rapid.SampledFrom([][]byte{{}, []byte("-0"), []byte("007"), []byte("-128"), []byte("32768"), bytes.Repeat([]byte("x"), 1<<14)}),
		)).Draw(t, "strings")
		var out bytes.Buffer
		w := NewWriter(&out)
		for _, s := range strs {
			w.String(s)
		}
		sum, size := w.Sum(), w.Pos()
		require.NoError(t, w.Flush())
		require.Equal(t, size, int64(out.Len()))
		require.Equal(t, sum, w.Sum())
		r := NewReader(&out)
		for _, s := range strs {
			got, err := r.String()
			require.NoError(t, err)
			require.Equal(t, string(s), string(got))
		}
		require.Equal(t, sum, r.Sum())
	})
}

func TestLengthsRoundTrip(t *testing.T) {
	for _, n := range []uint64{0, 63, 64, 1<<14 - 1, 1 << 14, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		w := NewDump()
		w.Len(n)
		got, err := NewReader(bytes.NewReader(w.buf)).Len()
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
}

// Elements of a listpack come back as they went in, whatever their length and form.
func TestListpackElementsRoundTrip(t *testing.T) {
	elements := []string{
		"", "-", "0", "-0", "00", "127", "128", "4095", "4096", "-4096", "-4097", "32767", "-32768", "32768", "8388607", "-8388608", "8388608",
		"2147483647", "-2147483648", "2147483648", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "99999999999999999999", "1x",
	}
	for _, n := range []int{1, 63, 64, 124, 125, 126, 127, 128, 4095, 4096, 1<<14 - 10, 1<<14 - 6, 1<<14 - 5, 1 << 14, 1<<21 - 6, 1 << 21} {
		elements = append(elements, strings.Repeat("e", n))
	}
	var b []byte
	for _, e := range elements {
		b = appendListpackBytes(b, []byte(e))
	}
	p := packed{b: b, next: listpackElement}
	for _, e := range elements {
		got, err := p.element()
		require.NoError(t, err)
		require.Equal(t, e, string(got))
	}
	require.False(t, p.more())
}

func TestStreamsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want recorder
		var nodes NodeCounter
		type entry struct {
			id     ID
			fields [][]byte
		}
		var entries []entry
		id := ID{1, 0}
		for range rapid.IntRange(0, 300).Draw(t, "entries") {
			id = ID{id.Ms + uint64(rapid.IntRange(0, 3).Draw(t, "ms")), id.Seq + uint64(rapid.IntRange(1, 3).Draw(t, "seq"))}
			e := entry{id: id}
			size := 0
			for range rapid.IntRange(1, 3).Draw(t, "fields") {
				e.fields = append(e.fields, []byte(rapid.SampledFrom([]string{"f", "g", "12"}).Draw(t, "field")), bytes.Repeat([]byte("v"), rapid.IntRange(0, 200).Draw(t, "value")))
			}
			for _, f := range e.fields {
				size += len(f)
			}
			nodes.Entry(size)
			entries = append(entries, e)
			_ = want.Entry(e.id, e.fields)
		}
		info := StreamInfo{Length: uint64(len(entries)), Last: ID{id.Ms + 1, 5}, Added: uint64(len(entries) + rapid.IntRange(0, 1).Draw(t, "more"))}
		if len(entries) > 0 {
			info.First = entries[0].id
		}
		_ = want.StreamInfo(info)
		g := Group{Name: []byte("g"), Last: id, EntriesRead: UnknownRead}
		_ = want.Group(g)
		_ = want.Consumer(Consumer{Name: []byte("c"), SeenMs: 77})
		p := Pending{ID: ID{3, 1}, DeliveredMs: 5, Count: 2}
		_ = want.Pending(p)

		w := NewDump()
		form := info.Form([]Group{g})
		w.Byte(byte(form))
		s := w.Stream(form, &nodes)
		for _, e := range entries {
			s.Entry(e.id, e.fields)
		}
		s.Finish(info, 1)
		s.Group(g, 1)
		s.PendingEntry(p)
		s.Consumers(1)
		s.Consumer(Consumer{Name: []byte("c"), SeenMs: 77}, 1)
		s.Owned(p.ID)
		var got recorder
		_, err := Restore(w.Dump(), &got)
		require.NoError(t, err)
		require.Equal(t, want.parts, got.parts)
	})
}

// A payload that is cut or changed anywhere is refused; a value that lies about its length takes no memory for it.
func TestDamagedPayloadsAreRefused(t *testing.T) {
	w := NewDump()
	w.Byte(byte(TypeHash))
	w.Len(2)
	for _, s := range []string{"a", "1", "b", "2"} {
		w.String([]byte(s))
	}
	payload := w.Dump()
	_, err := Restore(payload, &recorder{})
	require.NoError(t, err)
	for i := range payload {
		damaged := bytes.Clone(payload)
		damaged[i] ^= 0x10
		_, err := Restore(damaged, &recorder{})
		require.ErrorIs(t, err, ErrPayload)
		_, err = Restore(payload[:i], &recorder{})
		require.ErrorIs(t, err, ErrPayload)
	}
	r := NewReader(io.MultiReader(bytes.NewReader([]byte{0x81, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff}), strings.NewReader("short")))
	_, err = r.String()
	require.ErrorIs(t, err, ErrCorrupt)
	require.Less(t, cap(r.buf), 4*readStep)
}

func FuzzValue(f *testing.F) {
	for t := Type(0); t < lastType; t++ {
		f.Add(byte(t), []byte("\x01\x01a\x01b"))
	}
	f.Add(byte(typeHashZipmap), []byte("\x12\x02\x01a\x02\x00xy\x03key\x05\x02value..\xff"))
	f.Add(byte(typeListZiplist), []byte("\x0f\x0f\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x02ab\xff"))
	f.Add(byte(typeSetListpack), []byte("\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff"))
	f.Add(byte(typeSetIntset), []byte("\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"))
	f.Add(byte(TypeString), []byte("\xc3\x05\x0a\x00a\xe0\x00\x00"))
	f.Fuzz(func(t *testing.T, kind byte, value []byte) {
		r := NewReader(bytes.NewReader(value))
		var got recorder
		if err := r.Value(Type(kind), &got); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.NotEmpty(t, got.parts)
	})
}
