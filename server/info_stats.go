package server

import "replogd/engine"

func infoStats(s *Server, w *infoWriter) {
	var st engine.Stats
	p := s.parts.Load()
	if p != nil {
		st = s.engineStats(p.engine)
	}
	w.count("total_connections_received", s.stats.conns.Load())
	w.count("total_commands_processed", s.stats.commands.Load())
	w.num("instantaneous_ops_per_sec", int64(s.stats.rates.perSecond(rateCommands)))
	w.count("total_net_input_bytes", s.stats.netIn.Load())
	w.count("total_net_output_bytes", s.stats.netOut.Load())
	infoReplicationBytes(p, w)
	kbps := func(name string, kind int) { w.line(name, "%.2f", s.stats.rates.perSecond(kind)/1024) }
	kbps("instantaneous_input_kbps", rateNetIn)
	kbps("instantaneous_output_kbps", rateNetOut)
	kbps("instantaneous_input_repl_kbps", rateReplIn)
	kbps("instantaneous_output_repl_kbps", rateReplOut)
	w.count("rejected_connections", s.stats.rejectedConns.Load())
	infoSyncCounts(p, w)
	w.count("expired_keys", st.ExpiredKeys)
	w.num("evicted_keys", 0)
	w.num("evicted_clients", 0)
	w.count("keyspace_hits", st.Hits)
	w.count("keyspace_misses", st.Misses)
	w.num("pubsub_channels", int64(s.hub.count(channels)))
	w.num("pubsub_patterns", int64(s.hub.count(patterns)))
	w.num("latest_fork_usec", 0)
	w.num("total_forks", 0)
	w.count("total_error_replies", s.stats.errorReplies.Load())
	w.count("total_reads_processed", s.stats.reads.Load())
	w.count("total_writes_processed", s.stats.writes.Load())
}

func infoReplicationBytes(p *parts, w *infoWriter) {
	var in, out uint64
	if p != nil {
		st := p.node.Status()
		in, out = st.NetInput, st.NetOutput
	}
	w.count("total_net_repl_input_bytes", in)
	w.count("total_net_repl_output_bytes", out)
}

func infoSyncCounts(p *parts, w *infoWriter) {
	var full, ok, refused uint64
	if p != nil {
		st := p.node.Status()
		full, ok, refused = st.SyncFull, st.SyncPartialOK, st.SyncPartialErr
	}
	w.count("sync_full", full)
	w.count("sync_partial_ok", ok)
	w.count("sync_partial_err", refused)
}

func infoCommandStats(s *Server, w *infoWriter) {
	s.table.each(func(e *entry) {
		calls, failed, nanos, rejected := e.counters()
		if calls == 0 && rejected == 0 {
			return
		}
		usec := nanos / 1000
		perCall := 0.0
		if calls > 0 {
			perCall = float64(nanos) / 1000 / float64(calls)
		}
		w.line("cmdstat_"+e.name, "calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d", calls, usec, perCall, rejected, failed)
	})
}

// counters are a command's, wherever it is executed.
func (e *entry) counters() (calls, failed, nanos, rejected uint64) {
	if k := e.keyspace; k != nil {
		return k.Calls.Load(), k.Failed.Load(), k.Nanos.Load(), e.rejected.Load()
	}
	return e.calls.Load(), e.failed.Load(), e.nanos.Load(), e.rejected.Load()
}

func infoErrorStats(s *Server, w *infoWriter) {
	for _, e := range s.stats.errors.list() {
		w.line("errorstat_"+oneLine(e.code), "count=%d", e.count)
	}
}

func infoCPU(_ *Server, w *infoWriter) {
	self, children, ok := cpuTimes()
	if !ok {
		return
	}
	w.line("used_cpu_sys", "%.6f", self[0].Seconds())
	w.line("used_cpu_user", "%.6f", self[1].Seconds())
	w.line("used_cpu_sys_children", "%.6f", children[0].Seconds())
	w.line("used_cpu_user_children", "%.6f", children[1].Seconds())
}
