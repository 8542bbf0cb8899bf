package engine

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"replogd/wal"
)

// drainAmidFS holds drains back, until a read ahead of a collection's rows reaches the disk: then it waits for them to be over.
type drainAmidFS struct {
	vfs.FS
	mu struct {
		sync.Mutex
		held    chan struct{} // closed to let drains go on; nil: they are not held back
		drained func()        // waits until they are over
	}
}

func (fs *drainAmidFS) hold(drained func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.mu.held, fs.mu.drained = make(chan struct{}), drained
}

// release lets drains go on; held says whether they were held back until now.
func (fs *drainAmidFS) release() (drained func(), held bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.mu.held == nil {
		return nil, false
	}
	close(fs.mu.held)
	fs.mu.held = nil
	return fs.mu.drained, true
}

func (fs *drainAmidFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	held := fs.mu.held
	fs.mu.Unlock()
	if held != nil && filepath.Base(filepath.Dir(name)) == drainDir {
		<-held
	}
	return fs.FS.Create(name, c)
}

func (fs *drainAmidFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.Open(name, opts...)
	return &drainAmidFile{f, fs}, err
}

type drainAmidFile struct {
	vfs.File
	fs *drainAmidFS
}

func (f *drainAmidFile) ReadAt(p []byte, off int64) (int, error) {
	if calledBy("readAhead") {
		if drained, held := f.fs.release(); held {
			drained()
		}
	}
	return f.File.ReadAt(p, off)
}

func calledBy(method string) bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "."+method) {
			return true
		}
		if !more {
			return false
		}
	}
}

// A memtable that is drained between the look into the files and the look into memory is in one of the two for the reader.
func TestNoRowIsMissedWhileItGoesFromMemoryToTheFiles(t *testing.T) {
	for _, tc := range []struct{ name, filed, inMemory, query, want string }{
		{"ZPOPMIN", "ZADD k 2 two 3 three", "ZADD k 1 one", "ZPOPMIN k", `^\*2\r\n\$3\r\none\r\n\$1\r\n1\r\n$`},
		{"ZPOPMAX", "ZADD k 2 two 3 three", "ZADD k 4 four", "ZPOPMAX k", `^\*2\r\n\$4\r\nfour\r\n\$1\r\n4\r\n$`},
		{"LPOP", "RPUSH k two", "LPUSH k one", "LPOP k 2", `^\*2\r\n\$3\r\none\r\n\$3\r\ntwo\r\n$`},
		{"RPOP", "RPUSH k one", "RPUSH k two", "RPOP k 2", `^\*2\r\n\$3\r\ntwo\r\n\$3\r\none\r\n$`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := &drainAmidFS{FS: vfs.NewMem()}
			n := openNode(t, fs, filepath.Join(t.TempDir(), "meta.db"), wal.SyncEverySecond, func(o *Options) { o.BlockCacheBytes = 1 << 10 }).lead()
			defer n.close()
			n.do(tc.filed)
			require.NoError(t, n.e.Flush(context.Background()))

			ds := n.e.ds.Load()
			fs.hold(func() {
				for {
					changed := ds.mem.drained.next()
					if ds.mem.oldestFrozen() == nil {
						return
					}
					<-changed
				}
			})
			n.do(tc.inMemory)
			n.e.seq.Lock()
			n.e.freezeLocked(ds)
			n.e.seq.Unlock()
			require.NotNil(t, ds.mem.oldestFrozen())
			reply := n.exec(&n.client, tc.query)
			_, held := fs.release()
			require.False(t, held, "nothing was read ahead")
			require.Regexp(t, tc.want, reply)
			require.NoError(t, n.e.Flush(context.Background()))
		})
	}
}
