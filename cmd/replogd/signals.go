package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// signals turns the process' signals into events: the first SIGTERM or SIGINT is a wish to stop, a second one ends the process
// at once, SIGHUP reopens the logfile.
type signals struct {
	term chan os.Signal // the wish, at most one pending

	asked atomic.Int64 // when a wish was passed on, Unix nanoseconds; 0: none
	now   func() time.Time
	raw   chan os.Signal
	done  chan struct{}
	group sync.WaitGroup
	exit  func(code int)
}

// repeatGrace is how long after the first signal another one is taken for the same wish: timeout(1), shells and supervisors signal
// the process and then its group.
const repeatGrace = 500 * time.Millisecond

// rawSignals is more than a person sends before the goroutine has looked.
const rawSignals = 8

func watchSignals(log *slog.Logger, out *logOutput) *signals {
	s := &signals{term: make(chan os.Signal, 1), raw: make(chan os.Signal, rawSignals), done: make(chan struct{}), exit: os.Exit, now: time.Now}
	signal.Notify(s.raw, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	s.group.Go(func() {
		for {
			select {
			case <-s.done:
				return
			case sig := <-s.raw:
				s.handle(sig, log, out)
			}
		}
	})
	return s
}

func (s *signals) handle(sig os.Signal, log *slog.Logger, out *logOutput) {
	if sig == syscall.SIGHUP {
		if err := out.reopen(); err != nil {
			log.Error("logfile not reopened, the old one stays in use", "err", err)
			return
		}
		log.Info("logfile reopened")
		return
	}
	now := s.now()
	if first := s.asked.Load(); first != 0 {
		if now.Sub(time.Unix(0, first)) < repeatGrace {
			return
		}
		log.Warn("told to stop a second time: ending at once, the next start recovers", "signal", sig)
		s.exit(exitFailed)
		return
	}
	s.asked.Store(now.UnixNano())
	s.term <- sig // one slot, one wish
}

// forget makes the next signal a first one again: a shutdown was called off.
func (s *signals) forget() {
	select {
	case <-s.term:
	default:
	}
	s.asked.Store(0)
}

// cancelOnTerm calls cancel at the first wish to stop until the returned function is called, which tells the signal, if there was one.
func (s *signals) cancelOnTerm(cancel context.CancelFunc) (stop func() os.Signal) {
	done := make(chan struct{})
	got := make(chan os.Signal, 1)
	s.group.Go(func() {
		defer close(got)
		select {
		case sig := <-s.term:
			got <- sig
			cancel()
		case <-done:
		}
	})
	return func() os.Signal {
		close(done)
		return <-got
	}
}

// stop ends the watching; further signals have their default effect.
func (s *signals) stop() {
	signal.Stop(s.raw)
	close(s.done)
	s.group.Wait()
}
