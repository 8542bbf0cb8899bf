package server

import "sync"

// committer is the goroutine that waits for the log on behalf of the loops: a loop that has replies which are not safe yet says so, goes on
// with other connections, and is interrupted when they are. What all loops ask for while it waits shares the next write and fsync.
type committer struct {
	wake chan struct{}

	mu struct {
		sync.Mutex
		wanted uint64 // the largest offset asked for and not yet waited for; 0: nothing is
		busy   bool   // it waits
		err    error  // of the last wait that has failed
		failed uint64 // how many waits have ended with one
	}
}

func (m *committer) init() { m.wake = make(chan struct{}, 1) }

// want asks for the log to be made safe up to off. It returns how many waits have failed so far: if there are more later, this one may have.
func (m *committer) want(off uint64) (failures uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.wanted = max(m.mu.wanted, off)
	signal(m.wake)
	return m.mu.failed
}

// state says whether there is anything asked for that it has not waited for to the end, how many waits have failed, and why the last did.
func (m *committer) state() (busy bool, failures uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.busy || m.mu.wanted > 0, m.mu.failed, m.mu.err
}

// next ends a wait, if there was one, with its outcome, and returns what else is asked for; 0: nothing.
func (m *committer) next(err error) (off uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.mu.err = err
		m.mu.failed++
	}
	off, m.mu.wanted = m.mu.wanted, 0
	m.mu.busy = off > 0
	return off
}

// commit is the goroutine; it ends with the server.
func (s *Server) commit() {
	defer s.wg.Done()
	m := &s.committer
	for {
		select {
		case <-m.wake:
		case <-s.ctx.Done():
			return
		}
		for off := m.next(nil); off > 0; {
			err := s.parts.Load().backlog.WaitSafe(s.ctx, off)
			off = m.next(err)
			for _, l := range s.loops.all {
				l.poll.interrupt()
			}
		}
	}
}
