package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"replogd/backlog"
	"replogd/engine"
)

// maxNamedFiles bounds how many files an error lists; a store that lost its directory lacks all of them.
const maxNamedFiles = 8

// What Pebble says when it opens a store whose table files are not as its MANIFEST says: one line per file, with the number of the file
// instead of its name if it is missing.
var (
	missingTable = regexp.MustCompile(`^(.*: )?L\d+: (\d+): file \d+ \(type sstable\) unknown to the objstorage provider: file does not exist$`)
	resizedTable = regexp.MustCompile(`^(.*: )?L\d+: \d+: object size mismatch \((.+)\): (\d+) \(disk\) != (\d+) \(MANIFEST\)$`)
)

// storeError is an error in other words.
type storeError struct {
	text string
	err  error
}

func (e *storeError) Error() string { return e.text }

func (e *storeError) Unwrap() error { return e.err }

// nameTables says an error of engine.Open with the names that table files have on disk. Errors that name no table stay as they are.
func nameTables(err error, dir string, generation uint64) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	var prefix string
	var named []string
	for _, line := range lines {
		if m := missingTable.FindStringSubmatch(line); m != nil {
			prefix += m[1]
			named = append(named, "table file "+filepath.Join(dir, "data", strconv.FormatUint(generation, 10), m[2]+".sst")+" is missing")
		} else if m := resizedTable.FindStringSubmatch(line); m != nil {
			prefix += m[1]
			named = append(named, fmt.Sprintf("table file %s has %s bytes instead of %s", m[2], m[3], m[4]))
		} else {
			return err
		}
	}
	if more := len(named) - maxNamedFiles; more > 0 {
		named = append(named[:maxNamedFiles], fmt.Sprintf("and %d more", more))
	}
	return &storeError{text: prefix + strings.Join(named, "; "), err: err}
}

// startError words why the keyspace could not be opened: with the files' names and, where files are damaged or missing, with what to do.
func startError(err error, dir string, b *backlog.Backlog) error {
	err = nameTables(err, dir, b.Generation())
	var named *storeError
	if errors.As(err, &named) || errors.Is(err, engine.ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (`replogd check %s` looks at everything; restore what is named here from a backup, or, if another "+
			"server has the data, move the directory away and start as its replica)", err, dir)
	}
	return err
}

// accessError adds what to do when the data directory may not be read or written.
func accessError(err error, dir string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (this user needs to read and write everything in %s: chown -R it, or start as its owner)", err, dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (a server writes to its directory: choose another dir, or mount the file system for writing)", err)
	}
	return err
}
