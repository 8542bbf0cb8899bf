package server

import (
	"time"

	"replogd/config"
)

// housekeep samples rates and looks after connections whose goroutines are busy waiting. It ends with the server.
func (s *Server) housekeep() {
	defer s.wg.Done()
	ticker := time.NewTicker(cronPeriod)
	defer ticker.Stop()
	for tick := 0; ; tick++ {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			s.sampleRates(now)
			if tick%recentTicks == 0 {
				s.stats.maxQuery.rotate()
				s.stats.maxReply.rotate()
			}
			if tick%clientScanTicks == 0 {
				s.sampleMemory()
				s.scanClients(now)
			}
		}
	}
}

func (s *Server) sampleRates(now time.Time) {
	counters := [rateKinds]uint64{
		rateCommands: s.stats.commands.Load(), rateNetIn: s.stats.netIn.Load(), rateNetOut: s.stats.netOut.Load(),
	}
	if p := s.parts.Load(); p != nil {
		st := p.node.Status()
		counters[rateReplIn], counters[rateReplOut] = st.NetInput, st.NetOutput
	}
	s.stats.rates.sample(now, counters)
}

func (s *Server) sampleMemory() {
	used := goMemory().objects
	if used > s.stats.peakMemory.Load() {
		s.stats.peakMemory.Store(used)
	}
}

// scanClients applies the limits that a waiting or sleeping goroutine cannot apply itself. The housekeeper calls it; scans may overlap.
func (s *Server) scanClients(now time.Time) {
	cfg := s.cfg.Current()
	s.clients.each(func(c *conn) {
		if reason := c.overdue(now, cfg); reason != "" {
			s.log.Info("closing client", "client", c.addr, "id", c.id, "reason", reason)
			c.kill()
		}
	})
}

// overdue returns why a connection has to go, or "".
func (c *conn) overdue(now time.Time, cfg *config.Config) string {
	if c.flags.Load()&flagReplica != 0 {
		return "" // replica.Node has its own time-outs
	}
	if since := c.partial.Load(); since != 0 && now.Sub(time.Unix(0, since)) > unauthFrameTimeout {
		return "half a command before authentication"
	}
	if since := c.waiting.Load(); since != 0 {
		if now.Sub(time.Unix(0, since)) > goneCheckAfter && c.peerGone() {
			return "peer has gone while a command waited"
		}
		return c.overSoftLimit(now, cfg)
	}
	if reason := c.overSoftLimit(now, cfg); reason != "" {
		return reason
	}
	if c.subs.subscribed() {
		return "" // they may wait for ever
	}
	idle := now.Sub(time.Unix(0, c.lastActive.Load()))
	if cfg.Timeout > 0 && idle > cfg.Timeout && c.owed.Load() == 0 {
		return "idle for longer than timeout"
	}
	return ""
}

// overSoftLimit applies the soft limit of client-output-buffer-limit to what waits to be written.
func (c *conn) overSoftLimit(now time.Time, cfg *config.Config) string {
	limit, owed := cfg.ClientOutputBufferLimit.Normal, c.owed.Load()
	if c.subs.subscribed() {
		limit, owed = cfg.ClientOutputBufferLimit.PubSub, owed+c.queued.Load()
	}
	if limit.Soft <= 0 || owed <= limit.Soft {
		if c.softSince.Load() != nil {
			c.softSince.Store(nil)
		}
		return ""
	}
	since := c.softSince.Load()
	if since == nil {
		at := now
		since = &at
		c.softSince.Store(since)
	}
	if now.Sub(*since) <= limit.SoftFor {
		return ""
	}
	return "over the soft limit of client-output-buffer-limit"
}
