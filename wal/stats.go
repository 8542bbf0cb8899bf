package wal

import "sync/atomic"

// Stats counts what the log has done since Open.
type Stats struct {
	Records   uint64 // appended
	Bytes     uint64 // appended payload bytes
	Groups    uint64 // groups written; Records/Groups is the mean group
	MaxGroup  uint64 // bytes of the largest group, headers included
	Syncs     uint64 // fsyncs of segment data
	SyncNanos uint64 // time spent in them
	Rotations uint64 // segments begun after the first
	DiskFull  uint64 // writes refused for want of space
}

type counters struct {
	records, bytes, groups, maxGroup, syncs, syncNanos, rotations, diskFull atomic.Uint64
}

// Stats returns the counters. They are read one by one: a group may be in one of them and not yet in another.
func (l *Log) Stats() Stats {
	return Stats{
		Records:   l.count.records.Load(),
		Bytes:     l.count.bytes.Load(),
		Groups:    l.count.groups.Load(),
		MaxGroup:  l.count.maxGroup.Load(),
		Syncs:     l.count.syncs.Load(),
		SyncNanos: l.count.syncNanos.Load(),
		Rotations: l.count.rotations.Load(),
		DiskFull:  l.count.diskFull.Load(),
	}
}
