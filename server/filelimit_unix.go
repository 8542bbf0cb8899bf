//go:build unix

package server

import (
	"fmt"
	"syscall"
)

// reservedFiles are descriptors kept for the log, the keyspace and the listeners.
const reservedFiles = 1024

// checkFileLimit reports when the process may not open enough files for maxclients. The Go runtime has already raised the soft
// limit to the hard one.
func checkFileLimit(maxClients int) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return nil //nolint:nilerr // unknown: let Accept tell
	}
	if uint64(lim.Cur) < uint64(max(maxClients, 0))+reservedFiles {
		return fmt.Errorf("the operating system allows %d open files, which is not enough for %d clients: raise 'ulimit -n' or lower maxclients",
			lim.Cur, maxClients)
	}
	return nil
}
