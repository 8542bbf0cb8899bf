package engine

// DBStats counts one database's keys, those included whose time is up but which are not removed yet, and how many have an expiry.
type DBStats struct{ Keys, Expires int64 }

// DBStats returns the counts by database number. Lock-free.
func (e *Engine) DBStats() []DBStats {
	ds := e.acquire()
	defer ds.release()
	out := make([]DBStats, min(len(ds.counts), e.o.Databases))
	for i := range out {
		out[i] = DBStats{Keys: ds.counts[i].Load(), Expires: ds.expiry[i].Load()}
	}
	return out
}

// Stats is what INFO shows of the keyspace. Counters run since Open.
type Stats struct {
	Writes       uint64 // runs of writes committed
	Hits, Misses uint64 // keys looked up by clients' reads
	ExpiredKeys  uint64

	DurableApplied uint64 // offset the store's files hold: a restart replays the log from there

	DiskBytes       int64
	MemTableBytes   int64
	BlockCacheBytes int64
	RowCacheBytes   int64
	RowGhosts       int64 // rows that the row cache remembers to be there; some may be back in it
	RowFilterRows   int64 // rows in the filter of what there is; 0: it is off, or not yet filled

	L0Sublevels    int64
	Flushes        int64 // memtables drained to files
	Compactions    int64
	CompactionDebt uint64 // bytes
	ThrottledNanos uint64 // time writers were slowed down, in all
	ReclaimPending int64  // flushed databases whose rows are still to be removed
}

// Stats takes a moment's picture. It costs some microseconds.
func (e *Engine) Stats() Stats {
	ds := e.acquire()
	defer ds.release()
	m := ds.db.Metrics()
	waiting, err := reclaimPending(ds)
	if err != nil {
		e.o.Logger.Error("keyspace statistics are incomplete", "err", err)
	}
	return Stats{
		Writes: e.writes.Load(), Hits: e.hits.Load(), Misses: e.misses.Load(), ExpiredKeys: e.expired.Load(),
		DurableApplied:  e.durable.Load(),
		DiskBytes:       int64(m.DiskSpaceUsage()),
		MemTableBytes:   ds.mem.bytes(),
		BlockCacheBytes: m.BlockCache.Size,
		RowCacheBytes:   ds.cache.bytes(),
		RowGhosts:       ds.cache.remembered(),
		RowFilterRows:   ds.filters.known(),
		L0Sublevels:     int64(m.Levels[0].Sublevels),
		Flushes:         int64(e.flushes.Load()), //nolint:gosec // one each 32 MiB
		Compactions:     m.Compact.Count,
		CompactionDebt:  m.Compact.EstimatedDebt,
		ThrottledNanos:  e.throttle.waited.Load(),
		ReclaimPending:  waiting,
	}
}
