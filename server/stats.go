package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// stats are the server's counters. Connections add to them once per read, write or batch, not once per command.
type stats struct {
	since         atomic.Int64 // UnixNano of the boot or of CONFIG RESETSTAT
	conns         atomic.Uint64
	rejectedConns atomic.Uint64
	commands      atomic.Uint64
	netIn, netOut atomic.Uint64
	reads, writes atomic.Uint64
	errorReplies  atomic.Uint64
	maxQuery      recentMax
	maxReply      recentMax
	peakMemory    atomic.Uint64

	rates  rates
	errors errorCodes
}

func (s *stats) init(now time.Time) {
	s.since.Store(now.UnixNano())
	s.errors.mu.byCode = map[string]uint64{}
}

// reset serves CONFIG RESETSTAT.
func (s *stats) reset(now time.Time) {
	s.since.Store(now.UnixNano())
	for _, c := range []*atomic.Uint64{
		&s.conns, &s.rejectedConns, &s.commands, &s.netIn, &s.netOut, &s.reads, &s.writes, &s.errorReplies,
	} {
		c.Store(0)
	}
	s.errors.reset()
	s.rates.reset()
}

// recentMax is the largest value of the last one to two windows.
type recentMax struct{ current, before atomic.Int64 }

func (r *recentMax) see(n int64) {
	for {
		old := r.current.Load()
		if n <= old || r.current.CompareAndSwap(old, n) {
			return
		}
	}
}

func (r *recentMax) load() int64 { return max(r.current.Load(), r.before.Load()) }

// rotate begins a new window; the housekeeper calls it.
func (r *recentMax) rotate() { r.before.Store(r.current.Swap(0)) }

// rateSamples is the number of samples an instantaneous value is the mean of, as in Redis.
const rateSamples = 16

// rates turns counters into per-second values, sampled by the housekeeper.
type rates struct {
	mu struct {
		sync.Mutex
		last   time.Time
		before [rateKinds]uint64
		ring   [rateKinds][rateSamples]float64
		at     int
	}
}

// What is sampled.
const (
	rateCommands = iota
	rateNetIn
	rateNetOut
	rateReplIn
	rateReplOut
	rateKinds
)

func (r *rates) sample(now time.Time, counters [rateKinds]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.mu
	if !m.last.IsZero() {
		if seconds := now.Sub(m.last).Seconds(); seconds > 0 {
			for k, v := range counters {
				grown := 0.0
				if v > m.before[k] { // else: CONFIG RESETSTAT
					grown = float64(v - m.before[k])
				}
				m.ring[k][m.at] = grown / seconds
			}
			m.at = (m.at + 1) % rateSamples
		}
	}
	m.last, m.before = now, counters
}

func (r *rates) perSecond(kind int) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0.0
	for _, v := range r.mu.ring[kind] {
		sum += v
	}
	return sum / rateSamples
}

func (r *rates) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.last = time.Time{}
	r.mu.ring = [rateKinds][rateSamples]float64{}
}
