//go:build !race

package server

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const rawSyscalls = true

// rawRead reads a descriptor that does not block. An interrupted call, which such a descriptor hardly knows, is repeated.
func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	return rawTransfer(syscall.SYS_READ, fd, p)
}

func rawWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	return rawTransfer(syscall.SYS_WRITE, fd, p)
}

func rawTransfer(call, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))) //nolint:gosec // p outlives the call
		switch errno {
		case 0:
			return int(n), 0 //nolint:gosec // at most len(p)
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// rawPoll asks an epoll instance for events and does not wait for them.
func rawPoll(ep int, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0) //nolint:gosec // events outlive the call
	return int(n), errno                                                                                                                                       //nolint:gosec // at most len(events)
}
