package replica

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/backlog"
	"replogd/engine"
	"replogd/engine/resp"
	"replogd/wal"
	"replogd/wal/crashfs"
)

// patience is how long a test waits for what takes milliseconds; poll is how often it looks.
const (
	patience = 20 * time.Second
	poll     = 2 * time.Millisecond
)

// server is a whole node without its front door's commands: log, keyspace, replication, and a listener that understands what a
// replica says. It can be stopped, killed and started again.
type server struct {
	t    testing.TB
	name string
	fs   vfs.FS
	dir  string
	meta string
	addr string // fixed by the first start, so that a restarted master is found again

	minBytes    int64
	maxBytes    int64 // repl-backlog-max-size, 0 = none
	segmentSize int64
	memTable    int64
	password    string
	set         atomic.Pointer[Settings]
	tune        tuning
	logged      *logBook

	b       *backlog.Backlog
	e       *engine.Engine
	n       *Node
	door    *door
	client  engine.Session
	stopped bool
}

func newServer(t testing.TB, name string) *server {
	t.Helper()
	s := &server{
		t: t, name: name, fs: vfs.NewMem(), dir: "/node", meta: filepath.Join(t.TempDir(), "meta.db"), addr: "127.0.0.1:0",
		minBytes: 1 << 30, segmentSize: 1 << 20, memTable: 1 << 20, tune: defaultTuning(), logged: &logBook{}, stopped: true,
	}
	s.tune.tick, s.tune.backoffFirst, s.tune.backoffCap = 5*time.Millisecond, 5*time.Millisecond, 50*time.Millisecond
	s.configure(func(*Settings) {})
	t.Cleanup(func() {
		if !s.stopped {
			s.stop(true)
		}
	})
	return s
}

func (s *server) configure(change func(*Settings)) {
	next := Settings{PingPeriod: time.Minute, Timeout: 10 * time.Second}
	if old := s.set.Load(); old != nil {
		next = *old
	}
	change(&next)
	s.set.Store(&next)
}

// start opens everything and takes the role: master nil = leader.
func (s *server) start(master *server) *server {
	s.t.Helper()
	if master == nil {
		return s.startAt("")
	}
	return s.startAt(master.addr)
}

func (s *server) startAt(masterAddr string) *server {
	s.t.Helper()
	require.True(s.t, s.stopped)
	logger := slog.New(s.logged)
	var err error
	s.b, err = backlog.Open(backlog.Options{
		FS: s.fs, Dir: s.dir, MetaPath: s.meta, SegmentSize: s.segmentSize,
		Policy:   func() wal.SyncPolicy { return wal.SyncEverySecond },
		MinBytes: func() int64 { return s.minBytes }, MaxAge: func() time.Duration { return 0 }, MaxBytes: func() int64 { return s.maxBytes },
	})
	require.NoError(s.t, err)
	s.e, err = engine.Open(context.Background(), engine.Options{
		FS: s.fs, Dir: s.dir, Backlog: s.b, MemTableBytes: s.memTable, BlockCacheBytes: 4 * s.memTable,
		WriteGuard: func() string { return s.n.WriteRefusal() },
		Fatal:      func(err error) { panic(err) },
	})
	require.NoError(s.t, err)
	s.door = openDoor(s)
	s.n = New(Options{
		Backlog: s.b, Engine: s.e, FS: s.fs, Dir: s.dir, Logger: logger,
		Settings:   func() Settings { return *s.set.Load() },
		ListenPort: func() int { return s.door.port },
	})
	s.n.tune = s.tune
	s.door.serve()
	s.stopped = false
	host, port := "", 0
	if masterAddr != "" {
		host, port = splitAddr(s.t, masterAddr)
	}
	require.NoError(s.t, s.n.Start(context.Background(), host, port))
	s.client = engine.Session{}
	return s
}

// stop ends the node; clean=false leaves the marks of a process that was killed.
func (s *server) stop(clean bool) {
	s.t.Helper()
	require.False(s.t, s.stopped)
	s.stopped = true
	s.door.close()
	require.NoError(s.t, s.n.Close())
	s.door.wait()
	require.NoError(s.t, s.e.Close(context.Background()))
	require.NoError(s.t, s.b.Close(clean))
}

func (s *server) follow(master *server) {
	s.t.Helper()
	host, port := splitAddr(s.t, master.addr)
	_, err := s.n.ReplicaOf(context.Background(), host, port)
	require.NoError(s.t, err)
}

func (s *server) promote() {
	s.t.Helper()
	already, err := s.n.Promote(context.Background())
	require.NoError(s.t, err)
	require.False(s.t, already)
}

// do runs one command line of the keyspace and returns the raw reply.
func (s *server) do(words ...string) string {
	s.t.Helper()
	cmd := engine.Lookup([]byte(words[0]))
	require.NotNil(s.t, cmd)
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	w := &resp.Writer{Proto: 2}
	s.e.Exec(context.Background(), &s.client, []engine.Request{{Cmd: cmd, Args: args}}, w)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(s.t, s.b.WaitSafe(ctx, s.client.Need))
	s.client.Need = 0
	return string(w.Bytes())
}

func (s *server) setKeys(prefix string, count, size int) {
	s.t.Helper()
	value := strings.Repeat("v", size)
	for i := range count {
		require.Equal(s.t, "+OK\r\n", s.do("SET", prefix+strconv.Itoa(i), value+strconv.Itoa(i)))
	}
}

func (s *server) digest() string {
	s.t.Helper()
	d, err := s.e.Digest(context.Background())
	require.NoError(s.t, err)
	return fmt.Sprintf("%x", d)
}

// caughtUp waits until replicas hold what s holds, and checks that it is the same data.
func (s *server) caughtUp(replicas ...*server) {
	s.t.Helper()
	for _, r := range replicas {
		eventually(s.t, func() bool { return r.n.LinkUp() && r.e.Applied() == s.b.End() && r.b.Current() == s.b.Current() },
			func() string {
				st := r.n.Status()
				return fmt.Sprintf("%s reaches %s at %d: it is %s at %d, history %v against %v, %s", r.name, s.name, s.b.End(), st.LinkState, st.AppliedOffset, r.b.Current(), s.b.Current(), st.LinkError)
			})
		require.Equal(s.t, s.digest(), r.digest(), "%s holds the data of %s", r.name, s.name)
	}
}

func eventually(t testing.TB, cond func() bool, what func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			require.FailNow(t, "waited in vain", what())
		}
		<-time.After(poll)
	}
}

func says(text string) func() string { return func() string { return text } }

func splitAddr(t testing.TB, a string) (string, int) {
	t.Helper()
	host, portText, err := net.SplitHostPort(a)
	require.NoError(t, err)
	port, err := strconv.Atoi(portText)
	require.NoError(t, err)
	return host, port
}

// door accepts connections and serves the handful of commands a replica sends.
type door struct {
	s    *server
	l    net.Listener
	port int
	wg   sync.WaitGroup

	mu struct {
		sync.Mutex
		closed bool
		conns  map[net.Conn]struct{}
	}
}

func openDoor(s *server) *door {
	l, err := net.Listen("tcp", s.addr)
	require.NoError(s.t, err)
	s.addr = l.Addr().String()
	d := &door{s: s, l: l}
	d.mu.conns = make(map[net.Conn]struct{})
	_, d.port = splitAddr(s.t, s.addr)
	return d
}

func (d *door) serve() {
	d.wg.Add(1)
	go func() {
		defer d.wg.Done()
		for {
			c, err := d.l.Accept()
			if err != nil {
				return
			}
			if d.admit(c) {
				d.wg.Add(1)
				go d.talk(c)
			}
		}
	}()
}

func (d *door) admit(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed {
		_ = c.Close()
		return false
	}
	d.mu.conns[c] = struct{}{}
	return true
}

// hangUp cuts every connection, as a network does.
func (d *door) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.mu.conns {
		_ = c.Close()
	}
}

func (d *door) close() {
	d.mu.Lock()
	d.mu.closed = true
	d.mu.Unlock()
	_ = d.l.Close()
	d.hangUp()
}

func (d *door) wait() { d.wg.Wait() }

func (d *door) talk(c net.Conn) {
	defer d.wg.Done()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.mu.conns, c)
		_ = c.Close()
	}()
	p := &Peer{Conn: c, Reader: bufio.NewReader(c)}
	authed := d.s.password == ""
	for {
		r, err := resp.ReadReply(p.Reader, 1<<16)
		if err != nil {
			return
		}
		args := make([][]byte, len(r.Elems))
		for i, e := range r.Elems {
			args[i] = e.Str
		}
		name := strings.ToUpper(string(args[0]))
		reply := []byte("-NOAUTH Authentication required.\r\n")
		switch {
		case name == "AUTH" && d.s.password == "":
			reply = []byte("-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n")
		case name == "AUTH" && string(args[len(args)-1]) == d.s.password:
			authed, reply = true, replyOK
		case name == "AUTH":
			reply = []byte("-WRONGPASS invalid username-password pair or user is disabled.\r\n")
		case !authed:
		case name == "PING":
			reply = []byte("+PONG\r\n")
		case name == "REPLCONF":
			reply = d.s.n.Replconf(p, args[1:])
		case name == "PSYNC":
			off, err := strconv.ParseInt(string(args[2]), 10, 64)
			if err != nil {
				return
			}
			if len(args) > 3 {
				if err := d.s.n.TakeOver(context.Background(), string(args[1])); err != nil {
					reply = []byte("-" + err.Error() + "\r\n")
					break
				}
			}
			_ = d.s.n.ServePSYNC(context.Background(), p, string(args[1]), off, false)
			return
		case name == "SYNC":
			_ = d.s.n.ServePSYNC(context.Background(), p, "", -1, true)
			return
		default:
			reply = []byte("-ERR unknown command\r\n")
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

// logBook remembers log lines.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logBook) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logBook) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logBook) WithGroup(string) slog.Handler      { return l }

// count is the number of lines that hold text.
func (l *logBook) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// proxy stands between a follower and its master and can cut, hold and damage what the master sends.
type proxy struct {
	t      testing.TB
	target string
	addr   string
	l      net.Listener
	wg     sync.WaitGroup

	mu struct {
		sync.Mutex
		budget  int64 // bytes of the master let through before everything is cut; < 0 = no limit
		damage  int64 // flip a bit of the byte at this position of the next connection; < 0 = none
		passed  int64
		conns   map[net.Conn]struct{}
		refused bool
	}
}

func newProxy(t testing.TB, target *server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, target: target.addr, addr: l.Addr().String(), l: l}
	p.mu.budget, p.mu.damage = -1, -1
	p.mu.conns = make(map[net.Conn]struct{})
	p.wg.Add(1)
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.cut(true)
		p.wg.Wait()
	})
	return p
}

// cut closes all connections; refuse also those that come.
func (p *proxy) cut(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.refused = refuse
	for c := range p.mu.conns {
		_ = c.Close()
	}
}

func (p *proxy) allow(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.budget = bytes
}

func (p *proxy) bytesPassed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.passed
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.refused {
		_ = c.Close()
		return false
	}
	p.mu.conns[c] = struct{}{}
	return true
}

func (p *proxy) accept() {
	defer p.wg.Done()
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		m, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = c.Close()
			continue
		}
		if !p.keep(c) || !p.keep(m) {
			_, _ = c.Close(), m.Close()
			continue
		}
		p.wg.Add(2)
		go func() { defer p.wg.Done(); _, _ = io.Copy(m, c); _ = m.Close() }()
		go func() { defer p.wg.Done(); p.fromMaster(c, m); _, _ = c.Close(), m.Close() }()
	}
}

func (p *proxy) fromMaster(c, m net.Conn) {
	buf := make([]byte, 32<<10)
	var at int64
	for {
		k, err := m.Read(buf)
		out, last := p.filter(buf[:k], at)
		at += int64(k)
		if _, werr := c.Write(out); werr != nil || err != nil || last {
			return
		}
	}
}

// filter applies budget and damage.
func (p *proxy) filter(b []byte, at int64) (out []byte, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.mu.damage; d >= at && d < at+int64(len(b)) {
		b[d-at] ^= 0x10
		p.mu.damage = -1
	}
	if p.mu.budget >= 0 && int64(len(b)) >= p.mu.budget {
		b, last = b[:p.mu.budget], true
		p.mu.budget = 0
		p.mu.refused = true
	} else if p.mu.budget >= 0 {
		p.mu.budget -= int64(len(b))
	}
	p.mu.passed += int64(len(b))
	return b, last
}

// crash returns what a power cut right now leaves of s: its file system with so many per cent of the unsynced bytes, and its meta.db.
func (s *server) crash(fs *crashfs.FS, percent int) (*crashfs.FS, string) {
	s.t.Helper()
	meta := filepath.Join(s.t.TempDir(), "meta.db")
	text, err := os.ReadFile(s.meta)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(meta, text, 0o600))
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(5, 6))}), meta
}
