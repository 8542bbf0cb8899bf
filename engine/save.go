package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// saveBuffer is how much of an RDB file is written at a time.
const saveBuffer = 1 << 20

// SaveRDB writes the snapshot as an RDB file to path, in the place of one that is there, and returns its size. See WriteRDB for replid.
//
// Steps, and what a crash leaves:
//  1. path.tmp is written and fsynced. A crash leaves the old file, and path.tmp, which the next save overwrites.
//  2. It is renamed, and the directory fsynced. A crash leaves the old file or the new one, whole.
func (s *Snapshot) SaveRDB(ctx context.Context, fs vfs.FS, path, replid string) (size int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("save RDB file %s: %w", path, err)
		}
	}()
	temp := path + ".tmp"
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	out := &countingWriter{w: bufio.NewWriterSize(f, saveBuffer)}
	err = s.WriteRDB(ctx, out, replid)
	if err == nil {
		err = out.w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(temp, path)
	}
	if err != nil {
		return 0, errors.Join(err, fs.Remove(temp))
	}
	return out.n, syncDir(fs, fs.PathDir(path))
}

type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
