package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerGone says whether the other side has closed the connection, or its half of it. It reads nothing.
func peerGone(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = raw.Control(func(fd uintptr) { gone = hungUp(int(fd)) }) //nolint:gosec // a descriptor
	return err == nil && gone
}

// hungUp is peerGone of a descriptor.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}
