package replica

import (
	"errors"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// growingFile is a file that one goroutine writes and another reads at the same time: the reader waits for what has not come yet. So the
// writer is never held up by the reader, and nothing is held in memory between them.
type growingFile struct {
	out vfs.File
	in  vfs.File
	pos int64 // the reader's

	mu struct {
		sync.Mutex
		size  int64 // written
		ended error // io.EOF: it is whole; else why no more will come
		left  bool  // the reader wants no more
	}
	changed sync.Cond
}

// errReaderLeft is what the writer is told when the reader has given up.
var errReaderLeft = errors.New("replica: the reader of the file has given up")

func newGrowingFile(fs vfs.FS, path string) (*growingFile, error) {
	out, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	in, err := fs.Open(path)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	g := &growingFile{out: out, in: in}
	g.changed.L = &g.mu
	return g, nil
}

// Write appends. errReaderLeft: nobody reads it any more.
func (g *growingFile) Write(p []byte) (int, error) {
	k, err := g.out.Write(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.size += int64(k)
	g.changed.Broadcast()
	if err == nil && g.mu.left {
		err = errReaderLeft
	}
	return k, err
}

// end says that no more comes: io.EOF if the file is whole, else why.
func (g *growingFile) end(reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.ended = reason
	g.changed.Broadcast()
}

// leave says that the reader wants no more.
func (g *growingFile) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.left = true
}

// readBytes is how much has been read; the reading goroutine asks.
func (g *growingFile) readBytes() int64 { return g.pos }

// Read waits until there is something, or the end.
func (g *growingFile) Read(p []byte) (int, error) {
	g.mu.Lock()
	for g.pos == g.mu.size && g.mu.ended == nil {
		g.changed.Wait()
	}
	size, ended := g.mu.size, g.mu.ended
	g.mu.Unlock()
	if g.pos == size {
		return 0, ended
	}
	k, err := g.in.ReadAt(p[:min(int64(len(p)), size-g.pos)], g.pos)
	g.pos += int64(k)
	if k > 0 && errors.Is(err, io.EOF) {
		err = nil // the end of what was there
	}
	return k, err
}

func (g *growingFile) close() error { return errors.Join(g.out.Close(), g.in.Close()) }
