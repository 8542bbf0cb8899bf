//go:build !linux

package server

import (
	"errors"
	"net"
	"syscall"
)

// line exists on Linux only; see poller.
type line struct{}

func newLine(net.Conn) (*line, error) { return nil, errors.ErrUnsupported }

func (*line) number() int                       { return -1 }
func (*line) read([]byte) (int, syscall.Errno)  { return 0, syscall.ENOSYS }
func (*line) write([]byte) (int, syscall.Errno) { return 0, syscall.ENOSYS }
func (*line) leave() (net.Conn, error)          { return nil, errors.ErrUnsupported }
func (*line) hangUp()                           {}
func (*line) gone() bool                        { return false }
func (*line) close()                            {}
