package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// defaultPidFile is a daemon's pidfile, in dir, when the configuration names none.
const defaultPidFile = "replogd.pid"

// writePidFile makes path hold this process' id, whole at any moment: temporary file beside it, then rename. It is no lock (the
// data directory has one) and need not survive a power cut, so nothing is fsynced.
func writePidFile(path string) error {
	temp := path + ".tmp"
	if err := os.WriteFile(temp, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("write pidfile: %w (does its directory exist, and may this user write there?)", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write pidfile: %w", errors.Join(err, os.Remove(temp)))
	}
	return nil
}

// removePidFile removes path if it still names this process.
func removePidFile(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(pid) {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("remove pidfile: %w", err)
	}
	return nil
}
