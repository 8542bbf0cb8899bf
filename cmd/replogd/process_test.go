package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"replogd/backlog"
	"replogd/config"
)

// beReplogd makes the test binary the program itself, for what needs a process of its own.
const beReplogd = "REPLOGD_TEST_BE_REPLOGD"

func TestMain(m *testing.M) {
	if os.Getenv(beReplogd) != "" {
		os.Exit(run(os.Args[1:], nil, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func TestUsageAndVersion(t *testing.T) {
	for _, c := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"--help"}, exitOK, `^replogd is a durable`, `^$`},
		{[]string{"-h"}, exitOK, `Usage:`, `^$`},
		{[]string{"--version"}, exitOK, `^replogd \S+ \(go`, `^$`},
		{[]string{"-v"}, exitOK, `^replogd \S+ \(go`, `^$`},
		{[]string{"check", "--help"}, exitOK, `usage: replogd check`, `^$`},
		{[]string{"logdump", "-h"}, exitOK, `usage: replogd logdump`, `^$`},
		{[]string{"check"}, exitUsage, `^$`, `usage: replogd check`},
		{[]string{"check", "a", "b"}, exitUsage, `^$`, `usage: replogd check`},
		{[]string{"check", "/nonexistent"}, exitUsage, `^$`, `/nonexistent`},
		{[]string{"logdump"}, exitUsage, `^$`, `missing`},
		{[]string{"logdump", "a", "b"}, exitUsage, `^$`, `not also b`},
		{[]string{"logdump", "a", "--from"}, exitUsage, `^$`, `needs an offset`},
		{[]string{"logdump", "a", "--from", "x"}, exitUsage, `^$`, `not an offset`},
		{[]string{"logdump", "a", "--frm", "x"}, exitUsage, `^$`, `unknown option --frm`},
		{[]string{"logdump", "/nonexistent"}, exitUsage, `^$`, `/nonexistent`},
		{[]string{"--prot", "1"}, exitFailed, `^$`, `(?s)^replogd: command line: unknown directive 'prot'.*>>> --prot 1.*did you mean --port\?`},
		{[]string{"/nonexistent.conf"}, exitFailed, `^$`, `/nonexistent.conf`},
		{[]string{"-", "--daemonize", "yes"}, exitFailed, `^$`, `standard input`},
	} {
		var stdout, stderr bytes.Buffer
		code := run(c.args, nil, &stdout, &stderr)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr.String())
		require.Regexp(t, c.stdout, stdout.String(), "%v", c.args)
		require.Regexp(t, c.stderr, stderr.String(), "%v", c.args)
	}
}

func TestDescribeTellsPlaceTextAndRemedy(t *testing.T) {
	require.Equal(t, "replogd: x.conf:3: port: bad\n  >>> port abc\n  mend it\n",
		describe(&config.Error{File: "x.conf", Line: 3, Text: "port abc", Directive: "port", Problem: "bad", Remedy: "mend it"}))
	require.Equal(t, "replogd: EOF\n", describe(io.EOF))
}

func TestPidFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	require.NoError(t, writePidFile(path))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(b))
	require.NoFileExists(t, path+".tmp")
	require.NoError(t, removePidFile(path))
	require.NoFileExists(t, path)
	require.NoError(t, removePidFile(path), "somebody else removed it")

	require.NoError(t, os.WriteFile(path, []byte("1\n"), 0o600))
	require.NoError(t, removePidFile(path))
	require.FileExists(t, path, "another process' pidfile stays")
	require.ErrorContains(t, writePidFile(filepath.Join(path, "x")), "write pidfile")
}

func TestSystemdNotification(t *testing.T) {
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	receive := func() string {
		require.NoError(t, l.SetReadDeadline(time.Now().Add(5*time.Second)))
		buf := make([]byte, 1024)
		n, err := l.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
	n := newNotifier("systemd")
	require.NoError(t, n.send("READY=1", "STATUS=Serving"))
	require.Equal(t, "READY=1\nSTATUS=Serving", receive())
	stop := newNotifier("auto").extendStart()
	require.Contains(t, receive(), "EXTEND_TIMEOUT_USEC=30000000")
	stop()

	require.Empty(t, newNotifier("no").socket)
	require.NoError(t, newNotifier("no").send("READY=1"))
	newNotifier("no").extendStart()()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "gone"))
	require.ErrorContains(t, newNotifier("systemd").send("READY=1"), "notify systemd")
}

func TestSignals(t *testing.T) {
	log, buf, _ := testLog("notice")
	out, err := openLog(filepath.Join(t.TempDir(), "x.log"), io.Discard)
	require.NoError(t, err)
	defer out.close()
	exited := make(chan int, 1)
	now := time.Now()
	s := &signals{term: make(chan os.Signal, 1), exit: func(code int) { exited <- code }, now: func() time.Time { return now }}

	s.handle(syscall.SIGHUP, log, out)
	require.Contains(t, buf.String(), "logfile reopened")
	require.Empty(t, s.term)

	s.handle(syscall.SIGTERM, log, out)
	require.Equal(t, syscall.SIGTERM, <-s.term)
	s.handle(syscall.SIGTERM, log, out)
	require.Empty(t, exited, "the same wish, told to the process and to its group")
	require.Empty(t, s.term)
	now = now.Add(repeatGrace)
	s.handle(syscall.SIGINT, log, out)
	require.Equal(t, exitFailed, <-exited, "a second one ends the process")

	s.forget()
	s.handle(syscall.SIGINT, log, out)
	require.Empty(t, exited, "after a shutdown that was called off the next one is a first one")
	require.Equal(t, syscall.SIGINT, <-s.term)
}

func TestASignalDuringTheStartCancelsIt(t *testing.T) {
	log, _, _ := testLog("nothing")
	out, err := openLog("", io.Discard)
	require.NoError(t, err)
	s := watchSignals(log, out)
	defer s.stop()
	cancelled := make(chan struct{})
	stop := s.cancelOnTerm(func() { close(cancelled) })
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	<-cancelled
	require.Equal(t, syscall.SIGTERM, stop())
	s.forget()
	require.Nil(t, s.cancelOnTerm(func() { t.Error("not cancelled") })())
}

func TestReporterSpeaksOnce(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	rep := &reporter{w: w}
	rep.ready()
	rep.failed("later")
	said, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, readyWord, string(said))
	var none *reporter
	none.ready()
	none.failed("x")
}

// A start that finds its port taken has written nothing: it is no unclean end.
func TestFailedStartLeavesACleanDirectoryClean(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	for _, clean := range []bool{true, false} {
		dir := fill(t, 10, clean)
		code, out := runTool("--port", port, "--bind", "127.0.0.1", "--dir", dir, "--logfile", filepath.Join(t.TempDir(), "log"))
		require.Equal(t, exitFailed, code)
		require.Contains(t, out, "another process listens there")
		b, err := backlog.Open(backlog.Options{Dir: dir, ReadOnly: true})
		require.NoError(t, err)
		require.Equal(t, !clean, b.Unclean())
		require.NoError(t, b.Close(false))
	}
}

func TestAccessErrorsSayWhatToDo(t *testing.T) {
	require.ErrorContains(t, accessError(&os.PathError{Op: "open", Path: "/d/LOCK", Err: syscall.EACCES}, "/d"), "read and write everything in /d")
	require.ErrorContains(t, accessError(&os.PathError{Op: "open", Path: "/d/LOCK", Err: syscall.EROFS}, "/d"), "choose another dir")
	require.Equal(t, io.EOF, accessError(io.EOF, "/d"))
}
