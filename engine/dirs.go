package engine

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir creates dir, which lies below root, and makes its name durable: without that a power cut could take the whole folder,
// however often the files in it were fsynced. It fsyncs every parent up to root's own, whether it had to create anything or not,
// because an earlier run may have been killed in between.
func makeDir(fsys vfs.FS, root, dir string) error {
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	for d := dir; ; d = fsys.PathDir(d) {
		err := syncDir(fsys, fsys.PathDir(d))
		if d == root || d == fsys.PathDir(d) {
			if errors.Is(err, fs.ErrPermission) {
				return nil // root's parent is not ours; root was there before us
			}
			return err
		}
		if err != nil {
			return err
		}
	}
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
