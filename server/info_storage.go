package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func infoKeyspace(s *Server, w *infoWriter) {
	p := s.parts.Load()
	if p == nil {
		return
	}
	for db, st := range p.engine.DBStats() {
		if st.Keys > 0 || st.Expires > 0 {
			w.line(fmt.Sprintf("db%d", db), "keys=%d,expires=%d,avg_ttl=0", st.Keys, st.Expires)
		}
	}
}

// infoStorage is about the keyspace on disk.
func infoStorage(s *Server, w *infoWriter) {
	p := s.parts.Load()
	if p == nil {
		return
	}
	st := s.engineStats(p.engine)
	w.count("applied_offset", p.engine.Applied())
	w.count("durable_applied_offset", st.DurableApplied)
	w.count("write_batches", st.Writes)
	w.num("disk_bytes", st.DiskBytes)
	w.num("memtable_bytes", st.MemTableBytes)
	w.num("block_cache_bytes", st.BlockCacheBytes)
	w.num("row_cache_bytes", st.RowCacheBytes)
	w.num("row_ghosts", st.RowGhosts)
	w.num("row_filter_rows", st.RowFilterRows)
	w.num("l0_sublevels", st.L0Sublevels)
	w.num("flushes", st.Flushes)
	w.num("compactions", st.Compactions)
	w.count("compaction_debt_bytes", st.CompactionDebt)
	w.count("throttled_usec", st.ThrottledNanos/1000)
	w.num("reclaim_pending", st.ReclaimPending)
	if err := p.engine.ApplyError(); err != nil {
		w.text("apply_error", oneLine(err.Error()))
	}
}

// infoBacklog is about the log, which is the replication backlog.
func infoBacklog(s *Server, w *infoWriter) {
	p := s.parts.Load()
	if p == nil {
		return
	}
	st := p.backlog.Stats()
	w.text("node_id", p.backlog.NodeID())
	w.count("generation", p.backlog.Generation())
	w.text("appendfsync", s.cfg.Current().AppendFsync)
	w.text("log_status", healthText(p.backlog.Health()))
	w.count("log_start_offset", st.Start)
	w.count("log_end_offset", st.End)
	w.count("log_written_offset", st.Written)
	w.count("log_synced_offset", st.Synced)
	w.num("log_segments", int64(st.Segments))
	w.num("log_disk_bytes", st.DiskBytes)
	oldest := int64(-1)
	if st.OldestMs > 0 {
		oldest = max((w.now.UnixMilli()-st.OldestMs)/1000, 0)
	}
	w.num("log_oldest_record_seconds_ago", oldest)
	w.count("log_fsyncs", st.Syncs)
	perSync := 0.0
	if st.Syncs > 0 {
		perSync = float64(st.SyncNanos) / 1000 / float64(st.Syncs)
	}
	w.line("log_usec_per_fsync", "%.2f", perSync)
	for i, h := range p.backlog.Histories() {
		w.line(fmt.Sprintf("history%d", i), "id=%s,start=%d", h.ID, h.Start)
	}
	for i, pin := range st.Pins {
		w.line(fmt.Sprintf("pin%d", i), "name=%s,offset=%d", strings.ReplaceAll(oneLine(pin.Name), ",", "_"), pin.Offset)
	}
	w.count("pins_lost", st.PinsLost)
	for i, r := range p.backlog.Replicas() {
		w.line(fmt.Sprintf("known_replica%d", i), "node_id=%s,addr=%s,ack=%d,last_seen_seconds_ago=%d",
			r.ID, oneLine(r.Addr), r.Ack, max(w.secondsSince(r.LastSeen), 0))
	}
}

// oneLine keeps a text from breaking INFO's line structure.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

func sortedKeys(m map[string]uint64) []string { return slices.Sorted(maps.Keys(m)) }
