//go:build !linux

package replica

import "github.com/cockroachdb/pebble/v2/vfs"

// setDirect: writes go through the page cache.
func setDirect(vfs.File, bool) bool { return false }
