package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"replogd/config"
)

// listeners are the sockets being accepted from.
type listeners struct {
	port atomic.Int64
	mu   struct {
		sync.Mutex
		open   []net.Listener
		closed bool
	}
}

func (l *listeners) addrs() []net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]net.Addr, 0, len(l.mu.open))
	for _, ln := range l.mu.open {
		out = append(out, ln.Addr())
	}
	return out
}

// replace swaps the open listeners for next and returns the old ones; ok is false when the server is stopping.
func (l *listeners) replace(next []net.Listener) (old []net.Listener, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return nil, false
	}
	old, l.mu.open = l.mu.open, next
	return old, true
}

func (l *listeners) close() {
	l.mu.Lock()
	open := l.mu.open
	l.mu.open, l.mu.closed = nil, true
	l.mu.Unlock()
	closeAll(open)
}

func closeAll(lns []net.Listener) {
	for _, ln := range lns {
		_ = ln.Close() // nothing is lost with a listener
	}
}

func listenChanged(old, now *config.Config) bool {
	return old.Port != now.Port || !slices.Equal(old.Bind, now.Bind) || old.Path(old.UnixSocket) != now.Path(now.UnixSocket)
}

func (s *Server) openListeners(ctx context.Context) error {
	cfg := s.cfg.Current()
	if err := checkFileLimit(cfg.MaxClients); err != nil {
		s.log.Warn("maxclients may not be reached", "err", err)
	}
	lns, port, err := s.listenAll(ctx, cfg, nil)
	if err != nil {
		return err
	}
	s.adopt(lns, port)
	return nil
}

// reopenListeners serves CONFIG SET port/bind. Addresses that stay keep their socket, so that no client is turned away meanwhile.
func (s *Server) reopenListeners(cfg *config.Config) error {
	if len(s.listener.addrs()) == 0 {
		return nil // not listening yet: Listen will read the new values
	}
	s.listener.mu.Lock()
	current := slices.Clone(s.listener.mu.open)
	s.listener.mu.Unlock()
	lns, port, err := s.listenAll(s.ctx, cfg, current)
	if err != nil {
		s.log.Error("change listening addresses", "err", err)
		return &config.Error{Directive: "port", Problem: "Unable to listen on this port. Check server logs.", Err: err}
	}
	s.adopt(lns, port)
	return nil
}

func (s *Server) adopt(lns []net.Listener, port int) {
	old, ok := s.listener.replace(lns)
	if !ok {
		closeAll(lns)
		return
	}
	s.listener.port.Store(int64(port))
	for _, ln := range old {
		if !slices.Contains(lns, ln) {
			_ = ln.Close() // its accept loop ends
		}
	}
	for _, ln := range lns {
		if !slices.Contains(old, ln) {
			s.wg.Add(1)
			go s.accept(ln)
			s.log.Info("ready to accept connections", "address", ln.Addr().String())
		}
	}
}

// listenAll opens every configured address, taking over those of current that are still wanted.
func (s *Server) listenAll(ctx context.Context, cfg *config.Config, current []net.Listener) ([]net.Listener, int, error) {
	var lns []net.Listener
	fail := func(err error) ([]net.Listener, int, error) {
		for _, ln := range lns {
			if !slices.Contains(current, ln) {
				_ = ln.Close() // was opened a moment ago
			}
		}
		return nil, 0, err
	}
	port := cfg.Port
	if (port != 0 || s.ephemeral) && len(cfg.Bind) > 0 {
		for _, bind := range cfg.Bind {
			ln, err := listenTCP(ctx, bind, port, current)
			if err != nil {
				if strings.HasPrefix(bind, "-") && optionalAddressMissing(err) {
					s.log.Info("optional bind address is not available", "bind", bind, "err", err)
					continue
				}
				return fail(fmt.Errorf("listen on %s port %d: %w%s", bind, port, err, listenRemedy(err)))
			}
			lns = append(lns, ln)
			if a, ok := ln.Addr().(*net.TCPAddr); ok {
				port = a.Port
			}
		}
		if len(lns) == 0 {
			return fail(fmt.Errorf("listen on port %d: none of the bind addresses %q is available", port, cfg.Bind))
		}
	}
	if cfg.UnixSocket != "" {
		ln, err := listenUnix(ctx, cfg.Path(cfg.UnixSocket), cfg.UnixSocketPerm, current)
		if err != nil {
			return fail(err)
		}
		lns = append(lns, ln)
	}
	return lns, port, nil
}

// listenTCP opens one bind address: "*" and "::*" are all of IPv4 and IPv6, a leading '-' was handled by the caller.
func listenTCP(ctx context.Context, bind string, port int, current []net.Listener) (net.Listener, error) {
	host, network := strings.TrimPrefix(bind, "-"), "tcp"
	switch {
	case host == "*":
		host, network = "0.0.0.0", "tcp4"
	case host == "::*":
		host, network = "::", "tcp6"
	case strings.Contains(host, ":"):
		network = "tcp6"
	}
	want := net.JoinHostPort(host, strconv.Itoa(port))
	for _, ln := range current {
		if ln.Addr().Network() == "tcp" && ln.Addr().String() == want {
			return ln, nil
		}
	}
	var lc net.ListenConfig
	lc.KeepAlive = -1 // each connection is given tcp-keepalive's present value
	return lc.Listen(ctx, network, want)
}

// listenUnix opens a Unix socket. A file left by an earlier run is removed first, as Redis does; the lock on the data directory
// keeps two servers of one configuration apart.
func listenUnix(ctx context.Context, path string, perm uint32, current []net.Listener) (net.Listener, error) {
	for _, ln := range current {
		if ln.Addr().Network() == "unix" && ln.Addr().String() == path {
			return ln, nil
		}
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove stale unix socket: %w", err)
		}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on unix socket %s: %w", path, err)
	}
	if perm != 0 {
		if err := os.Chmod(path, os.FileMode(perm)); err != nil {
			_ = ln.Close() // the error that matters is Chmod's
			return nil, fmt.Errorf("set mode of unix socket %s: %w", path, err)
		}
	}
	return ln, nil
}

// listenRemedy says what to do about an address that cannot be had.
func listenRemedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return " (another process listens there, perhaps another server: stop it, or choose another port)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return " (no interface of this machine has that address: correct bind; a leading '-' makes it optional)"
	case errors.Is(err, fs.ErrPermission):
		return " (this user may not listen on that port: choose one from 1024 on)"
	}
	return " (is bind right?)"
}

// optionalAddressMissing tells "this machine has no such address" from "the address is taken".
func optionalAddressMissing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.ENOENT)
}

// accept hands out connections until its listener is closed. A failing Accept (no file descriptors, no memory) is tried again
// after a growing pause: it must neither spin nor give up.
func (s *Server) accept(ln net.Listener) {
	defer s.wg.Done()
	backoff := acceptBackoffMin
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			backoff = acceptBackoffMin
			s.admitConn(nc)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		s.log.Error("accept connection: trying again", "err", err, "pause", backoff)
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		backoff = min(2*backoff, acceptBackoffMax)
	}
}

// admitConn applies maxclients and protected mode and gives the connection to a loop, or a goroutine of its own.
func (s *Server) admitConn(nc net.Conn) {
	cfg := s.cfg.Current()
	if s.clients.len() >= cfg.MaxClients {
		s.stats.rejectedConns.Add(1)
		s.refuse(nc, "-ERR max number of clients reached\r\n")
		return
	}
	c := newConn(s, nc)
	if cfg.ProtectedMode && cfg.RequirePass == "" && !c.local {
		s.stats.rejectedConns.Add(1)
		c.cancel()
		s.refuse(nc, protectedModeText)
		return
	}
	setKeepAlive(nc, cfg.TCPKeepAlive)
	s.stats.conns.Add(1)
	s.clients.add(c)
	if s.ctx.Err() != nil { // Shutdown may have walked the registry before c was in it
		c.kill()
	}
	if !s.takeIn(c) {
		s.wg.Add(1)
		go c.serve()
	}
}

// refuse sends text and closes. When few are being refused the socket is drained for a moment first.
func (s *Server) refuse(nc net.Conn, text string) {
	_ = nc.SetWriteDeadline(time.Now().Add(lingerTime)) // a connection on which this fails is closed below
	_, werr := nc.Write([]byte(text))
	select {
	case s.linger <- struct{}{}:
	default:
		_ = nc.Close() // told or not, it goes
		return
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if werr == nil {
			lingerRead(nc)
		}
		_ = nc.Close() // told or not, it goes
		<-s.linger
	}()
}

// setKeepAlive applies tcp-keepalive as Redis does: first probe after n seconds, then every n/3, three of them.
func setKeepAlive(nc net.Conn, period time.Duration) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	if period <= 0 {
		_ = tc.SetKeepAlive(false) // best effort: a dead peer is then found by the write deadline
		return
	}
	_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{ // best effort, as above
		Enable: true, Idle: period, Interval: max(period/3, time.Second), Count: 3,
	})
}

// protectedModeText is what Redis 7.0.15 sends to a client from outside, to the letter.
const protectedModeText = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. " +
	"In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you " +
	"may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the " +
	"loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly " +
	"accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the " +
	"protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the " +
	"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an " +
	"authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start " +
	"accepting connections from the outside.\r\n"
