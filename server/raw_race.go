//go:build linux && race

package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Under the race detector a client's own connection goes through the runtime, and a loop through package syscall: both tell the detector
// what one end of a connection knows of the other.
const rawSyscalls = false

func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	return outcome(syscall.Read(int(fd), p)) //nolint:gosec // a descriptor
}

func rawWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	return outcome(syscall.Write(int(fd), p)) //nolint:gosec // a descriptor
}

func rawPoll(ep int, events []unix.EpollEvent) (int, syscall.Errno) {
	return outcome(unix.EpollWait(ep, events, 0))
}

func outcome(n int, err error) (int, syscall.Errno) {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return 0, errno
	}
	return n, 0
}
