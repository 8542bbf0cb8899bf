package backlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// Names inside meta.db.
const (
	bucketMeta     = "meta"
	bucketReplicas = "replicas"

	keyFormat     = "format"
	keyNode       = "node"
	keyGeneration = "generation"
	keyHistories  = "histories"
	keyRun        = "run"
)

const (
	// metaTimeout bounds the wait for bbolt's own lock of the file.
	metaTimeout = time.Second
	metaMode    = 0o644
	tempSuffix  = ".tmp"
)

// metaStore is the only door to bbolt. bbolt answers damage with panics, and a file that was cut short with a memory fault:
// both come out of every method as *MetaError, after which the store refuses everything, as bbolt may have died holding its
// locks.
type metaStore struct {
	path   string
	db     *bolt.DB
	file   *os.File                  // bbolt's, to give back its lock when bbolt itself no longer can
	broken atomic.Pointer[MetaError] // final: nothing is tried any more
	stuck  atomic.Bool               // bbolt panicked and may hold its own locks for ever
}

// metaState is the contents of meta.db.
type metaState struct {
	node     string
	gen      generationRecord
	lineage  *lineage
	run      runRecord
	replicas []Replica
	dropped  []string // replica notes that could not be read; they are rebuildable and were left out
}

// guard runs fn, turning panics and memory faults inside bbolt into an error.
func guard(fn func() error) (err error, panicked bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err, panicked = fmt.Errorf("bbolt: %v", r), true
		}
	}()
	return fn(), false
}

// openMeta opens an existing meta.db. With readOnly it takes only a shared lock and changes nothing.
func openMeta(path string, readOnly bool) (*metaStore, error) {
	s := &metaStore{path: path}
	err, panicked := guard(func() (err error) {
		s.db, err = bolt.Open(path, metaMode, &bolt.Options{
			Timeout:      metaTimeout,
			ReadOnly:     readOnly,
			FreelistType: bolt.FreelistMapType,
			OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
				// An existing file is opened, or a new one at a temporary name: never create one in passing.
				if name == path {
					flag &^= os.O_CREATE
				}
				f, err := os.OpenFile(name, flag, perm)
				s.file = f
				return f, err
			},
		})
		return err
	})
	if err == nil {
		return s, nil
	}
	if panicked && s.file != nil {
		s.giveUpFile()
	}
	if errors.Is(err, berrors.ErrTimeout) {
		dir := filepath.Dir(path)
		return nil, &LockedError{PID: lockHolder(filepath.Join(dir, lockName)), Dir: dir}
	}
	e := &MetaError{Path: path, Op: "open meta.db", Err: err}
	if panicked || !isOSError(err) {
		e.Remedy = remedyDamaged
	}
	return nil, e
}

func isOSError(err error) bool {
	var pe *os.PathError
	var se *os.SyscallError
	var no unix.Errno
	return errors.As(err, &pe) || errors.As(err, &se) || errors.As(err, &no)
}

// createMeta makes meta.db with the given contents: under a temporary name, fsynced, then renamed, then the directory is
// fsynced. A crash before the rename leaves a *.tmp that the next createMeta replaces; after it, the whole file.
func createMeta(path string, st *metaState) error {
	temp := path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &MetaError{Path: temp, Op: "remove half-made meta.db", Err: err, Remedy: remedyWrite}
	}
	s := &metaStore{path: temp}
	err, _ := guard(func() (err error) {
		s.db, err = bolt.Open(temp, metaMode, &bolt.Options{Timeout: metaTimeout, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return err
		}
		err = s.db.Update(func(tx *bolt.Tx) error {
			if _, err := tx.CreateBucket([]byte(bucketReplicas)); err != nil {
				return err
			}
			b, err := tx.CreateBucket([]byte(bucketMeta))
			if err != nil {
				return err
			}
			if err := put(b, keyFormat, []byte{formatVersion}); err != nil {
				return err
			}
			if err := put(b, keyNode, []byte(st.node)); err != nil {
				return err
			}
			return putState(b, st)
		})
		return errors.Join(err, s.db.Sync(), s.db.Close())
	})
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return &MetaError{Path: path, Op: "create meta.db", Err: err, Remedy: remedyWrite}
	}
	return nil
}

func putState(b *bolt.Bucket, st *metaState) error {
	if err := put(b, keyGeneration, encodeGeneration(st.gen)); err != nil {
		return err
	}
	if err := put(b, keyHistories, encodeLineage(st.lineage)); err != nil {
		return err
	}
	return put(b, keyRun, encodeRun(st.run))
}

func put(b *bolt.Bucket, key string, body []byte) error {
	return b.Put([]byte(key), sealValue(key, body))
}

// load reads and checks everything. Any damage but that of a replica's note is an error: guessing at identity is how two
// nodes come to write different bytes under one name.
func (s *metaStore) load() (*metaState, error) {
	st := &metaState{}
	err := s.view(func(tx *bolt.Tx) error {
		if fi, err := os.Stat(s.path); err != nil {
			return err
		} else if fi.Size() < tx.Size() {
			return fmt.Errorf("the file has %d bytes, its header says %d: it was cut short", fi.Size(), tx.Size())
		}
		b := tx.Bucket([]byte(bucketMeta))
		if b == nil {
			return fmt.Errorf("bucket %q is missing", bucketMeta)
		}
		if err := loadFormat(b); err != nil {
			return err
		}
		for _, v := range st.fields() {
			body, err := get(b, v.key)
			if err == nil {
				err = v.set(body)
			}
			if err != nil {
				return fmt.Errorf("value %q: %w", v.key, err)
			}
		}
		rb := tx.Bucket([]byte(bucketReplicas))
		if rb == nil {
			return fmt.Errorf("bucket %q is missing", bucketReplicas)
		}
		return rb.ForEach(func(k, v []byte) error {
			id := string(k)
			body, err := openValue(id, v)
			if err == nil {
				var r Replica
				if r, err = decodeReplica(id, body); err == nil {
					st.replicas = append(st.replicas, r)
				}
			}
			if err != nil {
				st.dropped = append(st.dropped, fmt.Sprintf("%.60q: %v", id, err))
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// metaField is one required value and how it is read.
type metaField struct {
	key string
	set func(body []byte) error
}

func (st *metaState) fields() []metaField {
	return []metaField{
		{keyNode, func(b []byte) (err error) { st.node, err = normalID(string(b)); return err }},
		{keyGeneration, func(b []byte) (err error) { st.gen, err = decodeGeneration(b); return err }},
		{keyHistories, func(b []byte) (err error) { st.lineage, err = decodeLineage(b); return err }},
		{keyRun, func(b []byte) (err error) { st.run, err = decodeRun(b); return err }},
	}
}

func loadFormat(b *bolt.Bucket) error {
	body, err := get(b, keyFormat)
	if err != nil {
		return fmt.Errorf("value %q: %w", keyFormat, err)
	}
	if len(body) != 1 || body[0] != formatVersion {
		return fmt.Errorf("%w %x, this program knows %d", ErrUnsupported, body, formatVersion)
	}
	return nil
}

// get returns a copy of a value's body: bbolt's own memory may not outlive the transaction.
func get(b *bolt.Bucket, key string) ([]byte, error) {
	v := b.Get([]byte(key))
	if v == nil {
		return nil, errors.New("it is missing")
	}
	body, err := openValue(key, v)
	return append([]byte(nil), body...), err
}

func (s *metaStore) view(fn func(tx *bolt.Tx) error) error {
	return s.do("read meta.db", false, func() error { return s.db.View(fn) })
}

// update is one durable transaction: when it returns nil the change is fsynced, else the old contents are in effect.
func (s *metaStore) update(what string, fn func(tx *bolt.Tx) error) error {
	return s.do(what, true, func() error { return s.db.Update(fn) })
}

func (s *metaStore) do(what string, writes bool, fn func() error) error {
	if e := s.broken.Load(); e != nil {
		return e
	}
	err, panicked := guard(fn)
	if err == nil {
		return nil
	}
	e := &MetaError{Path: s.path, Op: what, Err: err, Remedy: remedyDamaged}
	switch {
	case errors.Is(err, ErrUnsupported):
		e.Remedy = remedyNewer
	case !panicked && isOSError(err):
		e.Remedy = remedyWrite
	}
	if panicked {
		s.stuck.Store(true)
	}
	if panicked || (writes && !transient(err)) {
		s.broken.CompareAndSwap(nil, e)
	}
	return e
}

// transient reports whether a failed commit left bbolt able to go on: want of space shows before anything is made durable.
// After any other error, a failed fsync above all, what the file will hold is unknown until it is opened afresh.
func transient(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, berrors.ErrMaxSizeReached)
}

// giveUpFile drops the file and its lock when bbolt cannot. Closing alone would not do: bbolt's memory map, which nobody can
// safely remove any more, holds on to the lock.
func (s *metaStore) giveUpFile() {
	_ = flock(s.file, unix.LOCK_UN)
	_ = s.file.Close()
}

// close may be called once.
func (s *metaStore) close() error {
	if s.stuck.Load() {
		s.giveUpFile()
		return nil
	}
	err, _ := guard(s.db.Close)
	if err != nil {
		return &MetaError{Path: s.path, Op: "close meta.db", Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
