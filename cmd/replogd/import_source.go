package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"replogd/engine/aof"
	"replogd/engine/rdb"
)

// sourceBuffer is at least the RDB reader's own: it does not read past the RDB then.
const sourceBuffer = max(1<<20, rdb.ReadBuffer)

// source is what is imported: files in order, the first of which may begin with an RDB.
type source struct {
	paths []string
	bytes int64 // of all files
	done  int64 // of those that have been read
}

// openSource finds the files of a path: a file, or a directory with an append-only manifest.
func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &source{paths: []string{path}}
	if info.IsDir() {
		m, err := aof.Find(path)
		if err != nil {
			return nil, err
		}
		s.paths = s.paths[:0]
		for _, name := range m.Files() {
			s.paths = append(s.paths, filepath.Join(path, name))
		}
	}
	for _, p := range s.paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is no file", p)
		}
		s.bytes += info.Size()
	}
	return s, nil
}

// sourceFile is one file being read.
type sourceFile struct {
	*bufio.Reader
	file *os.File
	path string
	s    *source
}

func (s *source) open(i int) (*sourceFile, error) {
	f, err := os.Open(s.paths[i])
	if err != nil {
		return nil, err
	}
	return &sourceFile{Reader: bufio.NewReaderSize(f, sourceBuffer), file: f, path: s.paths[i], s: s}, nil
}

func (f *sourceFile) close() {
	f.s.done += f.pos()
	_ = f.file.Close() // opened for reading
}

// pos is how far the file has been read.
func (f *sourceFile) pos() int64 {
	at, err := f.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0 // for the eye only
	}
	return at - int64(f.Buffered())
}

// percent is how much of the whole has been read.
func (f *sourceFile) percent() int64 { return 100 * (f.s.done + f.pos()) / max(f.s.bytes, 1) }

// isRDB looks at the first bytes.
func (f *sourceFile) isRDB() bool {
	head, _ := f.Peek(5) // a shorter file is none
	return string(head) == "REDIS"
}

// ended says whether nothing follows.
func (f *sourceFile) ended() (bool, error) {
	_, err := f.Peek(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
