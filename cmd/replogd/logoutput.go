package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// logOutput is where log lines go: standard output, or a file that can be reopened after logrotate moved it. Lines are written whole,
// one write each; nothing is buffered, so a crash loses none. A line that cannot be written (disk full) is dropped: the server
// does not stop for its log.
type logOutput struct {
	path string // "" = w is standard output
	mu   struct {
		sync.Mutex
		w    io.Writer
		file *os.File // w, when it is ours
	}
}

// logFileMode lets the group read: log shippers run as other users.
const logFileMode = 0o640

// openLog opens path for appending, or takes stdout when path is "".
func openLog(path string, stdout io.Writer) (*logOutput, error) {
	o := &logOutput{path: path}
	o.mu.w = stdout
	if path == "" {
		return o, nil
	}
	return o, o.reopen()
}

// reopen opens the file by its name again (SIGHUP). When that fails the old file stays in use. No-op for standard output.
func (o *logOutput) reopen() error {
	if o.path == "" {
		return nil
	}
	f, err := os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, logFileMode)
	if err != nil {
		return fmt.Errorf("open logfile: %w (does its directory exist, and may this user write there?)", err)
	}
	o.mu.Lock()
	old := o.mu.file
	o.mu.w, o.mu.file = f, f
	o.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// write holds the lock across the write on purpose: lines must not mix, and the order of the file is the order of events.
func (o *logOutput) write(line []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.mu.w.Write(line)
	return err
}

func (o *logOutput) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.file != nil {
		_ = o.mu.file.Close() // every line was written by itself
		o.mu.w, o.mu.file = io.Discard, nil
	}
}
