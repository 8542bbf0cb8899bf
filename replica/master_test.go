package replica

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/engine/resp"
)

// fakeMaster plays a master from a script; every connection starts it anew.
type fakeMaster struct {
	t    *testing.T
	addr string
	l    net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex
	heard [][]string // commands, of all connections
}

// masterConn is one connection of the follower under test.
type masterConn struct {
	m *fakeMaster
	c net.Conn
	r *bufio.Reader
}

func newFakeMaster(t *testing.T, script func(*masterConn) error) *fakeMaster {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &fakeMaster{t: t, addr: l.Addr().String(), l: l}
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mc := &masterConn{m: m, c: c, r: bufio.NewReader(c)}
			_ = c.SetDeadline(time.Now().Add(patience))
			_ = script(mc) // the follower may hang up at any point
			_ = c.Close()
		}
	}()
	return m
}

// close waits for the script: the follower must have hung up, or be about to.
func (m *fakeMaster) close() {
	_ = m.l.Close()
	m.wg.Wait()
}

func (m *fakeMaster) log() [][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([][]string(nil), m.heard...)
}

func (c *masterConn) read() ([]string, error) {
	r, err := resp.ReadReply(c.r, 1<<20)
	if err != nil {
		return nil, err
	}
	words := make([]string, len(r.Elems))
	for i, e := range r.Elems {
		words[i] = string(e.Str)
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.heard = append(c.m.heard, words)
	return words, nil
}

func (c *masterConn) write(s string) error {
	_, err := c.c.Write([]byte(s))
	return err
}

// upToPsync answers the handshake; lineageReply "" is a stock master's error. It returns the PSYNC.
func (c *masterConn) upToPsync(lineageReply string) ([]string, error) {
	for {
		words, err := c.read()
		if err != nil {
			return nil, err
		}
		answer := "+OK\r\n"
		switch {
		case words[0] == "PING":
			answer = "+PONG\r\n"
		case words[0] == "PSYNC":
			return words, nil
		case words[1] == "node-id" && lineageReply == "":
			answer = "-ERR Unrecognized REPLCONF option: node-id\r\n"
		case words[1] == "lineage":
			if answer = lineageReply; answer == "" {
				answer = "-ERR Unrecognized REPLCONF option: lineage\r\n"
			}
		}
		if err := c.write(answer); err != nil {
			return nil, err
		}
	}
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func TestTheHandshakeOnTheWire(t *testing.T) {
	m := newFakeMaster(t, func(c *masterConn) error {
		if _, err := c.upToPsync(""); err != nil {
			return err
		}
		return c.write("-NOMASTERLINK Can't SYNC while not connected with my master\r\n")
	})
	defer m.close()
	b := newServer(t, "b")
	b.configure(func(s *Settings) {
		s.MasterUser, s.MasterAuth, s.AnnounceIP, s.AnnouncePort = "repl", "pw", "10.1.2.3", 7777
	})
	b.startAt(m.addr)
	defer b.stop(true)
	eventually(t, func() bool { return len(m.log()) >= 7 }, says("a whole handshake"))
	require.Equal(t, [][]string{
		{"PING"},
		{"AUTH", "repl", "pw"},
		{"REPLCONF", "listening-port", "7777"},
		{"REPLCONF", "ip-address", "10.1.2.3"},
		{"REPLCONF", "capa", "eof", "capa", "psync2", "capa", "replogd"},
		{"REPLCONF", "node-id", b.b.NodeID()},
		{"REPLCONF", "lineage", "1"},
	}, m.log()[:7])
	eventually(t, func() bool { return len(m.log()) > 8 }, says("and it comes again"))
	require.Equal(t, []string{"PSYNC", "?", "-1"}, m.log()[7])
	require.Contains(t, b.n.Status().LinkError, "NOMASTERLINK")
}

// What a master says wrongly ends the link with the reason; the data stays, and a right answer later is taken.
func TestAFollowerRefusesWhatNoMasterSays(t *testing.T) {
	node := func(id string) string {
		return bulk("replogd 1\npath " + hex40('7') + "\nhistory " + id + " 0\n")
	}
	set := string(resp.AppendCommandStrings(nil, "SET", "evil", "1"))
	for _, c := range []struct {
		name    string
		lineage string // %s is the follower's own history id
		answer  string
		reason  string
	}{
		{"PSYNC answered with a bulk string", "", "$3\r\nabc\r\n", "bad answer\x00master answers PSYNC with"},
		{"CONTINUE under half an id", "", "+CONTINUE abc\r\n", "bad answer to PSYNC"},
		{"CONTINUE with more words", "", "+CONTINUE " + hex40('a') + " 5\r\n", "bad answer to PSYNC"},
		{"CHECKPOINT of a stock master", "", "+CHECKPOINT x " + hex40('a') + " 5\r\n", "bad answer to PSYNC"},
		{"CHECKPOINT with a path for an id", node("%s"), "+CHECKPOINT ../x " + hex40('a') + " 5\r\n", "bad answer to PSYNC"},
		{"CHECKPOINT with a negative offset", node("%s"), "+CHECKPOINT x " + hex40('a') + " -5\r\n", "bad answer to PSYNC"},
		{"a native master that does not name its history", node("%s"), "+CONTINUE\r\n", "bad answer to PSYNC"},
		{"a native master that continues another history than it said", node("%s"), "+CONTINUE " + hex40('b') + "\r\n", errLineage.Error()},
		{"a native master whose lineage does not hold the position", node(hex40('b')), "+CONTINUE " + hex40('b') + "\r\n", "not on the lineage"},
		{"a lineage that is none", bulk("hello\n"), "", "lineage"},
		{"an inline command", "", "+CONTINUE\r\nPING\r\n", "stream at offset"},
		{"a line feed in the stream", "", "+CONTINUE\r\n\n", "stream at offset"},
		{"a negative length", "", "+CONTINUE\r\n*1\r\n$-5\r\n", "stream at offset"},
		{"nested MULTI", "", "+CONTINUE\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n", "stream at offset"},
		{"half a unit, then the end", "", "+CONTINUE\r\n" + set[:len(set)-1], "closed the connection"},
		{"FULLRESYNC and half a line", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$EOF:", "closed the connection"},
		{"FULLRESYNC with a short mark", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$EOF:abc\r\n", "bad line before the RDB"},
		{"FULLRESYNC with a negative size", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$-1\r\n", "bad line before the RDB"},
		{"FULLRESYNC and an error", "", "+FULLRESYNC " + hex40('a') + " 0\r\n-ERR fork failed\r\n", "fork failed"},
		{"FULLRESYNC with an id of the wrong length", "", "+FULLRESYNC abc 0\r\n", "bad answer to PSYNC"},
		{"FULLRESYNC with a negative offset", "", "+FULLRESYNC " + hex40('a') + " -5\r\n", "bad answer to PSYNC"},
		{"FULLRESYNC of a native master", node("%s"), "+FULLRESYNC " + hex40('a') + " 0\r\n", "bad answer to PSYNC"},
		{"an RDB that is cut", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$100\r\nREDIS0009\xff", "closed the connection"},
		{"an RDB that is none", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$9\r\nnonsense!", "not the beginning of an RDB file"},
		{"an RDB that ends within", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$10\r\nREDIS0009\x00", "it ends here"},
		{"an RDB with a wrong checksum", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$18\r\nREDIS0009\xff12345678", "its checksum"},
		{"an RDB of the future", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$9\r\nREDIS0099", "a version that is not known"},
		{"an RDB with a library that has no name", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$12\r\nREDIS0010\xf5\x01x", "library of functions"},
		{"an RDB with a module's data", "", "+FULLRESYNC " + hex40('a') + " 0\r\n$10\r\nREDIS0010\xf7", "module"},
		{"an endless line", "", "+" + strings.Repeat("x", 2*maxMasterReply), "over the limit"},
		{"LOADING", "", "-LOADING Redis is loading the dataset in memory\r\n", "LOADING"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newServer(t, "b").start(nil)
			b.setKeys("mine", 5, 5)
			id, end, was := b.b.Current().ID, b.b.End(), b.digest()
			lineageText := strings.ReplaceAll(c.lineage, "%s", id)
			if strings.Contains(c.lineage, "%s") {
				lineageText = bulk("replogd 1\npath " + hex40('7') + "\nhistory " + id + " 0\n")
			}
			m := newFakeMaster(t, func(mc *masterConn) error {
				if _, err := mc.upToPsync(lineageText); err != nil {
					return err
				}
				return mc.write(c.answer)
			})
			defer m.close()
			b.followAddr(m.addr)
			want := strings.Split(c.reason, "\x00")
			eventually(t, func() bool {
				for _, w := range want {
					if strings.Contains(b.n.Status().LinkError, w) {
						return true
					}
				}
				return false
			}, func() string { return "reason is " + b.n.Status().LinkError })
			require.Equal(t, end, b.b.End(), "nothing was appended")
			require.Equal(t, was, b.digest())
			require.Equal(t, id, b.b.Current().ID)
			b.promote()
			require.Equal(t, "+OK\r\n", b.do("SET", "still", "works"))
			b.stop(true)
		})
	}
}

func TestContinueNobodyAskedFor(t *testing.T) {
	m := newFakeMaster(t, func(c *masterConn) error {
		if _, err := c.upToPsync(""); err != nil {
			return err
		}
		return c.write("+CONTINUE " + hex40('a') + "\r\n")
	})
	defer m.close()
	b := newServer(t, "b").startAt(m.addr)
	defer b.stop(true)
	eventually(t, func() bool { return strings.Contains(b.n.Status().LinkError, "was not asked for") }, says("refused"))
	require.Zero(t, b.b.End())
}

// A stock master continues us under another name, speaks in its own way, and asks for an ACK.
func TestStreamOfAStockMaster(t *testing.T) {
	b := newServer(t, "b").start(nil)
	b.setKeys("mine", 5, 5)
	was, end := b.b.Current().ID, b.b.End()
	set := string(resp.AppendCommandStrings(nil, "set", "k", "v"))
	sel := string(resp.AppendCommandStrings(nil, "SELECT", "3"))
	getack := string(resp.AppendCommandStrings(nil, "REPLCONF", "GETACK", "*"))
	stream := "*1\r\n$4\r\nping\r\n" + sel + set + "*1\r\n$5\r\nMULTI\r\n" + set + set + "*1\r\n$4\r\nEXEC\r\n" + getack
	acked := make(chan []string, 100)
	asked := make(chan []string, 10)
	m := newFakeMaster(t, func(c *masterConn) error {
		psync, err := c.upToPsync("")
		if err != nil {
			return err
		}
		asked <- psync
		if err := c.write("\n\n+CONTINUE " + hex40('f') + "\r\n"); err != nil {
			return err
		}
		for i := range len(stream) { // byte by byte: units do not care
			if err := c.write(stream[i : i+1]); err != nil {
				return err
			}
		}
		for {
			words, err := c.read()
			if err != nil {
				return err
			}
			acked <- words
		}
	})
	defer m.close()
	b.followAddr(m.addr)
	defer b.stop(true)
	require.Equal(t, []string{"PSYNC", was, fmt.Sprint(end + 1)}, <-asked)
	wantAck := fmt.Sprint(end + uint64(len(stream)))
	beforeGetAck := fmt.Sprint(end + uint64(len(stream)-len(getack)))
	for words := range acked {
		require.Len(t, words, 3, "no FACK to a stock master: %v", words)
		if words[2] == wantAck || words[2] == beforeGetAck {
			break
		}
	}
	eventually(t, func() bool { return b.e.Applied() == end+uint64(len(stream)) }, says("all is applied"))
	b.client.DB = 3
	require.Equal(t, "$1\r\nv\r\n", b.do("GET", "k"))
	require.Equal(t, hex40('f'), b.b.Current().ID)
	require.Equal(t, end, b.b.Current().Start)
	require.Len(t, b.b.Histories(), 2)
}

// redisServer starts the real thing.
func redisServer(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("REPLOGD_REQUIRE_REDIS") != "" {
			t.Fatal("redis-server is not installed, and REPLOGD_REQUIRE_REDIS demands it")
		}
		t.Skip("redis-server is not installed: its side of the handshake cannot be checked")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := l.Addr().String()
	_, port := splitAddr(t, a)
	require.NoError(t, l.Close())
	dir := t.TempDir()
	cmd := exec.Command(bin, append([]string{
		"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir,
		"--logfile", filepath.Join(dir, "log"), "--repl-diskless-sync-delay", "0",
	}, args...)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, func() bool {
		c, err := net.Dial("tcp", a)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, says("redis-server listens"))
	return a
}

// ask sends one command to a server and returns the reply's text.
func ask(t *testing.T, a string, words ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", a)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write(resp.AppendCommandStrings(nil, words...))
	require.NoError(t, err)
	r, err := resp.ReadReply(bufio.NewReader(c), 1<<20)
	require.NoError(t, err)
	return string(r.Str)
}

// We follow a stock master: its RDB, then its stream, on from where we stood after a restart, and our own replica below us.
func TestRedisAsMaster(t *testing.T) {
	for name, option := range map[string]string{"between marks": "yes", "behind its size": "no"} {
		t.Run(name, func(t *testing.T) {
			a := redisServer(t, "--enable-debug-command", "yes", "--repl-diskless-sync", option, "--repl-diskless-sync-delay", "0")
			for i := range 300 {
				ask(t, a, "SET", fmt.Sprint("theirs", i), strings.Repeat("x", i))
				ask(t, a, "ZADD", "zset", fmt.Sprint(i), fmt.Sprint(i))
			}
			b := newServer(t, "b").start(nil)
			b.setKeys("mine", 5, 5)
			b.followAddr(a)
			same := func() bool { return b.n.LinkUp() && b.digest() == ask(t, a, "DEBUG", "DIGEST") }
			eventually(t, same, func() string { return b.n.Status().LinkError })
			require.Equal(t, "$-1\r\n", b.do("GET", "mine1"))
			ask(t, a, "SET", "behind", "1")
			eventually(t, same, says("after the stream"))
			c := newServer(t, "c").start(b)
			b.caughtUp(c)
			b.stop(true)
			ask(t, a, "SET", "away", "1")
			b.startAt(a)
			eventually(t, same, says("after a restart"))
			require.Contains(t, ask(t, a, "INFO", "stats"), "sync_full:1")
			require.Contains(t, ask(t, a, "INFO", "stats"), "sync_partial_ok:1")
			b.promote()
			require.Equal(t, "+OK\r\n", b.do("SET", "ours", "now"))
		})
	}
}

// A stock replica that needs everything is given an RDB, then the stream behind it.
func TestRedisAsReplica(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 500, 100)
	a.client.DB = 3
	require.Equal(t, "+OK\r\n", a.do("SET", "in-three", "x")) // the stream has 3 selected where the RDB is taken
	_, port := splitAddr(t, a.addr)
	r := redisServer(t, "--enable-debug-command", "yes")
	ask(t, r, "REPLICAOF", "127.0.0.1", fmt.Sprint(port))
	eventually(t, func() bool { return strings.Contains(ask(t, r, "INFO", "replication"), "master_link_status:up") }, says("it is up"))
	require.Equal(t, "+OK\r\n", a.do("SET", "behind", "y"))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.Equal(t, 1, a.n.Wait(ctx, a.b.End(), 1))
	require.Equal(t, a.digest(), ask(t, r, "DEBUG", "DIGEST"))
	require.EqualValues(t, 1, a.n.Status().SyncFull)
	require.Contains(t, ask(t, r, "INFO", "replication"), a.b.Current().ID)
}

// A stock replica that stands on our history is fed, promoted, and followed: partial syncs both ways, the same data at the end.
func TestRedisContinuesFromUsAndWeFromIt(t *testing.T) {
	a := newServer(t, "a").start(nil)
	a.setKeys("k", 5, 5)
	for i := range 5 {
		require.Equal(t, ":1\r\n", a.do("DEL", "k"+fmt.Sprint(i)))
	}
	// Somebody who does speak RDB gives redis the empty data set that stands at our offset.
	const emptyRDB = "REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	given := make(chan struct{}, 1)
	m := newFakeMaster(t, func(c *masterConn) error {
		if _, err := c.upToPsync(""); err != nil {
			return err
		}
		err := c.write(fmt.Sprintf("+FULLRESYNC %s %d\r\n$%d\r\n%s", a.b.Current().ID, a.b.End(), len(emptyRDB), emptyRDB))
		_, _ = c.read() // an ACK: it has loaded it
		given <- struct{}{}
		return err
	})
	r := redisServer(t, "--enable-debug-command", "yes", "--repl-diskless-load", "disabled")
	_, port := splitAddr(t, m.addr)
	ask(t, r, "REPLICAOF", "127.0.0.1", fmt.Sprint(port))
	<-given

	_, port = splitAddr(t, a.addr)
	ask(t, r, "REPLICAOF", "127.0.0.1", fmt.Sprint(port))
	m.close()
	eventually(t, func() bool { return a.n.Status().SyncPartialOK == 1 }, says("redis continues with us"))
	a.setKeys("ours", 20, 100)
	a.client.DB = 7
	require.Equal(t, "+OK\r\n", a.do("SET", "in-seven", "x"))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.Equal(t, 1, a.n.Wait(ctx, a.b.End(), 1), "redis answers GETACK")
	require.Equal(t, a.digest(), ask(t, r, "DEBUG", "DIGEST"))
	require.Zero(t, a.n.Status().SyncFull)

	ask(t, r, "REPLICAOF", "NO", "ONE")
	ask(t, r, "SET", "theirs", "1")
	ask(t, r, "INCR", "counter")
	a.followAddr(r)
	eventually(t, func() bool { return a.n.LinkUp() }, func() string { return a.n.Status().LinkError })
	ask(t, r, "SET", "theirs", "2")
	eventually(t, func() bool { return a.digest() == ask(t, r, "DEBUG", "DIGEST") }, says("we hold what redis holds"))
	require.Len(t, a.b.Histories(), 2)
	require.Contains(t, ask(t, r, "INFO", "replication"), a.b.Current().ID)
	require.Contains(t, ask(t, r, "INFO", "stats"), "sync_partial_ok:1")
}
