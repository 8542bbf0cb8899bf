package backlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the file whose flock makes a directory this process' own. It is never removed: removing a lock file lets two
// processes lock two files of one name.
const lockName = "LOCK"

// dirLock is a held lock. The kernel drops it when the process ends, however it ends.
type dirLock struct {
	f *os.File
}

// acquireLock takes the lock of dir, or returns *LockedError at once. The file then holds "pid start-time" for the one that
// comes second; it is only ever read to word that message.
func acquireLock(dir string) (*dirLock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid := lockHolder(path)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{PID: pid, Dir: dir}
		}
		return nil, fmt.Errorf("lock directory: flock %s: %w", path, err)
	}
	text := fmt.Sprintf("%d %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if err := writeWhole(f, text); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock directory: write %s: %w", path, err)
	}
	return &dirLock{f: f}, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func writeWhole(f *os.File, text string) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// release empties the file, so that the pid of a process long gone is never named, and drops the lock.
func (l *dirLock) release() error {
	terr := l.f.Truncate(0)
	return errors.Join(terr, l.f.Close())
}

// lockHolder is the pid that the lock file names, or 0.
func lockHolder(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	pid, err := strconv.Atoi(word)
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
