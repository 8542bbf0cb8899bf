package replica

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// settler makes received files durable while the next ones are being received: it fsyncs and closes them one after the other, and
// appends the line of each to progress. It owns what it is given, and progress.
//
// Crash argument. Files are settled in the order they were received in, a line is written after its file was fsynced, and after an error
// no file is settled any more: progress always is a list of the first files, all durable. A crash leaves up to maxUnsettledFiles+1 files
// without a line. What is there of the first of them is judged by its hash; the others are fetched again. A file whose fsync has
// failed is removed: its bytes may be read back from memory, with the right hash, although the disk does not have them.
type settler struct {
	f        *fetch
	progress vfs.File

	files  chan receivedFile // whole and verified, not yet durable
	failed chan struct{}     // closed when err is set
	done   chan struct{}     // closed when everything is closed
	err    error             // the first one; read after failed or done
	ended  bool              // no more files; belongs to the receiving goroutine
}

type receivedFile struct {
	index int
	file  vfs.File
}

func newSettler(f *fetch, progress vfs.File) *settler {
	t := &settler{
		f: f, progress: progress,
		files: make(chan receivedFile, maxUnsettledFiles), failed: make(chan struct{}), done: make(chan struct{}),
	}
	go t.run()
	return t
}

// failure is the error of a file added earlier, nil so far.
func (t *settler) failure() error {
	select {
	case <-t.failed:
		return t.err
	default:
		return nil
	}
}

// add hands over a file. It waits while maxUnsettledFiles are queued: the disk sets the pace then. After a failure files are still
// taken, to be closed, so it does not wait for ever.
func (t *settler) add(index int, file vfs.File) { t.files <- receivedFile{index, file} }

// wait returns when all files are durable and noted, or with the first error. Nothing is added any more.
func (t *settler) wait() error {
	if !t.ended {
		t.ended = true
		close(t.files)
	}
	<-t.done
	return t.err
}

func (t *settler) run() {
	defer close(t.done)
	for r := range t.files {
		if t.err != nil {
			_ = r.file.Close() // fetched again
			continue
		}
		if err := t.settle(r); err != nil {
			t.err = err
			close(t.failed)
		}
	}
	_ = t.progress.Close() // a hint: every line of it is checked again
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
	if _, err := t.progress.Write([]byte(progressLine(r.index, t.f.m))); err != nil {
		return fmt.Errorf("write progress: %w", err)
	}
	return nil
}
