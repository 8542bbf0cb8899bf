package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// scratchFS shows the files of the disk and takes every change in a directory of its own: what is written, renamed or removed through
// it happens there, and the disk stays as it is. check uses it to rehearse a start, recovery and replay included, on a directory that
// it must not touch.
//
// A name that was changed lives at upper+name; removed names are remembered. Only what a keyspace's start needs is
// supported: a file of the disk cannot be renamed, linked or opened for writing (errReadOnlyFile).
type scratchFS struct {
	vfs.FS             // the disk
	upper  string      // directory that takes the changes; the caller removes it
	failed func(error) // told when a change could not be written: no space, most likely. Any goroutine, more than once

	mu struct {
		sync.Mutex
		removed map[string]bool // names of the disk that are no longer visible
	}
}

var _ vfs.FS = (*scratchFS)(nil)

var errReadOnlyFile = errors.New("the file may only be read here")

func newScratchFS(disk vfs.FS, upper string, failed func(error)) *scratchFS {
	s := &scratchFS{FS: disk, upper: upper, failed: failed}
	s.mu.removed = make(map[string]bool)
	return s
}

// over is where the changed version of a name lives.
func (s *scratchFS) over(name string) string { return filepath.Join(s.upper, filepath.Clean(name)) }

func (s *scratchFS) isOver(name string) bool {
	_, err := s.FS.Stat(s.over(name))
	return err == nil
}

// hidden reports whether name, or a directory it lies in, was removed.
func (s *scratchFS) hidden(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name = filepath.Clean(name); ; name = filepath.Dir(name) {
		if s.mu.removed[name] {
			return true
		}
		if parent := filepath.Dir(name); parent == name {
			return false
		}
	}
}

func (s *scratchFS) hide(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.removed[filepath.Clean(name)] = true
}

// visible says where name is to be read: its changed version, the disk, or nowhere.
func (s *scratchFS) visible(op, name string) (string, error) {
	switch {
	case s.isOver(name):
		return s.over(name), nil
	case s.hidden(name):
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return name, nil
}

func (s *scratchFS) prepare(name string) (string, error) {
	over := s.over(name)
	return over, s.FS.MkdirAll(filepath.Dir(over), 0o700)
}

func (s *scratchFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	over, err := s.prepare(name)
	if err != nil {
		return nil, s.noted(err)
	}
	f, err := s.FS.Create(over, category)
	return s.changed(f, err)
}

func (s *scratchFS) Link(oldname, newname string) error {
	if !s.isOver(oldname) {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: errReadOnlyFile}
	}
	over, err := s.prepare(newname)
	if err != nil {
		return err
	}
	return s.FS.Link(s.over(oldname), over)
}

func (s *scratchFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	where, err := s.visible("open", name)
	if err != nil {
		return nil, err
	}
	return s.FS.Open(where, opts...)
}

func (s *scratchFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if where, err := s.visible("open", name); err == nil && where == name {
		if _, err := s.FS.Stat(name); err == nil {
			return nil, &fs.PathError{Op: "open for writing", Path: name, Err: errReadOnlyFile}
		}
	}
	over, err := s.prepare(name)
	if err != nil {
		return nil, s.noted(err)
	}
	f, err := s.FS.OpenReadWrite(over, category, opts...)
	return s.changed(f, err)
}

func (s *scratchFS) OpenDir(name string) (vfs.File, error) {
	if err := s.FS.MkdirAll(s.over(name), 0o700); err != nil {
		return nil, err
	}
	return s.FS.OpenDir(s.over(name))
}

func (s *scratchFS) Remove(name string) error {
	where, err := s.visible("remove", name)
	if err != nil {
		return err
	}
	if where == name {
		if _, err := s.FS.Stat(name); err != nil {
			return err
		}
	} else if err := s.FS.Remove(where); err != nil {
		return err
	}
	s.hide(name) // also what the changed version covered
	return nil
}

func (s *scratchFS) RemoveAll(name string) error {
	s.hide(name)
	return s.FS.RemoveAll(s.over(name))
}

func (s *scratchFS) Rename(oldname, newname string) error {
	if !s.isOver(oldname) {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: errReadOnlyFile}
	}
	over, err := s.prepare(newname)
	if err != nil {
		return err
	}
	if err := s.FS.Rename(s.over(oldname), over); err != nil {
		return err
	}
	s.hide(oldname) // the disk may have a file of that name under the changed version
	return nil
}

func (s *scratchFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.Remove(oldname); err != nil {
		return nil, err
	}
	return s.Create(newname, category)
}

func (s *scratchFS) MkdirAll(dir string, perm os.FileMode) error {
	return s.FS.MkdirAll(s.over(dir), perm|0o700)
}

func (s *scratchFS) Lock(name string) (io.Closer, error) {
	over, err := s.prepare(name)
	if err != nil {
		return nil, err
	}
	return s.FS.Lock(over)
}

func (s *scratchFS) List(dir string) ([]string, error) {
	names, err := s.FS.List(s.over(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if s.hidden(dir) {
		return names, err
	}
	below, belowErr := s.FS.List(dir)
	if belowErr != nil {
		if err == nil && errors.Is(belowErr, fs.ErrNotExist) {
			return names, nil
		}
		return nil, belowErr
	}
	for _, name := range below {
		if !s.hidden(filepath.Join(dir, name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (s *scratchFS) Stat(name string) (vfs.FileInfo, error) {
	where, err := s.visible("stat", name)
	if err != nil {
		return nil, err
	}
	return s.FS.Stat(where)
}

// Unwrap hides the disk: whoever unwraps would write to it.
func (s *scratchFS) Unwrap() vfs.FS { return nil }

// noted tells of a change that could not be made.
func (s *scratchFS) noted(err error) error {
	if err != nil {
		s.failed(err)
	}
	return err
}

func (s *scratchFS) changed(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, s.noted(err)
	}
	return &scratchFile{File: f, fs: s}, nil
}

// scratchFile is a file in the upper directory. The store tries a failed write again and again, as it should on a disk that may
// get space back; whoever rehearses wants to know.
type scratchFile struct {
	vfs.File
	fs *scratchFS
}

func (f *scratchFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.noted(err)
}

func (f *scratchFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, f.fs.noted(err)
}

func (f *scratchFile) Sync() error { return f.fs.noted(f.File.Sync()) }

func (f *scratchFile) SyncData() error { return f.fs.noted(f.File.SyncData()) }
