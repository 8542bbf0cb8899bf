package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// line is a connection's descriptor while a loop has it: Go's runtime does not watch it, so that nothing but the loop is woken by what
// arrives. read, write, close and leave belong to whoever owns the connection (loop.go); hangUp and gone may be called by anybody.
type line struct {
	fd int

	mu struct {
		sync.Mutex
		open bool // fd is still ours
	}
}

// newLine takes the descriptor out of nc, which is closed. On an error nc is as it was.
func newLine(nc net.Conn) (*line, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach descriptor: %w", err)
	}
	l := &line{}
	var dupErr error
	if err := raw.Control(func(fd uintptr) { l.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, fmt.Errorf("reach descriptor: %w", err)
	}
	if dupErr != nil {
		return nil, fmt.Errorf("duplicate descriptor: %w", dupErr)
	}
	l.mu.open = true
	_ = nc.Close() // the socket lives on in fd
	return l, nil
}

func (l *line) number() int { return l.fd }

// read and write never wait: EAGAIN. read returns 0 bytes and no error when the peer has closed its side.
func (l *line) read(p []byte) (int, syscall.Errno)  { return rawRead(uintptr(l.fd), p) }  //nolint:gosec // a descriptor
func (l *line) write(p []byte) (int, syscall.Errno) { return rawWrite(uintptr(l.fd), p) } //nolint:gosec // a descriptor

// leave turns the line into a connection of package net again; the line is closed, whatever happens.
func (l *line) leave() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.open = false
	f := os.NewFile(uintptr(l.fd), "client") //nolint:gosec // a descriptor
	nc, err := net.FileConn(f)
	if cerr := f.Close(); cerr != nil && err == nil {
		err = errors.Join(cerr, nc.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("give descriptor to the runtime: %w", err)
	}
	return nc, nil
}

// hangUp ends the connection in both directions; its owner notices, and closes the line.
func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.open {
		_ = unix.Shutdown(l.fd, unix.SHUT_RDWR) // fails only if the peer has ended it
	}
}

// gone says whether the peer has closed its side, or all of it. It reads nothing.
func (l *line) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.mu.open || hungUp(l.fd)
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.open {
		l.mu.open = false
		_ = unix.Close(l.fd) // the peer is gone or told
	}
}
