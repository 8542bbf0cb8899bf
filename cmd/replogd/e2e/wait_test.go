package e2e_test

import (
	"fmt"
	"testing"
	"time"
)

const (
	pollEvery    = 10 * time.Millisecond
	startWithin  = 20 * time.Second // a process answers PING
	exitWithin   = 20 * time.Second // a process is gone after it was asked to go
	syncWithin   = 30 * time.Second // a link comes up, data arrive
	reactsWithin = 10 * time.Second // anything else a node does by itself
)

// poll calls cond until it returns nil or the time is over; then it returns cond's last error.
func poll(within time.Duration, cond func() error) error {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return fmt.Errorf("not within %v: %w", within, err)
		case <-tick.C:
		}
	}
}

// eventually fails the test unless cond returns nil in time.
func eventually(t testing.TB, within time.Duration, what string, cond func() error) {
	t.Helper()
	if err := poll(within, cond); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// want is nil if got is what was wanted: the usual condition of eventually.
func want[T comparable](name string, got, wanted T) error {
	if got != wanted {
		return fmt.Errorf("%s is %v, not %v", name, got, wanted)
	}
	return nil
}
