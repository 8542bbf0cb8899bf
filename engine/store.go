package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/keys"
)

// dataset is one open generation of the keyspace. A full sync replaces it by another (adopt.go): whoever reads it outside the
// sequencer holds a reference, and the old one is closed when the last is gone.
type dataset struct {
	db      *pebble.DB
	mem     memory // rows newer than db's
	cache   *rowCache
	filters rowFilters
	dir     string

	compactions *compactions // of db

	tableOptions sstable.WriterOptions // of the files that memtables are drained to
	ctx          context.Context       // ends when the dataset is given up
	giveUp       context.CancelFunc
	filling      sync.WaitGroup // the goroutine that fills filters; ends with ctx

	frozenEnd uint64        // offset behind the last frozen memtable; the sequencer's holder's
	filed     atomic.Uint64 // offset that db holds
	filedUID  atomic.Uint64 // collections from here on have no row in db

	fileBytes atomic.Int64 // of db's tables, when last looked at

	// fileVersion grows when rows have come into the files, before memory gives them up.
	fileVersion atomic.Uint64

	generation uint64

	dbIDs  atomic.Pointer[[]uint32] // internal number by logical database, as committed
	counts []atomic.Int64           // keys by logical database, as committed
	expiry []atomic.Int64           // of those, keys with an expiry

	refs    atomic.Int64 // references + 1 for being current
	once    sync.Once    // a late acquire may see the count reach zero again
	drained chan struct{}
}

// openStore opens a generation. Its row filter is yet to begin (beginFilter).
func (e *Engine) openStore(gen uint64) (*dataset, error) {
	dir := e.generationDir(gen)
	o := e.pebbleOptions(e.o.FS)
	o.EnsureDefaults()
	scheduler := newCompactions(&e.yields)
	o.Experimental.CompactionScheduler = scheduler
	o.EventListener = e.pebbleEvents(scheduler)
	db, err := pebble.Open(dir, o)
	if err != nil {
		if pebble.IsCorruptionError(err) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, fmt.Errorf("open keyspace %s: %w", dir, err)
	}
	cache, err := newRowCache(e.o.RowCacheBytes, e.o.RowGhostBytes)
	if err != nil {
		closeQuietly(db)
		return nil, err
	}
	scheduler.begin()
	ds := &dataset{
		db: db, cache: cache, dir: dir, generation: gen,
		compactions: scheduler, drained: make(chan struct{}),
	}
	ds.tableOptions = o.MakeWriterOptions(0, drainedFormat)
	ds.ctx, ds.giveUp = context.WithCancel(context.Background())
	ds.mem.init(e.o.MemTableBytes)
	ds.refs.Store(1)
	ds.filters.init(e.o.RowFilterBytes)
	return ds, nil
}

// beginFilter has the dataset's row filter filled. It must be called once.
func (e *Engine) beginFilter(ds *dataset) {
	ds.filling.Add(1)
	go func() {
		defer ds.filling.Done()
		if err := ds.keepFilter(); err != nil && ds.ctx.Err() == nil {
			e.o.Logger.Warn("absent keys are looked for on disk", "err", err)
		}
	}()
}

// closeFiles gives the dataset up and closes its store. Nobody may use it any more.
func (ds *dataset) closeFiles() error {
	ds.giveUp()
	ds.filling.Wait()
	return errors.Join(ds.db.Close(), ds.cache.close())
}

// drainedFormat is what memtables are drained to: blocks of rows. Pebble's writer of columns hands each block to a goroutine of its own, which on two
// cores is a switch of threads for every 8 KiB: a tenth of the CPU of a SET -P16. A drained file lives until its level 0 is compacted; compactions write
// columns, the format of the store, from which a cold GET takes a tenth less CPU.
const drainedFormat = sstable.TableFormatPebblev4

func (e *Engine) pebbleOptions(fs vfs.FS) *pebble.Options {
	system := pebble.KeyRange{Start: []byte{keys.TagSystem}, End: []byte{keys.TagSystem + 1}}
	o := &pebble.Options{
		FS:                          fs,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Cache:                       e.blockCache,
		MemTableSize:                storeMemTableBytes,
		MemTableStopWritesThreshold: memTableStopWrites,
		L0CompactionThreshold:       2 * l0CompactAt, // Pebble compares it with twice the number of sublevels
		L0StopWritesThreshold:       l0StopWrites,
		LBaseMaxBytes:               64 << 20,
		MaxManifestFileSize:         maxManifestBytes,
		MaxOpenFiles:                maxOpenTables,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		FlushDelayDeleteRange:       10 * time.Second,
		Logger:                      pebbleLogger{e},
	}
	o.Experimental.L0CompactionConcurrency = 2
	// A drained table counts when Ingest returns; in the store's own memory, without its log, it would not.
	o.Experimental.DisableIngestAsFlushable = func() bool { return true }
	// The state row is part of every flush: kept in tables of its own, it does not stretch the bounds of all others.
	o.Experimental.SpanPolicyFunc = pebble.MakeStaticSpanPolicyFunc(pebble.DefaultComparer.Compare, system,
		pebble.SpanPolicy{PreferFastCompression: true})
	for i := range o.Levels {
		o.Levels[i].BlockSize = 8 << 10
		o.Levels[i].IndexBlockSize = 64 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}

// row reads a row: from the cache, from memtables, or from files. buf is an arena: a value from the cache is appended to it, and it is
// returned as it then is. The value is read-only; with bare set, that of a field or string may be missing (rowCache.get).
func (ds *dataset) row(buf, row []byte, bare bool) (value, rest []byte, ok bool, err error) {
	out, ok, known, version := ds.cache.get(buf, row, bare)
	if known {
		return out[len(buf):len(out):len(out)], out, ok, nil
	}
	if ds.filters.lacks(row) {
		return nil, buf, false, nil
	}
	value, ok, err = ds.fetch(row, version)
	return value, buf, ok, err
}

// warm sees to it that the cache knows a row, as long as nobody writes it, unless it is quickly found to be absent. bare is that of row.
func (ds *dataset) warm(row []byte, bare bool) error {
	lacks, version := ds.cache.lacks(row, bare)
	if !lacks || ds.filters.lacks(row) {
		return nil
	}
	_, _, err := ds.fetch(row, version)
	return err
}

// atHand says whether a look at the row goes no further than memory. bare is that of row.
func (ds *dataset) atHand(row []byte, bare bool) bool {
	if ds.filters.lacks(row) {
		return true
	}
	if ds.cache.region != nil {
		lacks, _ := ds.cache.lacks(row, bare)
		return !lacks
	}
	_, _, found := ds.mem.find(row)
	return found
}

// fetch reads a row past the cache and puts it in.
func (ds *dataset) fetch(row []byte, version uint64) (value []byte, ok bool, err error) {
	value, ok, err = ds.get(row)
	if err == nil {
		ds.cache.fill(row, value, ok, version)
	}
	return value, ok, err
}

// get reads a row past the cache.
func (ds *dataset) get(row []byte) (value []byte, ok bool, err error) {
	if value, live, found := ds.mem.find(row); found {
		return value, live, nil
	}
	return readFiles(ds.db, row)
}

// readFiles reads a row from the store's files; the value is the caller's.
func readFiles(r pebble.Reader, row []byte) (value []byte, ok bool, err error) {
	v, closer, err := r.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read keyspace: %w", err)
	}
	value = append(make([]byte, 0, len(v)), v...)
	if err := closer.Close(); err != nil {
		return nil, false, fmt.Errorf("read keyspace: %w", err)
	}
	return value, true, nil
}

// readState reads the state row; ok is false in a keyspace that was never written.
func readState(r pebble.Reader) (s state, ok bool, err error) {
	v, closer, err := r.Get(stateRow)
	if errors.Is(err, pebble.ErrNotFound) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("read state row: %w", err)
	}
	defer closeQuietly(closer)
	s, err = parseState(v)
	return s, err == nil, err
}

// closeQuietly closes what was only read from: its error was, or will be, reported by the reads themselves.
func closeQuietly(c io.Closer) { _ = c.Close() }

// publish shows a committed state to readers outside the sequencer.
func (ds *dataset) publish(s *state) {
	old := ds.dbIDs.Load()
	changed := old == nil || len(*old) != len(s.dbs)
	if len(ds.counts) < len(s.dbs) { // only before the dataset is shared
		ds.counts, ds.expiry = make([]atomic.Int64, len(s.dbs)), make([]atomic.Int64, len(s.dbs))
	}
	for i, db := range s.dbs {
		ds.counts[i].Store(db.keys)
		ds.expiry[i].Store(db.expires)
		changed = changed || (*old)[i] != db.id
	}
	if changed {
		ids := make([]uint32, len(s.dbs))
		for i, db := range s.dbs {
			ids[i] = db.id
		}
		ds.dbIDs.Store(&ids)
	}
}

// acquire returns the current dataset with a reference that release gives back.
func (e *Engine) acquire() *dataset {
	for {
		ds := e.ds.Load()
		ds.refs.Add(1)
		if e.ds.Load() == ds {
			return ds
		}
		ds.release()
	}
}

func (ds *dataset) release() {
	if ds.refs.Add(-1) == 0 {
		ds.once.Do(func() { close(ds.drained) })
	}
}

// retire gives up the reference of being current, waits for readers and closes the store. When ctx ends first, an error says that the store stays open.
func (ds *dataset) retire(ctx context.Context) error {
	ds.giveUp()
	ds.mem.drained.wake()
	ds.release()
	select {
	case <-ds.drained:
	case <-ctx.Done():
		select {
		case <-ds.drained: // both are true: nothing is left open by chance
		default:
			return fmt.Errorf("close keyspace %s: readers are still at it: %w", ds.dir, ctx.Err())
		}
	}
	if err := ds.closeFiles(); err != nil {
		return fmt.Errorf("close keyspace %s: %w", ds.dir, err)
	}
	return nil
}
