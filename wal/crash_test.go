package wal

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// crashModel is what a test knows about a log at the moment of a crash.
type crashModel struct {
	generation uint64
	start      uint64 // where the generation began
	trimmed    uint64 // bytes before it may be gone: DropBefore was called with it
	synced     uint64 // reported before the crash
	written    uint64
	end        uint64 // appended
}

// crashPoint is one state that a crash could leave.
type crashPoint struct {
	name  string
	fs    *vfs.MemFS
	model crashModel
	kept  int // percent of the unsynced blocks and directory entries that survived
}

// crasher takes crash clones of a file system before every changing operation.
type crasher struct {
	fs   *vfs.MemFS
	rng  *rand.Rand
	kept []int

	mu struct {
		sync.Mutex
		ops    int
		model  func() crashModel
		points []crashPoint
	}
}

func newCrasher(fs *vfs.MemFS, seed uint64, kept ...int) *crasher {
	return &crasher{fs: fs, rng: newRNG(seed), kept: kept}
}

func (c *crasher) String() string { return "crasher" }

func (c *crasher) setModel(f func() crashModel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.model = f
}

func (c *crasher) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.model == nil {
		return nil
	}
	c.mu.ops++
	for _, kept := range c.kept {
		m := c.mu.model() // before the clone: what is reported later need not be in it
		c.mu.points = append(c.mu.points, crashPoint{
			name:  fmt.Sprintf("before operation %d (%s, kind %d), %d%% kept", c.mu.ops, op.Path, op.Kind, kept),
			fs:    c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: c.rng}),
			model: m,
			kept:  kept,
		})
	}
	return nil
}

func (c *crasher) points() []crashPoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.points
}

// modelOf reads a log's promises; the order of the reads makes them a lower bound (synced, written) and an upper one (end).
func modelOf(l *Log, base crashModel) func() crashModel {
	return func() crashModel {
		m := base
		m.synced, m.written, m.end = l.Synced(), l.Written(), l.End()
		return m
	}
}

// checkCrash opens what a crash has left and holds it against the model; then it checks that the log goes on.
func checkCrash(t *testing.T, p crashPoint, o Options) {
	t.Helper()
	o.FS, o.Generation, o.StartOffset = p.fs, p.model.generation, p.model.start
	l, err := Open(o)
	require.NoError(t, err, p.name)
	require.GreaterOrEqual(t, l.End(), p.model.synced, p.name)
	require.LessOrEqual(t, l.End(), max(p.model.end, p.model.start), p.name)
	require.LessOrEqual(t, l.Start(), max(p.model.start, p.model.trimmed), p.name)
	if p.kept == 100 {
		require.GreaterOrEqual(t, l.End(), p.model.written, "kill -9 loses nothing written: %s", p.name)
	}
	end, err := readAll(t, l, l.Start())
	require.NoError(t, err, p.name)
	require.Equal(t, l.End(), end, p.name)

	for range 3 {
		require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 1500)), p.name)
	}
	want := l.End()
	again := p.fs.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, l.Close(), p.name)
	o.FS = again
	l, err = Open(o)
	require.NoError(t, err, p.name)
	end, err = readAll(t, l, l.Start())
	require.NoError(t, err, p.name)
	require.Equal(t, want, end, p.name)
	require.NoError(t, l.Close(), p.name)
}

// crashWorkload appends, syncs, rotates, changes the epoch, drops, closes, opens and resets.
func crashWorkload(t *testing.T, c *crasher, o Options) {
	rng := newRNG(7)
	base := crashModel{generation: o.Generation, start: o.StartOffset}
	c.setModel(func() crashModel { m := base; m.synced, m.written, m.end = m.start, m.start, m.start; return m })
	l, err := Open(o)
	require.NoError(t, err)
	c.setModel(modelOf(l, base))
	steps := func(n int) {
		for range n {
			off := appendN(t, l, 1+rng.IntN(700))
			switch rng.IntN(4) {
			case 0:
				require.NoError(t, l.WaitWritten(deadline(t), off))
			case 1:
				require.NoError(t, l.WaitSynced(deadline(t), off))
			case 2:
				l.SetEpoch(l.mu.epoch+uint32(rng.IntN(4)/3), HistoryID{byte(rng.IntN(2))})
			}
		}
	}
	steps(25)
	base.trimmed = l.Segments()[len(l.Segments())/2].Start
	c.setModel(modelOf(l, base))
	_, err = l.DropBefore(base.trimmed)
	require.NoError(t, err)
	steps(10)

	// Close reports nothing new as safe before it is; the final state is read from the log after it.
	require.NoError(t, l.Close())
	l, err = Open(o)
	require.NoError(t, err)
	require.Empty(t, l.Recovery().TornFile)
	c.setModel(modelOf(l, base))
	steps(10)

	// The caller's metadata names the new generation first, then the log is reset.
	base = crashModel{generation: o.Generation + 1, start: 300}
	c.setModel(func() crashModel { m := base; m.synced, m.written, m.end = 300, 300, 300; return m })
	require.NoError(t, l.Reset(base.generation, base.start, 9, HistoryID{9}))
	c.setModel(modelOf(l, base))
	steps(12)
	require.NoError(t, l.Close())
}

// TestCrashAtEveryOperation: at every single operation on the file system, with none, half and all of what was not fsynced,
// the log that comes back holds everything that was reported synced, nothing that was not appended, and goes on.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncAlways, SyncEverySecond, SyncNo} {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewCrashableMem()
			c := newCrasher(fs, 1, 0, 50, 50, 100)
			o := quiet(errorfs.Wrap(fs, c), policy)
			o.StartOffset = 123
			crashWorkload(t, c, o)
			points := c.points()
			require.Greater(t, len(points), 200)
			t.Logf("%d crash points", len(points))
			for _, p := range points {
				checkCrash(t, p, quiet(nil, policy))
			}
		})
	}
}

// TestCrashInRecovery: a crash at every operation of Open itself, after a crash that tore the log, is recovered too, and never
// brings back what was cut.
func TestCrashInRecovery(t *testing.T) {
	torn := 0
	for seed := range uint64(12) {
		fs := vfs.NewCrashableMem()
		o := quiet(fs, SyncNo)
		o.SegmentSize = 1 << 20
		l, err := Open(o)
		require.NoError(t, err)
		require.NoError(t, l.WaitSynced(deadline(t), appendN(t, l, 5000)))
		for range 12 {
			require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 3000)))
		}
		m := modelOf(l, crashModel{generation: 1})()
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 70, RNG: newRNG(seed)})
		require.NoError(t, l.Close())

		c := newCrasher(crashed, seed, 0, 50, 100)
		c.setModel(func() crashModel { return m })
		o.FS = errorfs.Wrap(crashed, c)
		l, err = Open(o)
		require.NoError(t, err)
		if l.Recovery().TornFile != "" {
			torn++
		}
		c.setModel(nil)
		require.NoError(t, l.Close())
		for _, p := range c.points() {
			p.kept = 0 // nothing is promised about what was written
			checkCrash(t, p, o)
		}
	}
	require.Greater(t, torn, 3, "the test must meet torn tails")
}

// kill ends a log as kill -9 does: what is written stays with the operating system, nothing more is fsynced.
func kill(t *testing.T, l *Log, inj *injector) {
	t.Helper()
	inj.set(syscall.EIO)
	require.ErrorIs(t, l.Close(), ErrFailed)
}

// TestOpenSyncsWhatItReports: after kill -9, Open reports as synced what it found, so it must have fsynced it; and the zeros that
// replace a torn tail are as durable as what follows them.
func TestOpenSyncsWhatItReports(t *testing.T) {
	for _, torn := range []bool{false, true} {
		fs := vfs.NewCrashableMem()
		inj := &injector{match: func(op errorfs.Op) bool { return onWrite(op) || onSync(op) }}
		l, err := Open(quiet(errorfs.Wrap(fs, inj), SyncNo))
		require.NoError(t, err)
		end := appendN(t, l, 100)
		require.NoError(t, l.WaitWritten(deadline(t), end))
		appendN(t, l, 1) // something for Close to fail at
		kill(t, l, inj)
		if torn {
			f, err := fs.OpenReadWrite("wal/"+segmentName(0), diskCategory)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("half a record"), segmentHeaderSize+148)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}

		l, err = Open(quiet(fs, SyncNo))
		require.NoError(t, err)
		require.Equal(t, torn, l.Recovery().TornFile != "")
		require.Equal(t, end, l.Synced())
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		require.NoError(t, l.Close())
		l, err = Open(quiet(crashed, SyncNo))
		require.NoError(t, err)
		require.Equal(t, end, l.End())
		require.Empty(t, l.Recovery().TornFile, "the cut was fsynced")
		require.NoError(t, l.Close())
	}
}

// TestCloseLeavesADurableMark: power loss right after Close keeps the proof that the last record was safe.
func TestCloseLeavesADurableMark(t *testing.T) {
	fs := vfs.NewCrashableMem()
	for range 3 {
		l, err := Open(quiet(fs, SyncNo))
		require.NoError(t, err)
		if l.End() == 0 {
			appendN(t, l, 100)
		}
		require.NoError(t, l.Close())
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		rep, err := VerifySegment(fs, "wal/"+segmentName(0), nil)
		require.NoError(t, err)
		require.True(t, rep.Marks)
		require.EqualValues(t, segmentHeaderSize+148+recordHeaderSize, rep.EndPos, "one mark is enough")
	}
}

// TestDropOrder: each removal is durable before the next one, so that no crash leaves a gap.
func TestDropOrder(t *testing.T) {
	var ops []string
	var on bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case !on:
		case op.Kind == errorfs.OpRemove:
			ops = append(ops, "remove "+op.Path)
		case op.Kind == errorfs.OpFileSync:
			ops = append(ops, "sync "+op.Path)
		}
		return nil
	}))
	l, err := Open(quiet(fs, SyncNo))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, l.WaitWritten(deadline(t), appendN(t, l, 4000)))
	}
	on = true
	_, err = l.DropBefore(8000)
	require.NoError(t, err)
	on = false
	require.Equal(t, []string{"remove wal/" + segmentName(0), "sync wal", "remove wal/" + segmentName(4000), "sync wal"}, ops)
	require.NoError(t, l.Close())
}
