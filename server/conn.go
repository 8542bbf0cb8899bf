package server

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"replogd/engine"
	"replogd/engine/resp"
	"replogd/replica"
)

// Flags of a connection that others may see (CLIENT LIST).
const (
	flagReplica uint32 = 1 << iota
	flagBlocked
	flagCloseAfterReply
	flagNoEvict
	flagKilled
	flagMulti
	flagPubSub
	flagDirty // a watched key has changed. This one and flagPubSub are not stored but looked up
)

// conn is one client.
type conn struct {
	srv     *Server
	id      int64
	nc      net.Conn // while it has a goroutine, else nil. Its owner changes nc and line under mu, and reads them without
	line    *line    // while a loop has it, else nil
	sock    *socket  // of nc; the connection's goroutine reads and writes it
	addr    string   // as CLIENT LIST shows it
	laddr   string
	unix    bool
	local   bool // the client is on this machine: the Unix socket or the loopback interface
	created time.Time
	ctx     context.Context // ends when the connection is killed or the server stops
	cancel  context.CancelFunc

	// Published for CLIENT LIST, INFO and the housekeeper.
	name       atomic.Pointer[string]
	libName    atomic.Pointer[string]
	libVer     atomic.Pointer[string]
	lastCmd    atomic.Pointer[entry]
	flags      atomic.Uint32
	fd         atomic.Int64 // -1: unknown
	db         atomic.Int32
	proto      atomic.Int32
	lastActive atomic.Int64              // UnixNano of the last read
	partial    atomic.Int64              // UnixNano since when an unauthenticated client owes the rest of a command; 0: does not
	runs       atomic.Uint64             // odd: keyspace commands are admitted and not yet executed (pause.go)
	waiting    atomic.Int64              // UnixNano since when the goroutine waits for something else than the client; 0: does not
	softSince  atomic.Pointer[time.Time] // since when owed is seen above the soft output limit; nil: is not. Written by scans only
	queryLen   atomic.Int64
	queryCap   atomic.Int64
	argvMem    atomic.Int64
	owed       atomic.Int64 // reply bytes not yet written
	queued     atomic.Int64 // bytes in the outbox
	replyCap   atomic.Int64
	replyPeak  atomic.Int64
	multi      atomic.Int64                 // commands queued since MULTI; -1: no transaction
	multiMem   atomic.Int64                 // bytes of their arguments
	watch      atomic.Pointer[engine.Watch] // of WATCH; nil: never watched anything

	subs subscriptions

	mu struct {
		sync.Mutex
		blocked *blocked // a wait that others may end
	}

	// Everything below belongs to the connection's goroutine, or to its loop.
	session       engine.Session
	w             resp.Writer
	parser        resp.Parser
	buf           []byte // buf[r:e] is unparsed
	r, e          int
	run           []engine.Request
	argv          [][]byte // arena behind run's arguments
	runLimit      int
	authenticated bool
	tx            transaction
	out           *outbox // from the first subscription on
	closing       bool    // write what is owed, then close
	replyOff      bool
	replySkip     bool // the present command is not answered
	replySkipNext bool
	peer          *replica.Peer // made by the first REPLCONF
	writeDeadline time.Time
	handOut       func(p []byte) (taken int, more bool, err error) // sendPortion
	streamUntil   time.Time                                        // when the present run's replies are no longer sent in portions
	commands      uint64                                           // executed and not yet added to the server's count
	sent          int                                              // bytes of w that have been written to the socket
	calm          int                                              // rounds of the goroutine without anything that needs one

	// Of a loop's connection.
	loop     *loop
	runAt    []int // where in buf run's commands begin
	listed   bool  // in loop.ready or loop.next
	ends     bool  // the peer has ended its side, perhaps behind what there is to read
	withheld bool  // in loop.held: its replies wait for the log, and it is not read from
	unread   bool  // meanwhile there is something to read
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, id: s.clients.nextID.Add(1), created: time.Now(),
		authenticated: s.cfg.Current().RequirePass == "",
		runLimit:      minRun,
	}
	c.unix = nc.LocalAddr().Network() == "unix"
	if c.unix {
		path := nc.LocalAddr().String() + ":0"
		c.addr, c.laddr = path, path
	} else {
		c.addr, c.laddr = nc.RemoteAddr().String(), nc.LocalAddr().String()
	}
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	c.local = c.unix || ok && tcp.IP.IsLoopback()
	c.setEnd(nc, nil)
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.w.Proto = 2
	c.multi.Store(-1)
	c.proto.Store(2)
	c.lastActive.Store(c.created.UnixNano())
	return c
}

// fileDescriptor is the number CLIENT LIST shows, -1 when unknown.
func fileDescriptor(nc net.Conn) int {
	fd := -1
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(f uintptr) { fd = int(f) }) // -1 stays when it fails
		}
	}
	return fd
}

// setEnd exchanges the connection's end of the wire; one of the two is nil. The old one is closed already.
func (c *conn) setEnd(nc net.Conn, line *line) {
	if line != nil {
		c.fd.Store(int64(line.number()))
	} else {
		c.fd.Store(int64(fileDescriptor(nc)))
	}
	c.mu.Lock()
	c.nc, c.line = nc, line
	c.mu.Unlock()
	c.sock, c.writeDeadline = nil, time.Time{}
	if nc != nil {
		c.sock = newSocket(nc)
	}
	if c.killed() { // perhaps it was the old one that kill has seen
		c.hangUp()
	}
}

// closeEnd closes it.
func (c *conn) closeEnd() {
	if c.line != nil {
		c.line.close()
	} else {
		_ = c.nc.Close() // the peer is gone or told
	}
}

// kill ends the connection from another goroutine: whatever it is doing fails or is cancelled, and its owner cleans up.
func (c *conn) kill() {
	c.flags.Or(flagKilled)
	c.cancel()
	c.hangUp()
}

func (c *conn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil {
		c.line.hangUp()
	} else {
		_ = c.nc.Close() // a second close is harmless
	}
}

// peerGone says whether the client has closed its side.
func (c *conn) peerGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil {
		return c.line.gone()
	}
	return peerGone(c.nc)
}

func (c *conn) killed() bool { return c.flags.Load()&flagKilled != 0 }

func (c *conn) setFlag(f uint32, on bool) {
	if on {
		c.flags.Or(f)
	} else {
		c.flags.And(^f)
	}
}

// authRequired says whether the client has to authenticate first.
func (c *conn) authRequired() bool {
	return !c.authenticated && c.srv.cfg.Current().RequirePass != ""
}

func (c *conn) setName(name string) { c.name.Store(&name) }

func (c *conn) getName() string { return loadString(&c.name) }

func loadString(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

// selectDB changes the database of the commands that follow.
func (c *conn) selectDB(db int) {
	c.session.DB = db
	c.db.Store(int32(db)) //nolint:gosec // at most 65536 databases
}

// setProto switches between RESP2 and RESP3.
func (c *conn) setProto(proto int) {
	c.w.Proto = proto
	c.proto.Store(int32(proto)) //nolint:gosec // 2 or 3
}

// parts is nil while the server is loading.
func (c *conn) parts() *parts { return c.srv.parts.Load() }

// closeAfterReply ends the connection once what is owed has been written. Commands behind the present one are dropped.
func (c *conn) closeAfterReply() {
	c.closing = true
	c.setFlag(flagCloseAfterReply, true)
}

// flagString is the flags field of CLIENT LIST.
func (c *conn) flagString() string {
	f := c.flags.Load()
	if w := c.watch.Load(); w != nil && w.Changed() {
		f |= flagDirty
	}
	if c.subs.subscribed() {
		f |= flagPubSub
	}
	var b strings.Builder
	for _, x := range []struct {
		flag   uint32
		letter byte
	}{
		{flagReplica, 'S'}, {flagPubSub, 'P'}, {flagMulti, 'x'}, {flagBlocked, 'b'}, {flagDirty, 'd'}, {flagCloseAfterReply, 'c'}, {flagKilled, 'A'}, {flagNoEvict, 'e'},
	} {
		if x.letter == 'e' && c.unix {
			b.WriteByte('U')
		}
		if f&x.flag != 0 {
			b.WriteByte(x.letter)
		}
	}
	if b.Len() == 0 {
		return "N"
	}
	return b.String()
}
