package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kind is how a server is told what to do.
type Kind int

// The kinds of servers.
const (
	KindReplogd Kind = iota
	KindRedis        // and Valkey
	KindKvrocks
	KindSentinel // watches servers: see Settings.Watch
)

// Program is a contestant.
type Program struct {
	Name string
	Path string
	Kind Kind
}

// ParseProgram reads name=path. The kind follows from the name's beginning: replogd, kvrocks, and anything else is taken for a Redis.
func ParseProgram(text string) (Program, error) {
	name, path, ok := strings.Cut(text, "=")
	if !ok || name == "" || path == "" {
		return Program{}, fmt.Errorf("%q is not name=path", text)
	}
	full, err := exec.LookPath(path)
	if err != nil {
		return Program{}, fmt.Errorf("peer %s: %w", name, err)
	}
	p := Program{Name: name, Path: full, Kind: KindRedis}
	switch {
	case strings.HasPrefix(name, "replogd"):
		p.Kind = KindReplogd
	case strings.HasPrefix(name, "kvrocks"):
		p.Kind = KindKvrocks
	}
	return p, nil
}

// Bounds of a server's life.
const (
	startWithin = 60 * time.Second
	stopWithin  = 30 * time.Second
	pollEvery   = 5 * time.Millisecond
)

// Settings are what a server is started with.
type Settings struct {
	Fsync       string // always, everysec, no; default everysec
	ReplicaOf   string // host:port of its master
	Backlog     string // size of the backlog, such as 4gb; default 1gb. Redis keeps it in memory
	SmallCaches bool   // caches that hold a small part of the data; nothing to Redis, which holds all of it
	NoRewrites  bool   // Redis does not rewrite its append-only file by itself
	Watch       string // host:port of the master that a Sentinel watches
}

// Server is a process of a Program. One goroutine uses it.
type Server struct {
	Program Program
	Addr    string
	Dir     string

	settings Settings
	cmd      *exec.Cmd
	exited   chan struct{}
	log      *os.File
}

// Start starts a server in dir, which is made, and waits until it answers PING.
func (p Program) Start(ctx context.Context, dir string, s Settings) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	srv := &Server{Program: p, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Dir: dir, settings: s}
	return srv, srv.launch(ctx)
}

// Restart starts a server that was stopped or killed again, with its data, and returns the time until it answered.
func (s *Server) Restart(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := s.launch(ctx)
	return time.Since(began), err
}

func (s *Server) launch(ctx context.Context) error {
	args, err := s.arguments()
	if err != nil {
		return err
	}
	if s.log, err = os.OpenFile(s.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	s.cmd = exec.Command(s.Program.Path, args...)
	s.cmd.Env = cleanEnviron()
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it does not outlive the measurement
	if err := s.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", s.Program.Name, err), s.log.Close())
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}(s.cmd, s.exited)
	if err := s.waitReady(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// cleanEnviron is this process's environment without what replogd would read as directives.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "REPLOGD_") })
}

// logTail is how much of a server's log an error shows.
const logTail = 500

// arguments are the command line; Kvrocks gets a file.
func (s *Server) arguments() ([]string, error) {
	_, port, _ := net.SplitHostPort(s.Addr)
	fsync := s.settings.Fsync
	if fsync == "" {
		fsync = "everysec"
	}
	backlog := s.settings.Backlog
	if backlog == "" {
		backlog = "1gb"
	}
	master := strings.ReplaceAll(s.settings.ReplicaOf, ":", " ")
	conf := s.Dir + ".conf"
	switch s.Program.Kind {
	case KindKvrocks:
		return []string{"-c", conf}, os.WriteFile(conf, []byte(s.kvrocksConf(port, fsync, master)), 0o644)
	case KindSentinel:
		return []string{conf}, os.WriteFile(conf, []byte(s.sentinelConf(port)), 0o644)
	case KindReplogd, KindRedis:
	}
	args := []string{"--port", port, "--dir", s.Dir, "--appendfsync", fsync, "--repl-backlog-size", backlog, "--enable-debug-command", "yes"}
	if s.Program.Kind == KindRedis {
		args = append(args, "--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--daemonize", "no")
	}
	if s.Program.Kind == KindRedis && s.settings.NoRewrites {
		args = append(args, "--auto-aof-rewrite-percentage", "0")
	}
	if s.Program.Kind == KindReplogd && s.settings.SmallCaches {
		args = append(args, "--block-cache-size", smallBlockCache, "--row-cache-size", smallRowCache)
	}
	if master != "" {
		args = append(args, "--replicaof", master)
	}
	return args, nil
}

// What is small beside a million keys of 100 bytes.
const (
	smallBlockCache = "8mb"
	smallRowCache   = "32mb" // the least there is
)

func (s *Server) kvrocksConf(port, fsync, master string) string {
	sync := "no"
	if fsync == "always" {
		sync = "yes"
	}
	text := fmt.Sprintf("port %s\ndir %s\nworkers 2\nrocksdb.write_options.sync %s\n", port, s.Dir, sync)
	if s.settings.SmallCaches {
		text += "rocksdb.block_cache_size 8\n"
	}
	if master != "" {
		text += "slaveof " + master + "\n"
	}
	return text
}

// sentinelName is what the watched master is called.
const sentinelName = "measured"

func (s *Server) sentinelConf(port string) string {
	text := fmt.Sprintf("port %s\ndir %s\nsentinel monitor %s %s %d\n", port, s.Dir, sentinelName, strings.ReplaceAll(s.settings.Watch, ":", " "), sentinelQuorum)
	return text + fmt.Sprintf("sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s %d\n",
		sentinelName, downAfter.Milliseconds(), sentinelName, failoverTimeout.Milliseconds())
}

func (s *Server) waitReady(ctx context.Context) error {
	return poll(ctx, startWithin, func() error {
		select {
		case <-s.exited:
			text, _ := os.ReadFile(s.Dir + ".log") // without it there is less to tell
			return stopPolling{fmt.Errorf("%s has exited instead of serving; its log ends with: %s", s.Program.Name, text[max(0, len(text)-logTail):])}
		default:
		}
		c, err := Dial(ctx, s.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Do("PING")
		return err
	})
}

// Stop ends the server politely. It asks again and again: Redis refuses while it rewrites its append-only file.
func (s *Server) Stop() error {
	err := poll(context.Background(), stopWithin, func() error {
		select {
		case <-s.exited:
			return nil
		default:
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
			return errors.New("it is still there")
		}
	})
	if err != nil {
		s.Kill()
		return fmt.Errorf("stop %s: %w", s.Program.Name, err)
	}
	return s.log.Close()
}

// Kill is kill -9.
//
// A server that has ended already is left alone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may be gone already
	<-s.exited
	_ = s.log.Close() // closed twice at most
}

// Pause stops the process where it is.
func (s *Server) Pause() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue lets it go on.
func (s *Server) Continue() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Remove kills the server, if it runs, and removes its data.
func (s *Server) Remove() error {
	s.Kill()
	return os.RemoveAll(s.Dir)
}

// Usage is what a process has used so far.
type Usage struct {
	CPU      time.Duration
	Resident int64 // bytes, now
	Peak     int64 // bytes, at most
	Written  int64 // bytes handed to the disk
}

// clockTick is the unit of /proc/<pid>/stat: USER_HZ, 100 on every Linux.
const clockTick = 10 * time.Millisecond

// Usage reads /proc.
func (s *Server) Usage() (u Usage, err error) {
	proc := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return u, fmt.Errorf("read %s/stat: %d fields", proc, len(fields))
	}
	for _, f := range fields[11:13] { // user and system time
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(n) * clockTick
	}
	u.Resident = 1024 * procField(filepath.Join(proc, "status"), "VmRSS")
	u.Peak = 1024 * procField(filepath.Join(proc, "status"), "VmHWM")
	u.Written = procField(filepath.Join(proc, "io"), "write_bytes")
	return u, nil
}

// procField is the number behind name in a file of "name: number" lines; 0 where it is not.
func procField(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return n
		}
	}
	return 0
}

// freePort returns a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // it has served
	return l.Addr().(*net.TCPAddr).Port, nil
}

// stopPolling is an error that waiting cannot cure.
type stopPolling struct{ error }

// poll tries until it succeeds, the time is up, or ctx ends.
func poll(ctx context.Context, within time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := try()
		var stop stopPolling
		if err == nil || errors.As(err, &stop) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", within, err)
		}
	}
}
