package backlog

import (
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"replogd/wal"
)

// keeperEvery is how often the keeper looks by itself.
const keeperEvery = time.Second

// keeper is the one goroutine of a Backlog: retention, notes of replicas, and what follows from them. Open starts it, Close
// stops it and waits for it.
type keeper struct {
	kicks chan struct{} // capacity 1: kicks that come together count as one
	stop  chan struct{}
	done  chan struct{}

	// pass keeps retention passes and generation switches apart. It is held while segment files are removed; apart from those
	// two nobody takes it.
	pass sync.Mutex
}

func (k *keeper) kick() {
	select {
	case k.kicks <- struct{}{}:
	default: // one is pending, or there is no keeper (read-only)
	}
}

func (b *Backlog) startKeeper() {
	b.keeper.kicks = make(chan struct{}, 1)
	b.keeper.stop = make(chan struct{})
	b.keeper.done = make(chan struct{})
	go b.keep()
}

func (b *Backlog) keep() {
	defer close(b.keeper.done)
	tick := time.NewTicker(b.o.keeperEveryForTesting)
	defer tick.Stop()
	for {
		select {
		case <-b.keeper.stop:
			return
		case <-tick.C:
			b.housekeep()
		case <-b.keeper.kicks:
		}
		b.retain()
		b.trimHistories()
	}
}

func (b *Backlog) stopKeeper() {
	if b.keeper.stop != nil {
		close(b.keeper.stop)
		<-b.keeper.done
	}
}

// housekeep does what only needs doing now and then. Errors are in the log and in Health.
func (b *Backlog) housekeep() {
	_ = b.flushReplicas(false)
	if b.o.Policy() != wal.SyncAlways {
		// The policy was changed without SetUnsafeShipping: until this is recorded nothing is shipped unsynced (see Safe).
		_ = b.SetUnsafeShipping()
	}
}

// trimHistories forgets histories that no position can be accepted on any more.
func (b *Backlog) trimHistories() {
	if l := b.lineage.Load(); l.trimmed(b.Start()) == l {
		return
	}
	b.changes.Lock()
	defer b.changes.Unlock()
	l := b.lineage.Load()
	n := l.trimmed(b.Start())
	if n == l {
		return
	}
	err := b.commitLocked("trim histories", func(mb *bolt.Bucket) error { return put(mb, keyHistories, encodeLineage(n)) })
	if err == nil {
		b.lineage.Store(n)
	}
}
