//go:build !linux

package server

import "errors"

// poller exists on Linux only: elsewhere there are no loops, and every connection has its goroutine.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) add(int) error              { return errors.ErrUnsupported }
func (*poller) remove(int)                 {}
func (*poller) wait(bool) ([]event, error) { return nil, errors.ErrUnsupported }
func (*poller) interrupt()                 {}
func (*poller) close()                     {}
