package replica

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"replogd/backlog"
)

// FeedStatus is one replica of ours.
type FeedStatus struct {
	IP          string
	Port        int
	State       string // wait_bgsave, send_bulk, online
	NodeID      string // "" from stock replicas
	Ack         uint64 // applied offset it acknowledged, 0 before the first ACK
	AckFsynced  uint64 // fsynced offset it acknowledged
	LagSeconds  int64  // since it was last heard; 0 when not online
	LagBytes    uint64 // bytes of our stream it has not acknowledged
	BytesToTrim int64  // log bytes behind its position that retention still keeps
	ClientID    int64
}

// Status is all that INFO replication, ROLE and INFO stats need. It is a copy.
type Status struct {
	Master     bool // this node is a master
	MasterHost string
	MasterPort int

	LinkState      string // ROLE: none connect connecting handshake sync connected
	LinkUp         bool
	LastIO         time.Time // of the link; zero: never
	SyncInProgress bool
	SyncTotal      int64 // content bytes of the checkpoint being received
	SyncRead       int64 // of these at hand
	SyncLastIO     time.Time
	LoadSince      time.Time // since when a stock master's RDB is being made a keyspace; zero: none is
	LoadRead       int64     // bytes of it that are done
	LinkDownSince  time.Time // zero: never was up, or is up
	LinkError      string    // why the link is down, for INFO master_link_error

	ReadOffset    uint64 // end of the log: whole units received
	AppliedOffset uint64

	Feeds        []FeedStatus
	GoodReplicas int // online and heard within min-replicas-max-lag

	SyncFull, SyncPartialOK, SyncPartialErr uint64

	FullSyncReasons    map[string]uint64 // refused positions by reason
	LastFullSyncReason string            // the last one, in a sentence

	NetInput, NetOutput uint64 // replication bytes from the master, to replicas
	Histories           []backlog.History
}

// Status never blocks on a role change or on the network.
func (n *Node) Status() Status {
	s := Status{
		Master: true, LinkState: linkNone.String(), LinkUp: true,
		ReadOffset: n.o.Backlog.End(), AppliedOffset: n.o.Engine.Applied(),
		GoodReplicas: int(n.good.Load()),
		Histories:    n.o.Backlog.Histories(),
	}
	if l := n.link(); l != nil {
		s.Master, s.MasterHost, s.MasterPort = false, l.host, l.port
		l.status(&s)
	}
	n.counts.status(&s)
	now := time.Now()
	start := n.o.Backlog.Start()
	for _, f := range n.feeds.list() {
		s.Feeds = append(s.Feeds, f.status(now, s.ReadOffset, start))
	}
	sortFeeds(s.Feeds)
	return s
}

func (f *feed) status(now time.Time, end, start uint64) FeedStatus {
	pr := f.progress()
	held := pr.Match
	if held == 0 {
		held = pr.Next
	}
	return FeedStatus{
		IP: f.host, Port: f.port, State: pr.State.String(), NodeID: f.p.NodeID,
		Ack: pr.Match, AckFsynced: pr.Fsynced,
		LagSeconds:  int64(pr.Lag(now) / time.Second),
		LagBytes:    behind(end, pr.Match),
		BytesToTrim: int64(held) - int64(start), // #nosec G115 -- offsets stay below 2^63
		ClientID:    f.p.ClientID,
	}
}

// ResetStats is CONFIG RESETSTAT.
func (n *Node) ResetStats() { n.counts.reset() }

// counters are what INFO stats shows.
type counters struct {
	full, partialOK, partialErr, netInput, netOutput atomic.Uint64

	mu struct {
		sync.Mutex
		reasons map[string]uint64
		last    string
	}
}

func newCounters() *counters {
	c := &counters{}
	c.mu.reasons = make(map[string]uint64)
	return c
}

// refused notes why a position cannot be continued from. As in Redis a replica without a position is no failed partial sync.
func (c *counters) refused(v verdict, req psyncRequest) {
	if !req.sync && req.id != "?" {
		c.partialErr.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.reasons[v.reason]++
	c.mu.last = v.reason + ": " + v.detail
}

func (c *counters) status(s *Status) {
	s.SyncFull, s.SyncPartialOK, s.SyncPartialErr = c.full.Load(), c.partialOK.Load(), c.partialErr.Load()
	s.NetInput, s.NetOutput = c.netInput.Load(), c.netOutput.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.FullSyncReasons = maps.Clone(c.mu.reasons)
	s.LastFullSyncReason = c.mu.last
}

func (c *counters) reset() {
	for _, v := range []*atomic.Uint64{&c.full, &c.partialOK, &c.partialErr, &c.netInput, &c.netOutput} {
		v.Store(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.mu.reasons)
	c.mu.last = ""
}

// sortFeeds gives INFO a stable order: that of the connections.
func sortFeeds(feeds []FeedStatus) {
	slices.SortFunc(feeds, func(a, b FeedStatus) int { return cmp.Compare(a.ClientID, b.ClientID) })
}
