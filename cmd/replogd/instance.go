package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/backlog"
	"replogd/config"
	"replogd/engine"
	"replogd/replica"
	"replogd/server"
)

// instance is one running server: its parts, in the order in which they are started.
type instance struct {
	cfg    *config.Manager
	report *reporter // tells the parent of a daemon; nil without one
	stderr io.Writer

	out      *logOutput
	logLevel slog.LevelVar
	log      *slog.Logger
	notify   notifier
	signals  *signals

	backlog *backlog.Backlog
	server  *server.Server
	engine  *engine.Engine
	node    atomic.Pointer[replica.Node] // nil until replication starts: the engine's write guard and the log read it
	pidFile string
}

// stopTimeout bounds the end of connections and of replication; what is not gone by then goes with the process.
const stopTimeout = 10 * time.Second

// run starts the server, serves until it is told to stop, and stops it. The error says why it could not start or stop; it has been
// logged too, if there was a log by then.
func (s *instance) run() (err error) {
	if err := s.openLog(); err != nil {
		return err
	}
	defer s.out.close()
	s.signals = watchSignals(s.log, s.out)
	defer s.signals.stop()
	s.announce()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopWatch := s.signals.cancelOnTerm(cancel)
	err = s.start(ctx)
	interrupted := stopWatch()
	switch {
	case interrupted != nil:
		s.log.Warn("told to stop while starting", "signal", interrupted, "err", err) // err is the interruption, or came just before it
		return s.close(nil)
	case err != nil:
		s.log.Error("the server could not start", "err", err)
		if cerr := s.close(err); cerr != nil {
			s.log.Warn("clean up after a failed start", "err", cerr)
		}
		return err
	}
	s.becomeReady()
	s.serveUntilStopped(ctx)
	return s.close(nil)
}

// openLog makes the logger. The data directory is made first, as a relative logfile lies in it.
func (s *instance) openLog() error {
	c := s.cfg.Current()
	path := c.LogFile
	if path == "stdout" {
		path = ""
	}
	if path != "" && !filepath.IsAbs(path) {
		if err := makeDataDir(c.Dir); err != nil {
			return err
		}
	}
	var err error
	if s.out, err = openLog(c.Path(path), os.Stdout); err != nil {
		return err
	}
	s.logLevel.Set(levelOf(c.LogLevel))
	s.log = slog.New(&handler{out: s.out, level: &s.logLevel, role: s.role})
	s.notify = newNotifier(c.Supervised)
	return nil
}

// makeDataDir makes dir and its name durable. config has seen that the parent exists.
func makeDataDir(dir string) error {
	err := vfs.Default.MkdirAll(dir, 0o755)
	if err != nil {
		return fmt.Errorf("make data directory: %w (choose another dir, or let this user write there)", err)
	}
	parent, err := vfs.Default.OpenDir(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return fmt.Errorf("make data directory: sync its parent: %w", err)
	}
	return nil
}

// role is the letter of log lines.
func (s *instance) role() byte {
	n := s.node.Load()
	if n == nil {
		return 'L'
	}
	if _, _, follower := n.Master(); follower {
		return 'S'
	}
	return 'M'
}

func (s *instance) announce() {
	c := s.cfg.Current()
	file := s.cfg.File()
	if file == "" {
		file = "none"
	}
	s.log.Info("replogd is starting", "version", version, "port", c.Port, "dir", c.Dir, "config", file, "appendfsync", c.AppendFsync)
	for _, w := range s.cfg.Warnings() {
		s.log.Warn(w)
	}
	if c.Supervised == "systemd" && s.notify.socket == "" {
		s.log.Warn("supervised is systemd, but NOTIFY_SOCKET is not set: systemd is not told that the server is ready; set Type=notify in the unit")
	}
}

// start brings up the parts in order. close undoes whatever of it has happened.
func (s *instance) start(ctx context.Context) (err error) {
	defer s.notify.extendStart()()
	if s.backlog, err = backlog.Open(backlogOptions(s.cfg, s.log)); err != nil {
		return accessError(err, s.cfg.Current().Dir)
	}
	s.cfg.OnChange(s.configChanged)
	if err := s.takePidFile(); err != nil {
		return err
	}
	s.server = server.New(server.Options{Config: s.cfg, Logger: s.log, Version: version})
	if err := s.server.Listen(ctx); err != nil {
		return err
	}
	if s.engine, err = engine.Open(ctx, engineOptions(s.cfg, s.backlog, s.writeRefusal, s.server, s.log)); err != nil {
		return startError(err, s.cfg.Current().Dir, s.backlog)
	}
	node := replica.New(replica.Options{
		Backlog: s.backlog, Engine: s.engine, FS: vfs.Default, Dir: s.cfg.Current().Dir,
		Settings: func() replica.Settings { return replicaSettings(s.cfg.Current()) }, ListenPort: s.server.ListenPort, Logger: s.log,
		HoldWrites: s.server.HoldWrites, RoleChanged: s.server.RoleChanged,
	})
	s.node.Store(node)
	var host string
	var port int
	if master := s.cfg.Current().ReplicaOf; master != nil {
		host, port = master.Host, master.Port
	}
	if err := node.Start(ctx, host, port); err != nil {
		return err
	}
	s.server.Attach(s.engine, node, s.backlog)
	return nil
}

// writeRefusal is the engine's guard; before replication has started nobody is allowed to write anyway.
func (s *instance) writeRefusal() string {
	if n := s.node.Load(); n != nil {
		return n.WriteRefusal()
	}
	return ""
}

// takePidFile writes the pidfile once the data directory is ours: a second server on it must not overwrite the first one's.
func (s *instance) takePidFile() error {
	c := s.cfg.Current()
	path := c.Path(c.PidFile)
	if path == "" && c.Daemonize {
		path = c.Path(defaultPidFile)
	}
	if path == "" {
		return nil
	}
	if err := writePidFile(path); err != nil {
		return err
	}
	s.pidFile = path
	return nil
}

// configChanged applies what nobody reads afresh. It is called before the new configuration counts.
func (s *instance) configChanged(old, now *config.Config) error {
	if old.AppendFsync == policyAlways && now.AppendFsync != policyAlways {
		if err := s.backlog.SetUnsafeShipping(); err != nil {
			return &config.Error{Directive: "appendfsync", Problem: err.Error(), Err: err}
		}
	}
	s.logLevel.Set(levelOf(now.LogLevel))
	return nil
}

// becomeReady tells whoever waits.
func (s *instance) becomeReady() {
	s.log.Info("ready", "addresses", fmt.Sprint(s.server.Addrs()))
	s.report.ready()
	if err := s.notify.send("READY=1", "STATUS=Serving", fmt.Sprintf("MAINPID=%d", pid)); err != nil {
		s.log.Warn("systemd was not told that the server is ready", "err", err)
	}
}

// serveUntilStopped returns when a signal or a client's SHUTDOWN is to be obeyed.
func (s *instance) serveUntilStopped(ctx context.Context) {
	for {
		var r server.ShutdownRequest
		select {
		case sig := <-s.signals.term:
			s.log.Info("told to stop", "signal", sig)
		case r = <-s.server.ShutdownRequested():
			s.log.Info("told to stop", "client", r.Client, "nosave", r.NoSave, "now", r.Now, "force", r.Force)
		}
		err := s.prepareStop(ctx, r)
		if err == nil {
			return
		}
		s.signals.forget() // the next signal is a first one again
		s.log.Warn("the server goes on", "err", err)
	}
}

// prepareStop does what can still be called off: waiting for replicas, and for a client's SHUTDOWN the flush.
func (s *instance) prepareStop(ctx context.Context, r server.ShutdownRequest) error {
	if err := s.server.PrepareShutdown(ctx, r.Now); err != nil {
		return err
	}
	if r.Client == "" || r.NoSave {
		return nil // close flushes whatever happens
	}
	if err := s.engine.Flush(ctx); err != nil && !r.Force {
		s.server.ShutdownFailed(err)
		return err
	}
	return nil
}

// close stops what was started, in reverse order, and marks the shutdown as clean if startErr is nil and everything else went well.
// A start that failed before the keyspace was opened has written nothing: the verdict on the run before stays, clean or not. One
// that failed later is no clean run.
func (s *instance) close(startErr error) error {
	if err := s.notify.send("STOPPING=1"); err != nil {
		s.log.Warn("systemd was not told that the server stops", "err", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	if s.server != nil {
		if err := s.server.Shutdown(ctx); err != nil {
			s.log.Warn("not all connections ended in time", "err", err)
		}
	}
	if n := s.node.Load(); n != nil {
		errs = append(errs, n.Close())
	}
	if s.engine != nil {
		errs = append(errs, s.engine.Close(context.Background())) // flushing takes as long as it takes; a second signal ends it
	}
	if s.backlog != nil {
		untouched := s.engine == nil && !s.backlog.Unclean()
		clean := (startErr == nil || untouched) && errors.Join(errs...) == nil
		errs = append(errs, s.backlog.Close(clean))
	}
	if s.pidFile != "" {
		if err := removePidFile(s.pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("remove pidfile", "err", err)
		}
	}
	err := errors.Join(errs...)
	switch {
	case err != nil:
		s.log.Error("the server did not stop cleanly; the next start recovers", "err", err)
	case startErr == nil:
		s.log.Info("stopped; bye")
	}
	return err
}
