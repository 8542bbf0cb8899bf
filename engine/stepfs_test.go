package engine

import (
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// stepFS calls back once before the k-th change it is asked for.
type stepFS struct {
	vfs.FS
	mu struct {
		sync.Mutex
		left int
		call func()
	}
}

func (f *stepFS) arm(step int, call func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.left, f.mu.call = step, call
}

func (f *stepFS) disarm() { f.arm(0, nil) }

func (f *stepFS) step() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.left > 0 {
		if f.mu.left--; f.mu.left == 0 {
			f.mu.call()
		}
	}
}

func (f *stepFS) Unwrap() vfs.FS { return f.FS }

func (f *stepFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.step()
	file, err := f.FS.Create(name, c)
	return f.wrap(file, err)
}

func (f *stepFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f.step()
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.wrap(file, err)
}

func (f *stepFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.step()
	file, err := f.FS.ReuseForWrite(from, to, c)
	return f.wrap(file, err)
}

func (f *stepFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(file, err)
}

func (f *stepFS) Rename(from, to string) error           { f.step(); return f.FS.Rename(from, to) }
func (f *stepFS) Remove(name string) error               { f.step(); return f.FS.Remove(name) }
func (f *stepFS) RemoveAll(name string) error            { f.step(); return f.FS.RemoveAll(name) }
func (f *stepFS) Link(from, to string) error             { f.step(); return f.FS.Link(from, to) }
func (f *stepFS) MkdirAll(d string, p os.FileMode) error { f.step(); return f.FS.MkdirAll(d, p) }

func (f *stepFS) wrap(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &stepFile{File: file, fs: f}, nil
}

type stepFile struct {
	vfs.File
	fs *stepFS
}

func (f *stepFile) Write(p []byte) (int, error)            { f.fs.step(); return f.File.Write(p) }
func (f *stepFile) WriteAt(p []byte, o int64) (int, error) { f.fs.step(); return f.File.WriteAt(p, o) }
func (f *stepFile) Sync() error                            { f.fs.step(); return f.File.Sync() }
func (f *stepFile) SyncData() error                        { f.fs.step(); return f.File.SyncData() }
