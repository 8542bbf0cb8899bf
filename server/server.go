package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"replogd/backlog"
	"replogd/config"
	"replogd/engine"
	"replogd/replica"
)

// CompatVersion is the version of Redis whose replies and INFO fields this server gives. Clients and tools read it from HELLO and from
// redis_version.
const CompatVersion = engine.CompatVersion

// ErrShutdownAborted is returned by PrepareShutdown after SHUTDOWN ABORT: the server goes on.
var ErrShutdownAborted = errors.New("server: shutdown aborted by SHUTDOWN ABORT")

// Options configure a Server.
type Options struct {
	// Config is read afresh for every command. Required.
	Config *config.Manager
	// Logger nil discards.
	Logger *slog.Logger
	// Version is replogd's own version, for INFO (replogd_version).
	Version string
	// Executable is the path of the binary, for INFO; default os.Executable.
	Executable string
	// EphemeralPort makes port 0 mean "any free port" instead of "no TCP". For tests.
	EphemeralPort bool
}

// parts is what Attach brings.
type parts struct {
	engine  *engine.Engine
	node    *replica.Node
	backlog *backlog.Backlog
}

// Server accepts clients and runs their commands. All methods may be called from any goroutine.
type Server struct {
	cfg        *config.Manager
	log        *slog.Logger
	version    string
	executable string
	ephemeral  bool
	runID      string
	started    time.Time
	table      *commandTable

	ctx    context.Context // ends with Shutdown: every connection's context is its child
	cancel context.CancelFunc
	wg     sync.WaitGroup // accept loops, connections, housekeeper

	parts     atomic.Pointer[parts] // nil: loading
	clients   registry
	listener  listeners
	stats     stats
	pause     pauses
	stop      stopping
	saves     saves
	hub       hub
	loops     loops
	committer committer
	recovery  recovery
	// engineBase holds the engine's counters at the last CONFIG RESETSTAT.
	engineBase atomic.Pointer[engine.Stats]
	linger     chan struct{} // slots of refused connections that are being drained
}

// New makes a server that is not listening yet. It panics when the command table names a command that nobody implements.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Executable == "" {
		o.Executable, _ = os.Executable() // "" in INFO when the system does not tell
	}
	s := &Server{
		cfg: o.Config, log: o.Logger, version: o.Version, executable: o.Executable, ephemeral: o.EphemeralPort,
		runID: newRunID(), started: time.Now(),
		linger: make(chan struct{}, maxLingering),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.clients.init()
	s.stop.init()
	s.pause.init()
	s.hub.init()
	s.committer.init()
	s.saves.init(s.started)
	s.stats.init(s.started)
	s.table = newCommandTable(o.Config.Current().RenameCommands)
	o.Config.OnChange(s.configChanged)
	return s
}

func newRunID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// RunID is the 40 hex digits that name this run of the server (INFO run_id).
func (s *Server) RunID() string { return s.runID }

// Attach ends the loading state: from now on commands run against these. It may be called once.
func (s *Server) Attach(e *engine.Engine, n *replica.Node, b *backlog.Backlog) {
	if !s.parts.CompareAndSwap(nil, &parts{engine: e, node: n, backlog: b}) {
		panic("BUG: server: Attach called twice")
	}
}

// Listen opens the configured addresses and begins to serve them. It returns once clients can connect; an address that cannot be
// had is an error, except those written with a leading '-'.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.startLoops(loopCount()); err != nil {
		return err
	}
	if err := s.openListeners(ctx); err != nil {
		return err
	}
	s.wg.Add(1)
	go s.housekeep()
	return nil
}

// Serve blocks until the server has been shut down or ctx ends, in which case it shuts it down.
func (s *Server) Serve(ctx context.Context) error {
	select {
	case <-s.ctx.Done():
		return nil
	case <-ctx.Done():
		return s.Shutdown(context.WithoutCancel(ctx))
	}
}

// Done is closed when Shutdown has begun.
func (s *Server) Done() <-chan struct{} { return s.ctx.Done() }

// ListenPort is the TCP port in use, 0 when there is none.
func (s *Server) ListenPort() int { return int(s.listener.port.Load()) }

// Addrs are the addresses being listened on.
func (s *Server) Addrs() []net.Addr { return s.listener.addrs() }

// Shutdown closes the listeners and every connection and waits, as long as ctx allows, until all goroutines of the server have
// ended. Commands that are running are cancelled through their context. It may be called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.cancel()
	s.listener.close()
	s.clients.each(func(c *conn) { c.kill() })
	s.loops.stop()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// configChanged applies what cannot simply be read afresh.
func (s *Server) configChanged(old, now *config.Config) error {
	if old == nil || now == nil {
		return nil
	}
	if now.MaxClients != old.MaxClients {
		if err := checkFileLimit(now.MaxClients); err != nil {
			return err
		}
	}
	if listenChanged(old, now) {
		return s.reopenListeners(now)
	}
	return nil
}
