//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// readyFD names, in the daemon's environment, the descriptor on which its parent waits. It does not begin with REPLOGD_: that
// is where directives live.
const readyFD = "_REPLOGD_READY_FD"

// Messages on that descriptor: a ready daemon says readyWord, one that fails says why; silence up to the end is a crash.
const readyWord = "ready\n"

// maxReport bounds what the parent takes from its child.
const maxReport = 64 << 10

// daemonize starts this program again as a daemon (a session of its own, no terminal, output discarded) and waits until it
// serves or has failed, so that the command that was typed, or an init script, learns the outcome. Fork alone would not do: a Go process
// has threads that a fork does not copy.
func daemonize(args []string, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "-" {
		_, _ = fmt.Fprintln(stderr, "replogd: daemonize: a daemon cannot read its configuration from standard input; name a file")
		return exitFailed
	}
	exe, err := os.Executable()
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd: daemonize: find this program: %v; start it without daemonize\n", err)
		return exitFailed
	}
	r, w, err := os.Pipe()
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd: daemonize: %v\n", err)
		return exitFailed
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), readyFD+"=3") // ExtraFiles begin at 3
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close() // the child's copy is the only one now: its end is the end of the messages
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd: daemonize: start: %v\n", err)
		return exitFailed
	}
	said, readErr := io.ReadAll(io.LimitReader(bufio.NewReader(r), maxReport))
	if string(said) == readyWord {
		_ = cmd.Process.Release() // it lives on by itself
		return exitOK
	}
	werr := cmd.Wait()
	if len(said) == 0 {
		_, _ = fmt.Fprintf(stderr, "replogd: the daemon ended without a word (%v); its logfile may say why\n", errors.Join(readErr, werr))
		return exitFailed
	}
	_, _ = stderr.Write(said)
	return exitFailed
}

// reporter tells the parent of a daemon how the start went, once. A nil reporter (no daemon) does nothing.
type reporter struct {
	once sync.Once
	w    io.WriteCloser
}

// readyReporter is the reporter of a process that daemonize started, nil in any other.
func readyReporter() *reporter {
	fd, err := strconv.Atoi(os.Getenv(readyFD))
	if err != nil || fd < 3 {
		return nil
	}
	_ = os.Unsetenv(readyFD) // not for our children; cannot fail for a valid name
	syscall.CloseOnExec(fd)
	return &reporter{w: os.NewFile(uintptr(fd), "ready")}
}

func (r *reporter) say(text string) {
	if r == nil {
		return
	}
	r.once.Do(func() {
		_, _ = io.WriteString(r.w, text) // the parent may have been interrupted: then nobody waits
		_ = r.w.Close()
	})
}

func (r *reporter) ready()             { r.say(readyWord) }
func (r *reporter) failed(text string) { r.say(strings.TrimRight(text, "\n") + "\n") }
