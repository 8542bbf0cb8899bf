package rdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileRecorder writes down what a file is made of.
type fileRecorder struct{ recorder }

func (r *fileRecorder) Aux(name, value string) error { return r.add("aux %s %s", name, value) }
func (r *fileRecorder) Library(code []byte) error    { return r.add("library %s", code) }
func (r *fileRecorder) SelectDB(db uint64) error     { return r.add("db %d", db) }
func (r *fileRecorder) EndKey() error                { return r.add("end") }
func (r *fileRecorder) Key(key []byte, expireMs int64) (Sink, error) {
	return &r.recorder, r.add("key %s %d", key, expireMs)
}

// fileOf makes a file of a head and a body, with its checksum.
func fileOf(head, body string) string {
	text := head + body + "\xff"
	return string(binary.LittleEndian.AppendUint64([]byte(text), crcUpdate(0, []byte(text))))
}

func readFile(text string) (string, error) {
	r := &fileRecorder{}
	err := NewReader(strings.NewReader(text)).File(r)
	return strings.Join(r.parts, "; "), err
}

func TestFileVersions(t *testing.T) {
	const body = "\xfe\x00\x00\x01a\x01b" // database 0, string a = b
	for head, problem := range map[string]string{
		"REDIS0001": "", "REDIS0009": "", "REDIS0012": "", "VALKEY080": "", "REDIS0013": "not known", "REDIS0080": "not known", "VALKEY081": "not known",
		"VALKEY011": "not known", "REDIS0000": "beginning", "REDIS00x1": "beginning", "NONSENSE1": "beginning", "000000009": "beginning",
	} {
		got, err := readFile(fileOf(head, body))
		if problem != "" {
			require.ErrorContains(t, err, problem, head)
			continue
		}
		require.NoError(t, err, head)
		require.Equal(t, `db 0; key a 0; string "b"; end`, got)
	}
}

func TestFileSaysWhatItCannotKeep(t *testing.T) {
	for body, problem := range map[string]string{
		"\xf7\x00":           "module",
		"\xf6\x00":           "release candidate",
		"\xfe\x00\x16\x01a":  "fields expire",
		"\xfe\x00\x19\x01a":  "fields expire",
		"\xfe\x00\x1a\x01a":  "unknown opcode or type 26",
		"\xf3":               "unknown opcode or type 243",
		"\xfe\x00\x07\x01ab": "module",
	} {
		_, err := readFile(fileOf("REDIS0012", body))
		require.ErrorContains(t, err, problem, "%q", body)
	}
}

func TestLibrariesOfAFile(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	w.Header(true)
	w.Aux("redis-ver", "7")
	w.Library([]byte("#!lua name=a\n"))
	w.Library([]byte("#!lua name=b\n"))
	require.NoError(t, w.End())
	require.Equal(t, "REDIS0010", out.String()[:9])
	got, err := readFile(out.String())
	require.NoError(t, err)
	require.Equal(t, "aux redis-ver 7; library #!lua name=a\n; library #!lua name=b\n", got)
}

func TestLibrariesOfADump(t *testing.T) {
	dump := func(body string, version uint16) []byte {
		b := binary.LittleEndian.AppendUint16([]byte(body), version)
		return binary.LittleEndian.AppendUint64(b, crcUpdate(0, b))
	}
	read := func(payload []byte) (string, error) {
		var out strings.Builder
		err := Libraries(payload, func(code []byte) error { fmt.Fprintf(&out, "%s;", code); return nil })
		return out.String(), err
	}
	got, err := read(dump("\xf5\x01a\xf5\x02bc", 10))
	require.NoError(t, err)
	require.Equal(t, "a;bc;", got)
	got, err = read(dump("", 10))
	require.NoError(t, err)
	require.Empty(t, got)
	for _, bad := range [][]byte{nil, []byte("short"), dump("\xf5\x01a", 99), append(dump("\xf5\x01a", 10), 'x')} {
		_, err := read(bad)
		require.ErrorIs(t, err, ErrPayload)
	}
	for _, bad := range []string{"\x00\x01a", "\xf5\x05a", "\xf5"} {
		_, err := read(dump(bad, 10))
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrPayload)
	}
}
