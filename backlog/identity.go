package backlog

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Unclean is true when the last run did not end with Close(true). A new directory is clean.
func (b *Backlog) Unclean() bool { return b.unclean }

// LostTailPossible is true when a run that was leader and may have shipped bytes before fsyncing them ended uncleanly, and no
// new history was begun since: a replica may hold bytes of the current history that this log lost. The leader must call
// StartHistory before its first write. It stays true over further crashes and restarts until StartHistory or BeginGeneration.
func (b *Backlog) LostTailPossible() bool { return b.lostTail.Load() }

// MustStartHistory is what a node that starts as leader has to ask: true when LostTailPossible, and when the current history
// is not this node's own but an upstream's, on which two nodes would else write different bytes.
func (b *Backlog) MustStartHistory() bool {
	return b.lostTail.Load() || !b.lineage.Load().own
}

// SetRole records durably whether this node now leads. It is called before the first write in that role, and before the
// first byte of an upstream is appended: a follower no longer owns its current history (MustStartHistory), whatever the
// upstream calls its own.
//
// Crash before it returns: the old role stands, and nothing was written in the new one. After: the new one stands.
func (b *Backlog) SetRole(leader bool) error {
	b.changes.Lock()
	defer b.changes.Unlock()
	r, was := b.changes.run, b.lineage.Load()
	if leader {
		r.role, r.led = roleLeader, true
		return b.setRunLocked("record role", r)
	}
	r.role = roleFollower
	if !was.own {
		return b.setRunLocked("record role", r)
	}
	n := was.clone()
	n.own = false
	return b.setLineageLocked("record role", n, r)
}

// setLineageLocked commits a list together with the run record and puts both into effect.
func (b *Backlog) setLineageLocked(what string, n *lineage, r runRecord) error {
	err := b.commitLocked(what, func(mb *bolt.Bucket) error {
		if err := put(mb, keyRun, encodeRun(r)); err != nil {
			return err
		}
		return put(mb, keyHistories, encodeLineage(n))
	})
	if err != nil {
		return err
	}
	b.changes.run = r
	b.unsafe.Store(r.unsafe)
	b.lostTail.Store(r.lostTail)
	b.lineage.Store(n)
	return nil
}

// SetUnsafeShipping records durably that from now on bytes may leave this process before they are fsynced. It is called
// before appendfsync turns from always to another policy takes effect; a policy other than always at Open does it by itself.
// Cheap when already recorded. It stays for the rest of the run.
func (b *Backlog) SetUnsafeShipping() error {
	if b.unsafe.Load() {
		return nil
	}
	b.changes.Lock()
	defer b.changes.Unlock()
	r := b.changes.run
	r.unsafe = true
	return b.setRunLocked("record fsync policy", r)
}

func (b *Backlog) setRunLocked(what string, r runRecord) error {
	if r == b.changes.run {
		return nil
	}
	err := b.commitLocked(what, func(mb *bolt.Bucket) error { return put(mb, keyRun, encodeRun(r)) })
	if err != nil {
		return err
	}
	b.changes.run = r
	b.unsafe.Store(r.unsafe)
	b.lostTail.Store(r.lostTail)
	return nil
}

// StartHistory begins a new random history at End; no Append may run meanwhile. Histories announced past End are left where
// our log ends: positions on them up to there are still accepted. Durable in meta.db before it returns, so before any byte of
// the new history exists. After an error the old list is in effect.
//
// Crash before the commit: the old list, and LostTailPossible as before. After: the new history, which may be empty.
func (b *Backlog) StartHistory() (History, error) {
	b.changes.Lock()
	defer b.changes.Unlock()
	n := b.lineage.Load().begun(newID(), b.End()).trimmed(b.Start())
	r := b.changes.run
	r.lostTail = false
	if err := b.setLineageLocked("start history", n, r); err != nil {
		return History{}, err
	}
	h := n.current()
	b.logger.Info("started a new history", "history", h.ID, "start", h.Start)
	return h, nil
}

// AdoptHistories replaces the list by that of an upstream which has accepted our position (+CONTINUE), keeping older entries
// of ours that it no longer has. Entries may begin past End: bytes get their history as the log reaches it. No Append may run
// meanwhile. Durable when it returns; a list that changes nothing costs nothing. ErrHistories for a list that breaks a rule
// or does not continue our position; after an error the old list is in effect.
func (b *Backlog) AdoptHistories(hs []History) error {
	hs, err := checkHistories(hs)
	if err != nil {
		return fmt.Errorf("adopt histories: %w", err)
	}
	b.changes.Lock()
	defer b.changes.Unlock()
	old := b.lineage.Load()
	n, err := old.adopted(hs, b.End(), b.lastEpoch.Load())
	if err != nil {
		return fmt.Errorf("adopt histories: %w", err)
	}
	n = n.trimmed(b.Start())
	if old.same(n.hs) && !old.own {
		return nil
	}
	err = b.commitLocked("adopt histories", func(mb *bolt.Bucket) error { return put(mb, keyHistories, encodeLineage(n)) })
	if err != nil {
		return err
	}
	b.lineage.Store(n)
	b.logger.Info("adopted the upstream's histories", "count", len(n.hs), "history", n.current().ID, "start", n.current().Start)
	return nil
}

// BeginGeneration switches, in one commit of meta.db, to dataset generation gen with hs as histories and forgets the notes of
// named replicas, then resets the log to start there. It is the full sync's switch. gen must be higher than Generation(). No
// Append may run meanwhile; every pin and cursor is lost. After an error of the commit everything is as before; after an
// error of the reset Append and Health return it, and a restart finishes the switch.
//
// Crash before the commit: the old generation, whole. Between commit and the end of the reset: Open passes the new generation
// and start to the log, which removes the old segments. After: the new generation with an empty log.
func (b *Backlog) BeginGeneration(gen uint64, hs []History, start uint64) error {
	hs, err := checkHistories(hs)
	if err != nil {
		return fmt.Errorf("begin generation: %w", err)
	}
	// A retention pass works on offsets of one generation: none may run across the switch.
	b.keeper.pass.Lock()
	defer b.keeper.pass.Unlock()
	b.changes.Lock()
	defer b.changes.Unlock()
	if was := b.generation.Load(); gen <= was {
		return fmt.Errorf("begin generation: %d is not higher than the current generation %d", gen, was)
	}
	n := b.lineage.Load().renumbered(hs, start, b.lastEpoch.Load()).limited()
	r := b.changes.run
	r.lostTail, r.floor = false, start
	sound := b.meta.broken.Load() == nil
	err = b.commitTxLocked("begin generation", func(tx *bolt.Tx) error {
		if err := clearReplicas(tx); err != nil {
			return err
		}
		return putState(tx.Bucket([]byte(bucketMeta)), &metaState{
			gen: generationRecord{gen: gen, start: start}, lineage: n, run: r,
		})
	})
	if err != nil {
		if sound && b.meta.broken.Load() != nil {
			// The file may hold the new generation: what is appended from here on could be dropped at the next start.
			b.switchErr.Store(&err)
		}
		return err
	}
	return b.resetLocked(gen, n, start, r)
}

// resetLocked carries out in memory and in the log what BeginGeneration has committed.
func (b *Backlog) resetLocked(gen uint64, n *lineage, start uint64, r runRecord) error {
	b.changes.run = r
	b.lostTail.Store(false)
	b.replicas.clear()
	// Pins first: a cursor that comes to see a byte of the new log finds itself lost before it hands the byte out.
	b.pins.beginSwitch()
	i := n.active(start)
	epoch := n.epochs[i]
	if err := b.log.Reset(gen, start, epoch, walID(n.hs[i].ID)); err != nil {
		// The log may be able to go on as it was (a full disk), but meta.db says that it is no more: a byte appended to it
		// now would be lost at the next start.
		failed := fmt.Errorf("begin generation: reset log: %w; restart the server to finish the full sync's switch to generation %d",
			err, gen)
		b.switchErr.Store(&failed)
		b.logger.Error("the log could not be replaced after a full sync; nothing is appended any more", "err", failed)
		return failed
	}
	b.lastEpoch.Store(epoch)
	b.appender = appender{epoch: epoch}
	b.applied.Store(&appliedMark{gen: gen, off: start})
	b.tail.restart(start)
	b.lineage.Store(n)
	b.generation.Store(gen)
	b.pins.endSwitch(start)
	b.logger.Info("began a new dataset generation", "generation", gen, "start", start, "history", n.current().ID)
	return nil
}

// Role is the role recorded in this run: "none", "leader" or "follower".
func (b *Backlog) Role() string {
	b.changes.Lock()
	defer b.changes.Unlock()
	return b.changes.run.role.String()
}

// PreviousRole is the role that the last run ended in: "none", "leader" or "follower".
func (b *Backlog) PreviousRole() string { return b.prev.role.String() }
