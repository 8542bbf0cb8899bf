package server

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller tells a loop which descriptors have something to read: an epoll instance, edge-triggered, and an eventfd by which others
// interrupt its wait. Only interrupt may be called by others than the loop.
type poller struct {
	ep     int
	events []unix.EpollEvent
	found  []event

	mu struct {
		sync.Mutex
		wake int  // the eventfd; -1: closed
		sent bool // an interrupt is on its way
	}
}

// pollEvents is how many descriptors one look at the poller can tell of.
const pollEvents = 256

func newPoller() (*poller, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	p := &poller{ep: ep, events: make([]unix.EpollEvent, pollEvents)}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create eventfd: %w", err), unix.Close(ep))
	}
	p.mu.wake = wake
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}); err != nil { //nolint:gosec // a descriptor
		return nil, errors.Join(fmt.Errorf("watch eventfd: %w", err), unix.Close(wake), unix.Close(ep))
	}
	return p, nil
}

// add watches fd: wait tells of it once now, if there is something to read, and once for each time that more arrives or the peer goes.
func (p *poller) add(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd)} //nolint:gosec // a descriptor
	if err := unix.EpollCtl(p.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch descriptor: %w", err)
	}
	return nil
}

// remove ends that. A descriptor of which there is no copy need not be removed before it is closed.
func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.ep, unix.EPOLL_CTL_DEL, fd, nil) // it was being watched; else there is nothing to do
}

// wait returns descriptors that have something to tell, none after an interrupt. Unless block is set it only looks. The slice is valid until
// the next call.
func (p *poller) wait(block bool) ([]event, error) {
	n, errno := rawPoll(p.ep, p.events)
	if errno == 0 && n == 0 && block {
		var err error
		if n, err = unix.EpollWait(p.ep, p.events, -1); err != nil && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("wait for descriptors: %w", err)
		}
	}
	if errno != 0 && errno != syscall.EINTR {
		return nil, fmt.Errorf("look at descriptors: %w", errno)
	}
	p.found = p.found[:0]
	for _, ev := range p.events[:max(n, 0)] {
		if fd := int(ev.Fd); !p.interrupted(fd) {
			p.found = append(p.found, event{fd: fd, ends: ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0})
		}
	}
	return p.found, nil
}

// interrupted says whether fd is the eventfd, and makes it ready for the next interrupt.
func (p *poller) interrupted(fd int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd != p.mu.wake {
		return false
	}
	var counter [8]byte
	_, _ = unix.Read(fd, counter[:]) // whatever it says, the loop looks at what there is
	p.mu.sent = false
	return true
}

// interrupt makes the present or the next wait return.
func (p *poller) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.wake < 0 || p.mu.sent {
		return
	}
	one := [8]byte{1}
	_, err := unix.Write(p.mu.wake, one[:])
	p.mu.sent = err == nil
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = unix.Close(p.mu.wake) // nothing is lost with it
	_ = unix.Close(p.ep)
	p.mu.wake = -1
}
