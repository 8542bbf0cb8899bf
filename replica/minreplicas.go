package replica

import "time"

// noReplicas is Redis' text (7.0.15), with its code.
const noReplicas = "NOREPLICAS Not enough good replicas to write."

// WriteRefusal is "" or the NOREPLICAS error: min-replicas-to-write and min-replicas-max-lag are both set, and fewer online
// replicas than that were heard within the lag. It judges the moment before a write; it is no promise about where the write
// arrives. Lock-free. On a replica it is "": there the read-only rule speaks.
func (n *Node) WriteRefusal() string {
	if n.link() != nil {
		return ""
	}
	s := n.o.Settings()
	if s.MinReplicasToWrite <= 0 || s.MinReplicasMaxLag <= 0 || n.good.Load() >= int64(s.MinReplicasToWrite) {
		return ""
	}
	return noReplicas
}

// countGoodReplicas renews the count WriteRefusal reads: on every ACK, on every replica that comes or goes, and on every tick, which
// is what notices silence. Lag has Redis' granularity of a second: a lag of 10.9 s is within 10.
func (n *Node) countGoodReplicas(now time.Time) {
	most := n.o.Settings().MinReplicasMaxLag
	var good int64
	for _, f := range n.feeds.list() {
		if pr := f.progress(); pr.State == Stream && pr.Lag(now).Truncate(time.Second) <= most {
			good++
		}
	}
	n.good.Store(good)
}
