package wal

// TryWrite writes what has been appended, without an fsync, if it can do so at once: the log is well, nobody else is writing, the policy
// is not SyncAlways, and the live segment has room (the next one would begin with an fsync of this one). It is for a caller that has other
// things to do than to wait and looks at Written afterwards. The kernel may still slow down whoever makes it keep too much in memory.
func (l *Log) TryWrite() {
	l.mu.Lock()
	if len(l.mu.pend.buf) == 0 || l.o.ReadOnly || l.o.Policy() == SyncAlways || l.mu.full != nil || !l.writerFreeLocked() {
		l.mu.Unlock()
		return
	}
	l.mu.writing = true
	if !l.fitsLocked() {
		l.releaseWriterLocked()
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.writeGroup()
}

// fitsLocked says whether everything appended can go to the live segment. The caller has the writer role.
func (l *Log) fitsLocked() bool {
	w := &l.writer
	return len(w.group.buf) == 0 && len(w.group.epochs) == 0 && len(l.mu.pend.epochs) == 0 && w.seg != nil &&
		w.seg.head.epoch == w.epoch && w.seg.head.history == w.history &&
		w.seg.pos.Load()+int64(len(l.mu.pend.buf)) <= l.o.SegmentSize
}
