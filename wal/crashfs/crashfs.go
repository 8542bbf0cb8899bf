// Package crashfs is the file system that tests cut the power of while a node works on it: Pebble's crashable vfs.MemFS, whose CrashClone
// returns what a power cut at that moment leaves, without its dead end.
//
// MemFS.Link and MemFS.ReuseForWrite (Pebble 2.1.7) take the same read lock twice. A CrashClone that begins to wait for the write lock
// between the two stops them, and itself, for good. Here a clone waits until no such call is under way, before it asks for that lock.
//
// Only tests import it.
package crashfs

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is a file system in memory. It may be used from many goroutines.
type FS struct {
	*vfs.MemFS

	// cutting is held for reading by calls that lock MemFS twice, for writing by a clone. It comes before MemFS' locks.
	cutting sync.RWMutex
}

// New returns an empty file system.
func New() *FS { return &FS{MemFS: vfs.NewCrashableMem()} }

// CrashClone returns what a power cut now leaves: all that was synced, and the part of the rest that cfg gives. Writers wait meanwhile.
func (f *FS) CrashClone(cfg vfs.CrashCloneCfg) *FS {
	f.cutting.Lock()
	defer f.cutting.Unlock()
	return &FS{MemFS: f.MemFS.CrashClone(cfg)}
}

// Link is vfs.FS's.
func (f *FS) Link(oldname, newname string) error {
	f.cutting.RLock()
	defer f.cutting.RUnlock()
	return f.MemFS.Link(oldname, newname)
}

// ReuseForWrite is vfs.FS's.
func (f *FS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.cutting.RLock()
	defer f.cutting.RUnlock()
	return f.MemFS.ReuseForWrite(oldname, newname, category)
}
