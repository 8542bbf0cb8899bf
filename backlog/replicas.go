package backlog

import (
	"cmp"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// MaxReplicas is how many named replicas are remembered; beyond it the one not seen for longest is forgotten.
	MaxReplicas = 256

	maxReplicaAddr = 256 // bytes; longer ones are cut

	// flushEvery is how often changed notes are written to meta.db at most.
	flushEvery = 5 * time.Second
)

// Replica is a named replica's note. It holds the log from Ack on while it was seen within MaxAge, so that a replica that is
// away finds its place again; notes survive restarts, up to the last few seconds.
type Replica struct {
	ID       string // node id, 40 lower-case hexadecimal digits
	Addr     string // host:port, for people
	Ack      uint64 // the offset it last acknowledged
	LastSeen time.Time
}

type replicaNotes struct {
	mu struct {
		sync.Mutex
		byID    map[string]*Replica
		dirty   bool
		flushed time.Time
	}
}

// NoteReplica remembers that a named replica was just seen and has acknowledged ack. Memory only: written to meta.db every
// few seconds and at Close. An id that is not 40 hexadecimal digits is ignored. Cheap enough for every ACK.
func (b *Backlog) NoteReplica(id, addr string, ack uint64) {
	id, err := normalID(id)
	if err != nil || b.o.ReadOnly {
		return
	}
	if len(addr) > maxReplicaAddr {
		addr = addr[:maxReplicaAddr]
	}
	now := b.o.nowForTesting()
	n := &b.replicas
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.mu.byID[id]
	if r == nil {
		n.evictLocked()
		r = &Replica{ID: id}
		n.addLocked(r)
	}
	// An ack may fall: the replica may have been rolled back to an earlier state.
	r.Addr, r.Ack, r.LastSeen = addr, ack, now
	n.mu.dirty = true
}

func (n *replicaNotes) addLocked(r *Replica) {
	if n.mu.byID == nil {
		n.mu.byID = make(map[string]*Replica)
	}
	n.mu.byID[r.ID] = r
}

func (n *replicaNotes) evictLocked() {
	for len(n.mu.byID) >= MaxReplicas {
		var oldest *Replica
		for _, r := range n.mu.byID {
			if oldest == nil || r.LastSeen.Before(oldest.LastSeen) {
				oldest = r
			}
		}
		delete(n.mu.byID, oldest.ID)
	}
}

// Replicas lists the notes by id; the caller owns the slice.
func (b *Backlog) Replicas() []Replica { return b.replicas.list() }

func (n *replicaNotes) list() []Replica {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Replica, 0, len(n.mu.byID))
	for _, r := range n.mu.byID {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Replica) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// ForgetReplica removes a note, durably, so that it holds the log no longer. An unknown id is not an error.
func (b *Backlog) ForgetReplica(id string) error {
	id, err := normalID(id)
	if err != nil {
		return err
	}
	b.changes.Lock()
	defer b.changes.Unlock()
	err = b.commitTxLocked("forget replica", func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketReplicas)).Delete([]byte(id))
	})
	if err != nil {
		return err
	}
	b.replicas.forget(id)
	b.keeper.kick()
	return nil
}

func (n *replicaNotes) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.byID, id)
}

func (n *replicaNotes) clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.byID, n.mu.dirty = nil, false
}

// load takes over the notes of meta.db at Open.
func (n *replicaNotes) load(rs []Replica) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range rs {
		n.evictLocked()
		n.addLocked(&r)
	}
}

// flushReplicas writes changed notes to meta.db, at most every flushEvery unless force. What a crash loses are the latest
// acks: older ones only hold more of the log.
func (b *Backlog) flushReplicas(force bool) error {
	b.changes.Lock()
	defer b.changes.Unlock()
	return b.flushReplicasLocked(force)
}

func (b *Backlog) flushReplicasLocked(force bool) error {
	rs := b.replicas.takeDirty(b.o.nowForTesting(), force)
	if rs == nil {
		return nil
	}
	err := b.commitTxLocked("write replica notes", func(tx *bolt.Tx) error {
		if err := clearReplicas(tx); err != nil {
			return err
		}
		rb := tx.Bucket([]byte(bucketReplicas))
		for _, r := range rs {
			if err := put(rb, r.ID, encodeReplica(r)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.replicas.markDirty()
	}
	return err
}

func (n *replicaNotes) takeDirty(now time.Time, force bool) []Replica {
	n.mu.Lock()
	due := n.mu.dirty && (force || now.Sub(n.mu.flushed) >= flushEvery)
	if due {
		n.mu.dirty, n.mu.flushed = false, now
	}
	n.mu.Unlock()
	if !due {
		return nil
	}
	return n.list()
}

func (n *replicaNotes) markDirty() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.dirty = true
}

func clearReplicas(tx *bolt.Tx) error {
	if err := tx.DeleteBucket([]byte(bucketReplicas)); err != nil {
		return err
	}
	_, err := tx.CreateBucket([]byte(bucketReplicas))
	return err
}
