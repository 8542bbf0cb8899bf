package replica

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// settler makes received files durable while the next ones are being received: it fsyncs and closes up to settleWorkers of them at a
// time (their fsyncs share the file system's commits), and appends the line of each to progress. It owns what it is given, and
// progress.
//
// Crash argument. A line is written after its file, and every file before it, was fsynced: progress always is a list of the first
// files, all durable. A crash leaves up to maxUnsettledFiles+settleWorkers+1 files without a line. What is there of the first of them
// is judged by its hash; the others are fetched again. A file whose fsync has failed is removed, and no line follows: its bytes may be
// read back from memory, with the right hash, although the disk does not have them.
type settler struct {
	f     *fetch
	files chan receivedFile // whole and verified, not yet durable
	ended bool              // no more files; belongs to the receiving goroutine

	workers sync.WaitGroup

	mu struct {
		sync.Mutex
		err      error // the first one
		progress vfs.File
		next     int          // the file whose line comes next
		durable  map[int]bool // files behind next that are durable already
	}
}

type receivedFile struct {
	index int
	file  vfs.File
}

// newSettler starts a settler whose first file is the one of index next.
func newSettler(f *fetch, progress vfs.File, next int) *settler {
	t := &settler{f: f, files: make(chan receivedFile, maxUnsettledFiles)}
	t.mu.progress, t.mu.next, t.mu.durable = progress, next, make(map[int]bool)
	for range settleWorkers {
		t.workers.Add(1)
		go t.run()
	}
	return t
}

// failure is the error of a file added earlier, nil so far.
func (t *settler) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.err
}

// add hands over a file. It waits while maxUnsettledFiles are queued: the disk sets the pace then. After a failure files are still
// taken, to be closed, so it does not wait for ever.
func (t *settler) add(index int, file vfs.File) { t.files <- receivedFile{index, file} }

// wait returns when all files are durable and noted, or with the first error. Nothing is added any more.
func (t *settler) wait() error {
	if !t.ended {
		t.ended = true
		close(t.files)
		t.workers.Wait()
		_ = t.mu.progress.Close() // a hint: every line of it is checked again
	}
	return t.failure()
}

func (t *settler) run() {
	defer t.workers.Done()
	for r := range t.files {
		if t.failure() != nil {
			_ = r.file.Close() // fetched again
			continue
		}
		t.note(r.index, t.settle(r))
	}
}

func (t *settler) settle(r receivedFile) error {
	err := r.file.Sync()
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		name := t.f.m.files[r.index].Name
		return errors.Join(fmt.Errorf("make received file %q durable: %w", name, err), t.f.fs.Remove(t.f.path(name)))
	}
	return nil
}

// note writes the lines that a settled file makes possible.
func (t *settler) note(index int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.durable[index] = err == nil
	for t.mu.err == nil && err == nil && t.mu.durable[t.mu.next] {
		delete(t.mu.durable, t.mu.next)
		if _, werr := t.mu.progress.Write([]byte(progressLine(t.mu.next, t.f.m))); werr != nil {
			err = fmt.Errorf("write progress: %w", werr)
		}
		t.mu.next++
	}
	if err != nil && t.mu.err == nil {
		t.mu.err = err
	}
}
