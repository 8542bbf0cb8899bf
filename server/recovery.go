package server

import (
	"sync/atomic"
	"time"
)

// recovery is how far the start has got with the log, for INFO.
type recovery struct{ done, total atomic.Uint64 }

// Recovering is told of it by package engine.
func (s *Server) Recovering(done, total uint64) {
	s.recovery.total.Store(total)
	s.recovery.done.Store(done)
}

// loadingLines are Redis' fields while something is being loaded: the log at the start, an RDB of a stock master beside the data in use.
func loadingLines(w *infoWriter, since time.Time, done, total int64) {
	total = max(total, done)
	w.num("loading_start_time", since.Unix())
	w.num("loading_total_bytes", total)
	w.num("loading_loaded_bytes", done)
	w.line("loading_loaded_perc", "%.2f", 100*float64(done)/float64(max(total, 1)))
	eta := int64(1)
	if took := w.now.Sub(since); done > 0 {
		eta = int64((took.Seconds() * float64(total-done)) / float64(done))
	}
	w.num("loading_eta_seconds", eta)
}
