package server

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ShutdownRequest is a client's wish to stop the process (the command SHUTDOWN).
type ShutdownRequest struct {
	// NoSave asks not to make the keyspace durable first. The log makes this safe, it only makes the next start longer; the owner
	// may flush all the same.
	NoSave bool
	// Now asks not to wait for replicas that lag.
	Now bool
	// Force asks to go on when the flush fails.
	Force bool
	// Client is the address of whoever asked, for the log.
	Client string
}

// stopping is the state of a shutdown that has been asked for.
type stopping struct {
	requests chan ShutdownRequest
	mu       struct {
		sync.Mutex
		asked  bool          // a request is in the channel or being served
		failed chan struct{} // closed when the shutdown was aborted or has failed
		abort  context.CancelFunc
	}
}

func (s *stopping) init() {
	s.requests = make(chan ShutdownRequest, 1)
	s.mu.failed = make(chan struct{})
}

// ShutdownRequested delivers at most one pending request of a client. Its owner calls PrepareShutdown and then stops the process, or
// calls ShutdownFailed.
func (s *Server) ShutdownRequested() <-chan ShutdownRequest { return s.stop.requests }

// request queues r unless one is being served, and returns the channel that is closed if it comes to nothing.
func (s *stopping) request(r ShutdownRequest) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.asked {
		s.mu.asked = true
		s.requests <- r // never blocks: one slot, one request
	}
	return s.mu.failed
}

// PrepareShutdown is the polite part of a stop, by SHUTDOWN or by a signal: it holds writes back and waits until the replicas have
// all that the log holds, for at most shutdown-timeout. now skips the waiting. ErrShutdownAborted (SHUTDOWN ABORT) means that the
// server goes on as if nothing had been asked; otherwise writes stay held back and the process is expected to end.
func (s *Server) PrepareShutdown(ctx context.Context, now bool) error {
	p := s.parts.Load()
	timeout := s.cfg.Current().ShutdownTimeout
	if now || p == nil || timeout <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	aborted := make(chan struct{})
	s.stop.mu.Lock()
	s.stop.mu.asked = true
	s.stop.mu.abort = sync.OnceFunc(func() {
		close(aborted)
		cancel()
	})
	s.stop.mu.Unlock()
	s.pause.set(pauseShutdown, pauseWrites, time.Now().Add(timeout+time.Minute))
	s.waitForRuns(ctx)

	online := onlineReplicas(p)
	inSync := online
	if online > 0 {
		inSync = p.node.Wait(ctx, p.backlog.End(), online)
	}
	s.stop.mu.Lock()
	s.stop.mu.abort = nil
	s.stop.mu.Unlock()
	select {
	case <-aborted:
		s.ShutdownFailed(ErrShutdownAborted)
		return ErrShutdownAborted
	default:
	}
	if online > 0 {
		s.log.Info("replicas in sync when shutting down", "in_sync", inSync, "replicas", online)
	}
	return nil
}

func onlineReplicas(p *parts) int {
	n := 0
	for _, f := range p.node.Status().Feeds {
		if f.State == stateOnline {
			n++
		}
	}
	return n
}

// ShutdownFailed tells the clients that wait for SHUTDOWN that it came to nothing, and lets writes go on.
func (s *Server) ShutdownFailed(err error) {
	if !errors.Is(err, ErrShutdownAborted) {
		s.log.Error("shutdown failed; the server goes on", "err", err)
	}
	s.stop.mu.Lock()
	s.stop.mu.asked = false
	close(s.stop.mu.failed)
	s.stop.mu.failed = make(chan struct{})
	s.stop.mu.Unlock()
	s.pause.set(pauseShutdown, pauseNone, time.Time{})
}

// abortShutdown serves SHUTDOWN ABORT; false: there is nothing to abort (any more).
func (s *Server) abortShutdown() bool {
	s.stop.mu.Lock()
	defer s.stop.mu.Unlock()
	if s.stop.mu.abort == nil {
		return false
	}
	s.stop.mu.abort()
	s.stop.mu.abort = nil
	return true
}
