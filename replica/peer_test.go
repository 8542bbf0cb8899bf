package replica

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// rawPeer is a scripted replica on a socket.
type rawPeer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

func dialPeer(t testing.TB, s *server) *rawPeer {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { _ = c.Close() })
	return &rawPeer{t: t, c: c, r: bufio.NewReader(c)}
}

func (p *rawPeer) send(words ...string) {
	p.t.Helper()
	_, err := p.c.Write(resp.AppendCommandStrings(nil, words...))
	require.NoError(p.t, err)
}

// line reads one line, keep-alives skipped.
func (p *rawPeer) line() string {
	p.t.Helper()
	for {
		s, err := p.r.ReadString('\n')
		require.NoError(p.t, err)
		if s != "\n" {
			return strings.TrimSuffix(s, "\r\n")
		}
	}
}

func (p *rawPeer) ask(words ...string) string {
	p.t.Helper()
	p.send(words...)
	return p.line()
}

// introduce makes the peer a replogd.
func (p *rawPeer) introduce(nodeID string) {
	p.t.Helper()
	require.Equal(p.t, "+OK", p.ask("REPLCONF", "listening-port", "7000", "capa", "psync2", "capa", "replogd"))
	require.Equal(p.t, "+OK", p.ask("REPLCONF", "node-id", nodeID))
}

func (p *rawPeer) psync(id string, offset int64) { p.send("PSYNC", id, strconv.FormatInt(offset, 10)) }

func (p *rawPeer) expect(n int) string {
	p.t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(p.r, b)
	require.NoError(p.t, err)
	return string(b)
}

func (p *rawPeer) expectEnd() {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p.r)
	if err != nil {
		require.NotContains(p.t, err.Error(), "i/o timeout", "the connection was to be closed")
	}
}

func TestReplconf(t *testing.T) {
	a := newServer(t, "a").start(nil)
	for _, c := range []struct {
		args  string
		reply string
		check func(*Peer) bool
	}{
		{"listening-port 6380", "+OK\r\n", func(p *Peer) bool { return p.ListeningPort == 6380 }},
		{"listening-port x", "-ERR value is not an integer or out of range\r\n", nil},
		{"LISTENING-PORT 6380 ip-address 10.0.0.1", "+OK\r\n", func(p *Peer) bool { return p.ListeningPort == 6380 && p.IPAddress == "10.0.0.1" }},
		{"ip-address " + strings.Repeat("x", 300), "-ERR REPLCONF ip-address provided by replica instance is too long: 300 bytes\r\n", nil},
		{"capa eof capa psync2 capa replogd capa dual-channel", "+OK\r\n", func(p *Peer) bool { return p.CapaEOF && p.CapaPSYNC2 && p.CapaReplogd }},
		{"capa", "-ERR syntax error\r\n", nil},
		{"", "+OK\r\n", nil},
		{"version 8.0.1", "+OK\r\n", func(p *Peer) bool { return p.Version == "8.0.1" }},
		{"rdb-only 1", "+OK\r\n", func(p *Peer) bool { return p.RDBOnly }},
		{"rdb-only 7", "-ERR value is out of range, value must between 0 and 1\r\n", nil},
		{"node-id " + hex40('a'), "+OK\r\n", func(p *Peer) bool { return p.NodeID == hex40('a') }},
		{"node-id abc", "-ERR REPLCONF node-id is not 40 lower-case hex digits\r\n", func(p *Peer) bool { return p.NodeID == "" }},
		{"snapshot ../x", "-ERR REPLCONF snapshot is not a checkpoint id\r\n", func(p *Peer) bool { return p.Snapshot == "" }},
		{"ack 17", "", nil},
		{"getack *", "", nil},
		{"listening-port 1 nonsense 2", "-ERR Unrecognized REPLCONF option: nonsense\r\n", func(p *Peer) bool { return p.ListeningPort == 1 }},
		{"lineage 2", "-ERR REPLCONF lineage 2 is not spoken here\r\n", nil},
	} {
		p := &Peer{}
		var args [][]byte
		for _, w := range strings.Fields(c.args) {
			args = append(args, []byte(w))
		}
		require.Equal(t, c.reply, string(a.n.Replconf(p, args)), c.args)
		if c.check != nil {
			require.True(t, c.check(p), c.args)
		}
	}
	text := string(a.n.Replconf(&Peer{}, [][]byte{[]byte("lineage"), []byte("1")}))
	body := fmt.Sprintf("replogd 1\npath %s\nhistory %s 0\n", a.b.NodeID(), a.b.Current().ID)
	require.Equal(t, fmt.Sprintf("$%d\r\n%s\r\n", len(body), body), text)
}

// A peer's words end up in INFO and logs: they must not break their lines.
func TestPeersWordsArePrintable(t *testing.T) {
	p := &Peer{}
	require.Empty(t, p.set("ip-address", "a\r\nrole:master,b", "ip-address"))
	require.Equal(t, "a__role:master_b", p.IPAddress)
}

func TestPsyncAnswers(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 3, 3)
	require.Equal(t, "+OK\r\n", a.do("SET", "x", "*1\r\n$4\r\nPING\r\n"))
	id, end := a.b.Current().ID, int64(a.b.End())
	unit := int64(len(resp.AppendCommandStrings(nil, "SET", "x", "*1\r\n$4\r\nPING\r\n")))
	full := fmt.Sprintf("+FULLRESYNC %s %d", id, end)
	for _, c := range []struct {
		name   string
		id     string
		offset int64
		reply  string
		reason string
	}{
		{"at the end", id, end + 1, "+CONTINUE " + id, ""},
		{"from the first byte", id, 1, "+CONTINUE " + id, ""},
		{"upper case id", strings.ToUpper(id), end + 1, "+CONTINUE " + id, ""},
		{"between two units", id, end - unit + 1, "+CONTINUE " + id, ""},
		{"no position", "?", -1, full, "first sync"},
		{"another id", hex40('0'), end + 1, full, "id unknown"},
		{"half an id", id[:20], end + 1, full, "id unknown"},
		{"one byte ahead", id, end + 2, full, "offset ahead"},
		{"offset zero", id, 0, full, reasonBadPosition},
		{"offset negative", id, -5, full, reasonBadPosition},
		{"offset huge", id, 1<<63 - 1, full, "offset ahead"},
		{"within a unit", id, end, full, reasonBoundary},
		{"within a unit, where a value looks like a command", id, end - int64(len("*1\r\n$4\r\nPING\r\n\r\n")) + 1, full, reasonBoundary},
	} {
		a.n.ResetStats()
		p := dialPeer(t, a)
		require.Equal(t, "+OK", p.ask("REPLCONF", "listening-port", "1", "capa", "eof", "capa", "psync2"), c.name)
		p.psync(c.id, c.offset)
		require.Equal(t, c.reply, p.line(), c.name)
		st := a.n.Status()
		if c.reason == "" {
			if c.offset <= end {
				require.Equal(t, "*", p.expect(int(end-c.offset) + 1)[:1], c.name)
			}
			eventually(t, func() bool { return a.n.Status().SyncPartialOK == 1 }, says(c.name))
		} else {
			require.Equal(t, c.reason, onlyKey(t, st.FullSyncReasons), c.name)
			require.EqualValues(t, btoi(c.id != "?"), st.SyncPartialErr, c.name)
			require.EqualValues(t, 1, st.SyncFull, c.name)
		}
		require.NoError(t, p.c.Close())
		// The next one is answered by a node that has no other replica: a transfer that is still being broken off holds one of the slots.
		eventually(t, func() bool { return len(a.n.feeds.list()) == 0 }, says(c.name))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Between the answer to REPLCONF lineage and PSYNC this node's history may change: a replica that would have chosen another position, had it
// known, is told to come again rather than given everything.
func TestALineageThatChangesDuringTheHandshake(t *testing.T) {
	b := newServer(t, "b").start(nil)
	b.setKeys("k", 3, 3)
	a := newServer(t, "a").start(b)
	b.caughtUp(a)
	ask := func(p *rawPeer, position func(p *rawPeer)) string {
		p.introduce(hex40('1'))
		p.send("REPLCONF", "lineage", "1")
		_, err := resp.ReadReply(p.r, maxLineageBytes+64)
		require.NoError(t, err)
		position(p)
		return p.line()
	}
	promote := func(*rawPeer) {}
	unknown := func(p *rawPeer) { promote(p); p.psync(hex40('0'), 5) }
	none := func(p *rawPeer) { promote(p); p.psync("?", -1) }
	forced := func(p *rawPeer) { promote(p); p.psync("?", forcedOffset) }

	for name, tc := range map[string]struct {
		position func(p *rawPeer)
		answer   string
	}{
		"a position": {unknown, "-NOMASTERLINK "}, "no position": {none, "+CHECKPOINT "}, "everything": {forced, "+CHECKPOINT "},
	} {
		full := a.n.Status().SyncFull
		promote = func(*rawPeer) { a.promote() }
		p := dialPeer(t, a)
		require.Contains(t, ask(p, tc.position), tc.answer, name)
		require.Equal(t, btoi(tc.answer[0] == '+'), int(a.n.Status().SyncFull-full), name)
		require.NoError(t, p.c.Close())
		promote = func(*rawPeer) {}
		p = dialPeer(t, a)
		require.Contains(t, ask(p, tc.position), "+CHECKPOINT ", "%s, told of the present history", name)
		require.NoError(t, p.c.Close())
		eventually(t, func() bool { return len(a.n.feeds.list()) == 0 }, says(name))
		a.follow(b)
		b.caughtUp(a)
	}
}

// Without a capability the size comes first, and the stream follows the RDB at once; a peer that came by SYNC acknowledges nothing.
func TestSyncGetsAnRDBOfKnownSize(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 3, 3)
	p := dialPeer(t, a)
	var size int
	_, err := fmt.Sscanf(p.ask("SYNC"), "$%d", &size)
	require.NoError(t, err)
	file := p.expect(size)
	require.Equal(t, "REDIS0009", file[:9])
	require.Contains(t, file, "vvv2")
	before := a.b.End()
	require.Equal(t, "+OK\r\n", a.do("SET", "x", "y"))
	require.Equal(t, string(resp.AppendCommandStrings(nil, "SET", "x", "y")), p.expect(int(a.b.End()-before)))
}

// With the capability the RDB stands between marks, and nothing follows before the peer says that it has it.
func TestPsyncGetsAnRDBBetweenMarks(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 3, 3)
	p := dialPeer(t, a)
	require.Equal(t, "+OK", p.ask("REPLCONF", "listening-port", "1", "capa", "eof", "capa", "psync2"))
	p.psync("?", -1)
	require.Contains(t, p.line(), "+FULLRESYNC")
	mark := strings.TrimPrefix(p.line(), "$EOF:")
	require.Len(t, mark, eofMarkBytes)
	before := a.b.End()
	require.Equal(t, "+OK\r\n", a.do("SET", "x", "y"))
	var file string
	for !strings.HasSuffix(file, mark) {
		file += p.expect(1)
	}
	require.Equal(t, "REDIS0009", file[:9])
	require.Equal(t, "send_bulk", a.n.Status().Feeds[0].State)
	p.send("REPLCONF", "ACK", fmt.Sprint(before))
	require.Equal(t, string(resp.AppendCommandStrings(nil, "SET", "x", "y")), p.expect(int(a.b.End()-before)))
}

// Who asks for the RDB only gets nothing else: redis-cli --rdb.
func TestRDBOnly(t *testing.T) {
	a := newServer(t, "a").start(nil)
	p := dialPeer(t, a)
	require.Equal(t, "+OK", p.ask("REPLCONF", "rdb-only", "1"))
	var size int
	_, err := fmt.Sscanf(p.ask("SYNC"), "$%d", &size)
	require.NoError(t, err)
	p.expect(size)
	p.expectEnd()
}

func TestAClientWithoutPsync2GetsTheShortAnswer(t *testing.T) {
	a := newServer(t, "a").start(nil)
	p := dialPeer(t, a)
	p.psync(a.b.Current().ID, 1)
	require.Equal(t, "+CONTINUE", p.line())
}

// A stock replica counts commands: it may stand behind a SELECT. A replogd counts units.
func TestAStockReplicaMayStandBehindASelect(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.client.DB = 5
	require.Equal(t, "+OK\r\n", a.do("SET", "k", "v"))
	a.client.DB = 0
	require.Equal(t, "+OK\r\n", a.do("SET", "k", "v"))
	at := int64(len(resp.AppendCommandStrings(nil, "SELECT", "5")))
	stock := dialPeer(t, a)
	stock.psync(a.b.Current().ID, at+1)
	require.Equal(t, "+CONTINUE", stock.line())
	require.Equal(t, "*3\r\n$3\r\nSET", stock.expect(11))
	native := dialPeer(t, a)
	native.introduce(hex40('1'))
	native.psync(a.b.Current().ID, at+1)
	require.Contains(t, native.line(), "+CHECKPOINT")
	require.Equal(t, reasonBoundary, onlyKey(t, a.n.Status().FullSyncReasons))
}

func TestWhatAReplicaMayNotSay(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 3, 3)
	end := a.b.End()
	for name, bytes := range map[string]string{
		"an ACK of bytes it never got":  string(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", strconv.FormatUint(end+1, 10))),
		"an FACK of bytes it never got": string(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", "1", "FACK", strconv.FormatUint(end+1, 10))),
		"a negative ACK":                string(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", "-1")),
		"an ACK that is no number":      string(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", "x")),
		"a keyspace command":            string(resp.AppendCommandStrings(nil, "SET", "a", "b")),
		"an inline command":             "PING\r\n",
		"a bulk string":                 "$3\r\nabc\r\n",
		"an endless command":            "*100000\r\n$5\r\nhello\r\n",
		"a huge word":                   "*1\r\n$1000000000\r\n",
	} {
		p := dialPeer(t, a)
		p.psync(a.b.Current().ID, int64(end)+1)
		require.Equal(t, "+CONTINUE", p.line(), name)
		_, err := p.c.Write([]byte(bytes))
		require.NoError(t, err)
		p.expectEnd()
	}
	p := dialPeer(t, a)
	p.psync(a.b.Current().ID, int64(end)+1)
	require.Equal(t, "+CONTINUE", p.line())
	_, err := p.c.Write([]byte("\n\n*1\r\n$4\r\nPING\r\n"))
	require.NoError(t, err)
	p.send("REPLCONF", "ACK", strconv.FormatUint(end, 10), "FACK", "5")
	eventually(t, func() bool {
		f := a.n.Status().Feeds
		return len(f) == 1 && f[0].Ack == end && f[0].AckFsynced == 5 && f[0].LagBytes == 0
	}, says("what it may say is heard"))
}

func TestASilentReplicaIsDropped(t *testing.T) {
	a := newServer(t, "a")
	a.start(nil)
	p := dialPeer(t, a)
	p.psync(a.b.Current().ID, 1)
	require.Equal(t, "+CONTINUE", p.line())
	a.configure(func(s *Settings) { s.Timeout = 50 * time.Millisecond }) // while its read already waits for longer
	p.expectEnd()
	eventually(t, func() bool { return a.logged.count("repl-timeout") == 1 }, says("with that reason"))
}

func FuzzParseAck(f *testing.F) {
	f.Add("17", "FACK", "5")
	f.Add("-1", "x", "")
	f.Fuzz(func(t *testing.T, off, word, fsynced string) {
		a, ok, err := parseAck([][]byte{[]byte("REPLCONF"), []byte("ACK"), []byte(off), []byte(word), []byte(fsynced)})
		if !ok || err != nil {
			return
		}
		require.Equal(t, off, strconv.FormatUint(a.ack, 10))
		require.LessOrEqual(t, a.fack, uint64(1<<63-1))
	})
}
