package replica

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spool writes received chunks while the next ones come in. It has one writer, so a file grows from its beginning without holes, and a
// fixed number of buffers, which bound what is at hand but not on disk: with all of them full the network waits for the disk. A whole
// file goes to the settler behind its last chunk.
//
// On an operating system's file, whole pages are written past the page cache. What comes in a full sync is as much as the whole data
// set: through the cache it would push out what clients read of the old one, and getting that many pages takes longer than the disk does.
type spool struct {
	settler *settler
	free    chan []byte // aligned buffers of maxChunkBytes
	work    chan spoolItem
	done    chan struct{} // the writer has returned
	ended   bool          // no more work; belongs to the receiving goroutine

	mu struct {
		sync.Mutex
		err error // the first one
	}
}

// spoolItem is a chunk to write, or without buf the end of a whole file.
type spoolItem struct {
	file  vfs.File
	index int
	pos   int64
	buf   []byte
}

// directAlign is what O_DIRECT asks of offsets, lengths and addresses, on every file system and disk in use.
const directAlign = 4096

func newSpool(t *settler) *spool {
	s := &spool{
		settler: t, free: make(chan []byte, spoolBuffers), work: make(chan spoolItem, spoolBuffers), done: make(chan struct{}),
	}
	for range spoolBuffers {
		s.free <- alignedBuffer(maxChunkBytes)
	}
	go s.run()
	return s
}

// alignedBuffer is a buffer of n bytes that O_DIRECT takes.
func alignedBuffer(n int) []byte {
	b := make([]byte, n+directAlign)
	past := int(uintptr(unsafe.Pointer(&b[0])) % directAlign)
	from := (directAlign - past) % directAlign
	return b[from : from+n : from+n]
}

// buffer waits for a free one. It goes back with write.
func (s *spool) buffer() []byte { return <-s.free }

// write takes over buf, from buffer, to be written at pos.
func (s *spool) write(file vfs.File, pos int64, buf []byte) {
	s.work <- spoolItem{file: file, pos: pos, buf: buf}
}

// settle takes over a verified file, to be made durable behind its writes.
func (s *spool) settle(index int, file vfs.File) { s.work <- spoolItem{file: file, index: index} }

// failure is the error of earlier work, nil so far.
func (s *spool) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err != nil {
		return s.mu.err
	}
	return s.settler.failure()
}

// finishWrites returns when all chunks are written, or given up after an error. Nothing is handed over any more.
func (s *spool) finishWrites() {
	if !s.ended {
		s.ended = true
		close(s.work)
	}
	<-s.done
}

// wait returns when everything is durable and noted, or with the first error. Nothing is handed over any more.
func (s *spool) wait() error {
	s.finishWrites()
	err := s.settler.wait()
	if werr := s.failure(); werr != nil {
		return werr
	}
	return err
}

func (s *spool) run() {
	defer close(s.done)
	var open vfs.File
	direct := false
	for item := range s.work {
		failed := s.failure() != nil
		switch {
		case item.buf == nil && failed:
			_ = item.file.Close() // fetched again
		case item.buf == nil:
			s.settler.add(item.index, item.file)
		case !failed:
			if item.file != open {
				open, direct = item.file, setDirect(item.file, true)
			}
			var err error
			if direct, err = writeChunk(item, direct); err != nil {
				s.fail(fmt.Errorf("write received file: %w", err))
			}
		}
		if item.buf != nil {
			s.free <- item.buf[:cap(item.buf)]
		}
	}
}

func (s *spool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.err = err
}

// writeChunk writes whole pages directly and the rest, a file's end, through the cache. stillDirect says whether the file's next chunk
// may be tried directly.
func writeChunk(c spoolItem, direct bool) (stillDirect bool, err error) {
	head := 0
	if direct && c.pos%directAlign == 0 {
		head = len(c.buf) - len(c.buf)%directAlign
	}
	if head > 0 {
		if _, err := c.file.WriteAt(c.buf[:head], c.pos); err != nil {
			head = 0 // a file system that takes the flag and not the write: the cached write below has the last word
		}
	}
	if head == len(c.buf) {
		return direct, nil
	}
	if direct {
		setDirect(c.file, false)
	}
	_, err = c.file.WriteAt(c.buf[head:], c.pos+int64(head))
	return false, err
}
