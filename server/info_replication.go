package server

import (
	"fmt"
	"math"
	"strings"
	"time"

	"replogd/backlog"
	"replogd/config"
	"replogd/replica"
)

// noReplID is master_replid2 when there is no earlier history.
var noReplID = strings.Repeat("0", 40)

// infoReplication is Redis' section line by line, which Sentinel and operators' tools parse; replogd's own lines stand at its end.
func infoReplication(s *Server, w *infoWriter) {
	cfg, p := s.cfg.Current(), s.parts.Load()
	if p == nil {
		infoReplicationLoading(cfg, w)
		return
	}
	st := p.node.Status()
	if st.Master {
		w.text("role", "master")
	} else {
		w.text("role", "slave")
		infoMasterLink(&st, cfg, w)
	}
	infoFeeds(&st, cfg, w)
	w.text("master_failover_state", p.node.FailoverState().String())
	infoIdentity(p.backlog, cfg, w)
	infoReplicationExtras(&st, w)
}

// infoReplicationLoading tells the configured role; offsets are not known yet.
func infoReplicationLoading(cfg *config.Config, w *infoWriter) {
	role := "master"
	if cfg.ReplicaOf != nil {
		role = "slave"
	}
	w.text("role", role)
	if cfg.ReplicaOf != nil {
		st := replica.Status{MasterHost: cfg.ReplicaOf.Host, MasterPort: cfg.ReplicaOf.Port}
		infoMasterLink(&st, cfg, w)
	}
	w.num("connected_slaves", 0)
	w.text("master_failover_state", "no-failover")
}

func infoMasterLink(st *replica.Status, cfg *config.Config, w *infoWriter) {
	w.text("master_host", st.MasterHost)
	w.num("master_port", int64(st.MasterPort))
	status := "down"
	if st.LinkUp {
		status = "up"
	}
	w.text("master_link_status", status)
	lastIO := int64(-1)
	if st.LinkUp && !st.LastIO.IsZero() {
		lastIO = w.secondsSince(st.LastIO)
	}
	w.num("master_last_io_seconds_ago", lastIO)
	w.flag("master_sync_in_progress", st.SyncInProgress)
	w.count("slave_read_repl_offset", st.ReadOffset)
	w.count("slave_repl_offset", st.AppliedOffset)
	if st.SyncInProgress {
		w.num("master_sync_total_bytes", st.SyncTotal)
		w.num("master_sync_read_bytes", st.SyncRead)
		w.num("master_sync_left_bytes", max(st.SyncTotal-st.SyncRead, 0))
		w.line("master_sync_perc", "%.2f", 100*float64(st.SyncRead)/float64(max(st.SyncTotal, 1)))
		w.num("master_sync_last_io_seconds_ago", w.secondsSince(st.SyncLastIO))
	}
	if !st.LinkUp {
		down := int64(-1)
		if !st.LinkDownSince.IsZero() {
			down = w.secondsSince(st.LinkDownSince)
		}
		w.num("master_link_down_since_seconds", down)
	}
	w.num("slave_priority", int64(cfg.ReplicaPriority))
	w.num("slave_read_only", 1) // a replica never takes writes of clients
	w.flag("replica_announced", cfg.ReplicaAnnounced)
}

func (w *infoWriter) secondsSince(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return max(int64(w.now.Sub(t).Seconds()), 0)
}

func infoFeeds(st *replica.Status, cfg *config.Config, w *infoWriter) {
	w.num("connected_slaves", int64(len(st.Feeds)))
	if cfg.MinReplicasToWrite > 0 && cfg.MinReplicasMaxLag > 0 {
		w.num("min_slaves_good_slaves", int64(st.GoodReplicas))
	}
	for i, f := range st.Feeds {
		if f.State == "" {
			continue
		}
		w.line(fmt.Sprintf("slave%d", i), "ip=%s,port=%d,state=%s,offset=%d,lag=%d", oneLine(f.IP), f.Port, f.State, f.Ack, f.LagSeconds)
	}
}

// infoIdentity: master_replid2 is the history before the present one, as Redis' single former identity.
func infoIdentity(b *backlog.Backlog, cfg *config.Config, w *infoWriter) {
	histories := b.Histories()
	current := histories[len(histories)-1]
	former, second := noReplID, int64(-1)
	if len(histories) > 1 {
		former, second = histories[len(histories)-2].ID, signed(current.Start)+1
	}
	start, end := b.Start(), b.End()
	w.text("master_replid", current.ID)
	w.text("master_replid2", former)
	w.count("master_repl_offset", end)
	w.num("second_repl_offset", second)
	w.num("repl_backlog_active", 1)
	w.num("repl_backlog_size", cfg.ReplBacklogSize)
	w.count("repl_backlog_first_byte_offset", start+1)
	w.count("repl_backlog_histlen", end-min(start, end))
}

// signed turns an offset into INFO's signed form; offsets stay below 2^63 by construction.
func signed(off uint64) int64 { return int64(min(off, math.MaxInt64)) } //nolint:gosec // bounded just here

func infoReplicationExtras(st *replica.Status, w *infoWriter) {
	if !st.Master && st.LinkError != "" {
		w.text("master_link_error", oneLine(st.LinkError))
	}
	if st.LastFullSyncReason != "" {
		w.text("last_full_sync_reason", oneLine(st.LastFullSyncReason))
	}
	for _, reason := range sortedKeys(st.FullSyncReasons) {
		w.count("full_sync_reason_"+strings.ReplaceAll(oneLine(reason), " ", "_"), st.FullSyncReasons[reason])
	}
	for i, f := range st.Feeds {
		w.line(fmt.Sprintf("replica%d", i), "node_id=%s,ack_fsynced=%d,lag_bytes=%d,bytes_to_trim=%d,client_id=%d",
			f.NodeID, f.AckFsynced, f.LagBytes, f.BytesToTrim, f.ClientID)
	}
}
