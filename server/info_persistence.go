package server

import "replogd/replica"

// infoPersistence tells of the log in the words of Redis' append-only file (it is one, and always on), and of RDB
// files.
func infoPersistence(s *Server, w *infoWriter) {
	p, sv := s.parts.Load(), s.saves.status()
	w.flag("loading", p == nil)
	var st replica.Status
	if p != nil {
		st = p.node.Status()
	}
	w.flag("async_loading", !st.LoadSince.IsZero())
	keys, total := int64(0), int64(0)
	if sv.running {
		keys, total = s.saves.keys.Load(), s.saves.total.Load()
	}
	w.num("current_save_keys_processed", keys)
	w.num("current_save_keys_total", total)
	w.flag("rdb_bgsave_in_progress", sv.running)
	w.num("rdb_last_save_time", sv.last.Unix())
	w.text("rdb_last_bgsave_status", okOr(sv.failed))
	took, current := int64(-1), int64(-1)
	if sv.lastDone {
		took = int64(sv.took.Seconds())
	}
	if sv.running {
		current = int64(w.now.Sub(sv.since).Seconds())
	}
	w.num("rdb_last_bgsave_time_sec", took)
	w.num("rdb_current_bgsave_time_sec", current)
	w.count("rdb_saves", sv.count)
	w.num("aof_enabled", 1)
	w.num("aof_rewrite_in_progress", 0)
	w.num("aof_rewrite_scheduled", 0)
	w.num("aof_last_rewrite_time_sec", -1)
	w.num("aof_current_rewrite_time_sec", -1)
	w.text("aof_last_bgrewrite_status", "ok")
	w.text("aof_last_write_status", okOr(p != nil && p.backlog.Health() != nil))
	if p == nil {
		loadingLines(w, s.started, signed(s.recovery.done.Load()), signed(s.recovery.total.Load()))
		return
	}
	log := p.backlog.Stats()
	w.num("aof_current_size", log.DiskBytes)
	w.count("aof_buffer_length", log.End-min(log.Written, log.End))
	w.flag("aof_pending_bio_fsync", log.Synced < log.Written && syncsInBackground(s))
	if !st.LoadSince.IsZero() {
		loadingLines(w, st.LoadSince, st.LoadRead, st.SyncTotal)
	}
}

func syncsInBackground(s *Server) bool {
	return s.cfg.Current().AppendFsync != "no"
}

// healthText is the state of the log for # Backlog.
func healthText(err error) string {
	if err == nil {
		return "ok"
	}
	return oneLine(err.Error())
}
