package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileSystem is what Rewrite needs of the disk; tests make each step fail.
type fileSystem interface {
	ReadFile(name string) ([]byte, error)
	Stat(name string) (fs.FileInfo, error)
	// Create makes name, which must not exist, with exactly this mode.
	Create(name string, mode fs.FileMode) (syncFile, error)
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(name string) error
}

type syncFile interface {
	io.WriteCloser
	Sync() error
}

type osFiles struct{}

var _ fileSystem = osFiles{}

func (osFiles) ReadFile(name string) ([]byte, error)  { return os.ReadFile(name) }
func (osFiles) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (osFiles) Rename(from, to string) error          { return os.Rename(from, to) }
func (osFiles) Remove(name string) error              { return os.Remove(name) }

func (osFiles) Create(name string, mode fs.FileMode) (syncFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask is
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return f, nil
}

func (osFiles) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// newFileMode is the mode of a configuration file that had to be made anew: it may hold passwords.
const newFileMode fs.FileMode = 0o600

// replaceFile gives the file path new contents: temporary file beside it, fsync, rename, fsync of the directory. The
// file keeps its mode. On an error the old file is whole, except that after "sync directory" the new one is in place
// already, also whole.
func replaceFile(files fileSystem, path string, content []byte) error {
	mode := newFileMode
	if info, err := files.Stat(path); err == nil {
		mode = info.Mode().Perm()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".rewrite")
	if err := files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a left-over temporary file: %w", err)
	}
	if err := writeTemp(files, temp, mode, content); err != nil {
		return err
	}
	if err := files.Rename(temp, path); err != nil {
		return errors.Join(fmt.Errorf("put the new file in place: %w", err), files.Remove(temp))
	}
	if err := files.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync directory: the new file is in place, but a power cut may undo that: %w", err)
	}
	return nil
}

// writeTemp writes and fsyncs a new file, or leaves none.
func writeTemp(files fileSystem, name string, mode fs.FileMode, content []byte) error {
	f, err := files.Create(name, mode)
	if err != nil {
		return fmt.Errorf("create a temporary file (the directory of the configuration file must be writable): %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), files.Remove(name))
	}
	return nil
}
