package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc64"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bulkOf takes a bulk reply apart; nil for a null.
func bulkOf(t testCase, reply []byte) []byte {
	t.Helper()
	if bytes.HasPrefix(reply, []byte("$-1")) || bytes.HasPrefix(reply, []byte("_")) {
		return nil
	}
	head, rest, ok := bytes.Cut(reply, []byte("\r\n"))
	require.True(t, ok && head[0] == '$', "reply %q", reply)
	n, err := strconv.Atoi(string(head[1:]))
	require.NoError(t, err)
	return rest[:n]
}

// exchange restores each key's DUMP of one side on the other, under another name, and requires equal data after that, on the follower too.
func (p *pair) exchange(t testCase, program string, names []string) {
	t.Helper()
	for _, key := range names {
		theirs := bulkOf(t, p.stock.run(byteArgs("DUMP", key)))
		ours := bulkOf(t, p.ours(t, byteArgs("DUMP", key)))
		require.Equal(t, theirs == nil, ours == nil, "DUMP %q after\n%s", key, program)
		if theirs == nil {
			continue
		}
		theirs, ours = bytes.Clone(theirs), bytes.Clone(ours)
		to := []byte("copy:" + key)
		for _, payload := range [][]byte{theirs, ours} {
			args := [][]byte{[]byte("RESTORE"), to, []byte("0"), payload, []byte("REPLACE")}
			require.Equal(t, "+OK\r\n", string(p.stock.run(args)), "RESTORE %q into Redis after\n%s", key, program)
			require.Equal(t, "+OK\r\n", string(p.ours(t, args)), "RESTORE %q after\n%s", key, program)
			for _, ask := range []string{"OBJECT ENCODING", "TYPE"} {
				p.compare(t, program, append(byteArgs(strings.Fields(ask)...), to))
			}
			want := p.stock.run(byteArgs("DEBUG", "DIGEST"))
			require.Equal(t, string(want), "+"+p.leader.digest()+"\r\n", "DEBUG DIGEST after the DUMP of %q after\n%s", key, program)
		}
	}
	raw := p.leader.stream(p.read)
	p.read += uint64(len(raw))
	p.view.units(t, raw)
	p.stock.view.units(t, p.stock.stream(t)) // the same, but for whose payload it is
	if len(raw) > 0 {
		p.follower.receive(raw)
	}
	p.compareKeyspaces(t, program)
}

// TestLargeDumpsAreInterchangeable does it with collections past the compact encodings, and values that Redis compresses.
func TestLargeDumpsAreInterchangeable(t *testing.T) {
	p := newPair(t, smallStore)
	p.fillLarge(t)
	p.compare(t, "SET", byteArgs("SET", "text", strings.Repeat("the same again, ", 3000)))
	p.compare(t, "SET", byteArgs("SET", "zeros", strings.Repeat("\x00", 100_000)))
	p.compare(t, "SET", byteArgs("SET", "number", "-123456"))
	for i := range 500 {
		p.compare(t, "XADD", byteArgs("XADD", "stream", strconv.Itoa(i+1)+"-"+strconv.Itoa(i%7), "field", strconv.Itoa(i*1000003), "other", strings.Repeat("x", i)))
		if i%3 == 0 {
			p.compare(t, "XADD", byteArgs("XADD", "stream", strconv.Itoa(i+1)+"-9", "odd", strconv.Itoa(-i*77), "one", "-0", "two", "007"))
		}
	}
	for _, line := range []string{
		"XDEL stream 5-4 100-1", "XGROUP CREATE stream g 0", "XGROUP CREATE stream h 17-2 ENTRIESREAD 5", "XREADGROUP GROUP g one COUNT 30 STREAMS stream >",
		"XREADGROUP GROUP g two COUNT 30 STREAMS stream >", "XGROUP CREATECONSUMER stream h idle",
	} {
		p.stock.run(byteArgs(strings.Fields(line)...))
		p.ours(t, byteArgs(strings.Fields(line)...))
	}
	p.exchange(t, "large", []string{"hash", "list", "set", "ints", "zset", "text", "zeros", "number", "stream"})
	for _, line := range []string{"XINFO GROUPS copy:stream", "XPENDING copy:stream g", "XLEN copy:stream", "XRANGE copy:stream 90 200"} {
		p.compare(t, line, byteArgs(strings.Fields(line)...))
	}
}

// TestRestoreAsRedis: the errors and the effects of RESTORE.
func TestRestoreAsRedis(t *testing.T) {
	p := newPair(t)
	p.compare(t, "SET", byteArgs("SET", "a", "value"))
	payload := bytes.Clone(bulkOf(t, p.stock.run(byteArgs("DUMP", "a"))))
	damaged := bytes.Clone(payload)
	damaged[2] ^= 1
	for _, line := range []string{
		"RESTORE a 0 P", "RESTORE b 0 P", "RESTORE b 0 P REPLACE", "RESTORE c -1 P", "RESTORE c x P", "RESTORE c 0 D", "RESTORE c 0 P FOO", "RESTORE c 0 short",
		"RESTORE c 100000000 P REPLACE", "RESTORE d 4102444800000 P ABSTTL", "PEXPIRETIME d", "RESTORE e 1 P ABSTTL", "EXISTS e", "RESTORE b 1 P ABSTTL REPLACE", "EXISTS b",
		"RESTORE f 0 P IDLETIME 5", "RESTORE g 0 P FREQ 5", "RESTORE h 0 P IDLETIME -1", "RESTORE h 0 P FREQ 256", "RESTORE h 0 P IDLETIME", "RESTORE h 0 P FREQ 1 IDLETIME 1",
		"RESTORE-ASKING i 0 P", "GET i", "DUMP none", "RESTORE c",
	} {
		args := byteArgs(strings.Fields(line)...)
		for i := range args {
			switch string(args[i]) {
			case "P":
				args[i] = payload
			case "D":
				args[i] = damaged
			}
		}
		p.compare(t, line, args)
	}
	p.compareStreams(t, "RESTORE ...")
	p.compareKeyspaces(t, "RESTORE ...")
}

// payloadOf makes a DUMP payload of a value in a given form.
func payloadOf(version uint16, kind byte, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(append([]byte{kind}, value...), version)
	return binary.LittleEndian.AppendUint64(b, ^crc64.Update(^uint64(0), crc64.MakeTable(0x95ac9329ac4bc9b5), b))
}

// lengthed is a string of up to 16383 bytes as RDB has it.
func lengthed(b []byte) []byte {
	return append([]byte{0x40 | byte(len(b)>>8), byte(len(b))}, b...)
}

// ziplistOf makes a ziplist of entries without their size of the one before.
func ziplistOf(entries ...[]byte) []byte {
	body, before, tail := []byte{}, 0, 10
	for _, e := range entries {
		tail = 10 + len(body)
		if before < 254 {
			body = append(body, byte(before))
			before = 1
		} else {
			body = binary.LittleEndian.AppendUint32(append(body, 0xfe), uint32(before))
			before = 5
		}
		body = append(body, e...)
		before += len(e)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(10+len(body)+1))
	head = binary.LittleEndian.AppendUint32(head, uint32(tail))
	head = binary.LittleEndian.AppendUint16(head, uint16(len(entries)))
	return append(append(head, body...), 0xff)
}

func intsetOf(width uint32, values ...int64) []byte {
	b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, width), uint32(len(values)))
	for _, v := range values {
		b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(v))[:width]...)
	}
	return b
}

// TestOldEncodingsRestore reads forms that Redis 7.0 no longer writes: it and this take them alike.
func TestOldEncodingsRestore(t *testing.T) {
	short, long := []byte("\x03abc"), append([]byte{0x40, 64}, bytes.Repeat([]byte("z"), 64)...) // ziplist strings of 6 and 14 bits
	ints := [][]byte{{0xf1}, {0xfd}, {0xfe, 0x80}, {0xc0, 0x00, 0x80}, {0xf0, 0x01, 0x02, 0x83}, {0xd0, 0, 0, 0, 0x80}, {0xe0, 1, 2, 3, 4, 5, 6, 7, 0x88}}
	long32 := append([]byte{0x80, 0, 0, 0, 64}, bytes.Repeat([]byte("y"), 64)...)
	all := append([][]byte{short, long, long32}, ints...)
	zipmap := []byte("\x02\x01a\x02\x00xy\x03key\x05\x02value..\xff")
	tests := []struct {
		name    string
		version uint16
		kind    byte
		value   []byte
		stock   bool // Redis 7.0 knows it
	}{
		{"list in a ziplist", 7, 10, lengthed(ziplistOf(all...)), true},
		{"list in two ziplists", 9, 14, append([]byte{2}, append(lengthed(ziplistOf(all...)), lengthed(ziplistOf(short))...)...), true},
		{"hash in a ziplist", 9, 13, lengthed(ziplistOf(all...)), true},
		{"hash in a zipmap", 3, 9, lengthed(zipmap), true},
		{"sorted set in a ziplist", 9, 12, lengthed(ziplistOf(short, []byte("\x031.5"), []byte("\x01b"), []byte{0xf5}, long, []byte("\x03inf"))), true},
		{"sorted set with scores as text", 6, 3, []byte("\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x06-1e+20"), true},
		{"small integers", 9, 11, lengthed(intsetOf(2, -3, 7, 300)), true},
		{"integers", 9, 11, lengthed(intsetOf(4, -70000, 7, 70000)), true},
		{"large integers", 9, 11, lengthed(intsetOf(8, -1<<40, 7, 1<<40)), true},
		{"compressed string", 9, 0, []byte("\xc3\x05\x0a\x00a\xe0\x00\x00"), true},
		{"set in a listpack", 11, 20, lengthed([]byte("\x0c\x00\x00\x00\x02\x00\x81a\x02\x05\x01\xff")), false},
		{"ziplist with a wrong length", 9, 13, lengthed(append(ziplistOf(short, short), 0xff)), true},
		{"hash with a field and no value", 9, 13, lengthed(ziplistOf(short)), true},
		{"hash with a field twice", 9, 4, []byte("\x02\x01a\x01b\x01a\x01c"), false}, /* Redis looks only if it is told to */
		{"set with a member twice", 9, 2, []byte("\x02\x01a\x01a"), true},
		{"sorted set with a score that is none", 9, 5, append([]byte("\x01\x01a"), 1, 0, 0, 0, 0, 0, 0xf8, 0x7f), true},
		{"list without elements", 9, 1, []byte{0}, true},
		{"list that is too short", 9, 1, []byte("\x02\x01a"), false},
		{"string with something behind", 9, 0, []byte("\x01ab"), false},
		{"string longer than all there is", 9, 0, []byte("\x80\x7f\xff\xff\xffa"), true},
		{"module", 9, 7, []byte("\x81abcdefgh\x00"), false},
		{"unknown type", 9, 99, []byte{1, 1}, true},
		{"later version", 99, 0, []byte("\x01a"), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t)
			payload := payloadOf(test.version, test.kind, test.value)
			args := append(byteArgs("RESTORE", "k", "0"), payload)
			if !test.stock {
				reply := string(p.ours(t, args))
				require.Equal(t, test.version > 10, reply == "+OK\r\n", reply)
				return
			}
			p.compare(t, test.name, args)
			for _, line := range []string{"TYPE k", "OBJECT ENCODING k", "LRANGE k 0 -1", "HGETALL k", "ZRANGE k 0 -1 WITHSCORES", "SMEMBERS k", "GET k"} {
				p.compare(t, line, byteArgs(strings.Fields(line)...))
			}
		})
	}
}
