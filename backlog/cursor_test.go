package backlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"replogd/wal"
)

// readN reads exactly n bytes from a cursor, in pieces of at most room.
func readN(t testing.TB, c *Cursor, n, room int) string {
	ctx := waitCtx(t)
	var out []byte
	p := make([]byte, room)
	for len(out) < n {
		k, err := c.Read(ctx, p[:min(room, n-len(out))])
		require.NoError(t, err)
		require.Positive(t, k)
		out = append(out, p[:k]...)
	}
	return string(out)
}

func TestCursorBounds(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	_, err := n.OpenCursor("x", 11)
	require.ErrorIs(t, err, wal.ErrNotYet)
	c, err := n.OpenCursor("x", 10)
	require.NoError(t, err)
	_, err = c.Read(waitCtx(t), nil)
	require.ErrorIs(t, err, io.ErrShortBuffer)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.Read(ctx, make([]byte, 1))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []PinInfo{{"x", 10}}, n.Stats().Pins)
	c.Close()
	c.Close()
	require.Empty(t, n.Stats().Pins)
	_, err = c.Read(waitCtx(t), make([]byte, 1))
	require.ErrorIs(t, err, ErrClosed)
}

// TestCursorReadsSegmentsThenTail: from the first byte over many segments into the shared tail, in pieces of every size.
func TestCursorReadsSegmentsThenTail(t *testing.T) {
	for _, room := range []int{1, 7, 100, 1 << 16} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			n := started(t)
			var want bytes.Buffer
			for i := range 60 {
				s := fmt.Sprintf("<record %d %s>", i, bytes.Repeat([]byte{'a' + byte(i%26)}, i*3))
				want.WriteString(s)
				n.write(s)
			}
			require.Greater(t, len(n.Log().Segments()), 3)
			c, err := n.OpenCursor("x", 0)
			require.NoError(t, err)
			defer c.Close()
			for i := range 30 { // now the tail fills
				s := fmt.Sprintf("<tail %d>", i)
				want.WriteString(s)
				n.write(s)
			}
			got := readN(t, c, want.Len(), room)
			require.Equal(t, want.String(), got)
			require.Equal(t, n.End(), c.Offset())
			require.Equal(t, []PinInfo{{"x", n.End()}}, n.Stats().Pins)
			n.write("more")
			require.Equal(t, "more", readN(t, c, 4, room))
			require.Nil(t, c.reader, "at the end it reads from memory")
		})
	}
}

// TestCursorNeverShipsWhatIsNotSafe: with always, bytes that are written but not fsynced are not handed out.
func TestCursorNeverShipsWhatIsNotSafe(t *testing.T) {
	n := newNode(t)
	n.setPolicy(wal.SyncNo)
	n.open()
	c, err := n.OpenCursor("x", 0)
	require.NoError(t, err)
	defer c.Close()
	n.write("written")
	require.Equal(t, uint64(0), n.Synced(), "the test needs bytes that are only written")
	n.setPolicy(wal.SyncAlways)
	require.Equal(t, uint64(0), n.Safe())
	require.Equal(t, "written", readN(t, c, 7, 100), "a waiting cursor has it fsynced")
	require.Equal(t, uint64(7), n.Synced())
}

// TestUnsafePolicyTakesEffectOnceRecorded: always turned into everysec without SetUnsafeShipping.
func TestUnsafePolicyTakesEffectOnceRecorded(t *testing.T) {
	n := started(t)
	require.NoError(t, n.SetRole(true))
	n.setPolicy(wal.SyncNo)
	end, err := n.Append(wal.KindData, []byte("abc"))
	require.NoError(t, err)
	require.NoError(t, n.Log().WaitWritten(waitCtx(t), end))
	require.Less(t, n.Safe(), end, "not recorded yet: only what is fsynced is safe")
	require.False(t, n.crashed(100).open().LostTailPossible())
	n.housekeep()
	require.Equal(t, end, n.Safe())
	require.True(t, n.crashed(100).open().LostTailPossible())
}

// TestWaitingCursorSeesEverything that can happen to it while it sleeps.
func TestWaitingCursorIsWoken(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(n *node)
		want error // nil: one byte
	}{
		"append": {func(n *node) { n.write("x") }, nil},
		"policy made weaker, then append": {func(n *node) {
			require.NoError(n.t, n.SetUnsafeShipping())
			n.setPolicy(wal.SyncNo)
			n.write("x")
		}, nil},
		"generation switch": {func(n *node) {
			require.NoError(n.t, n.BeginGeneration(2, []History{{id('a'), 0}}, 5))
		}, wal.ErrTrimmed},
		"close": {func(n *node) { require.NoError(n.t, n.Close(true)) }, wal.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			n := started(t)
			cur, err := n.OpenCursor("x", 0)
			require.NoError(t, err)
			defer cur.Close()
			got := make(chan error, 1)
			go func() {
				_, err := cur.Read(waitCtx(t), make([]byte, 1))
				got <- err
			}()
			runtime.Gosched()
			c.do(n)
			if err := <-got; c.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

func TestCursorReportsDamage(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	n.fill(2)
	c, err := n.OpenCursor("x", 0)
	require.NoError(t, err)
	defer c.Close()
	path := n.Log().Segments()[0].Path
	f, err := n.fs.OpenReadWrite(path, "")
	require.NoError(t, err)
	b := make([]byte, 512)
	k, _ := f.ReadAt(b, 0)
	at := bytes.Index(b[:k], []byte("01234"))
	require.Positive(t, at)
	_, err = f.WriteAt([]byte("X"), int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	for range 2 { // again and again, never skipped
		_, err = c.Read(waitCtx(t), make([]byte, 100))
		var ce *wal.CorruptionError
		require.ErrorAs(t, err, &ce)
		require.Equal(t, path, ce.File)
		require.Equal(t, uint64(0), c.Offset())
	}
}

// TestSmallRecordsAreReadTogether: one Read fills its buffer, whatever the records were.
func TestSmallRecordsAreReadTogether(t *testing.T) {
	n := started(t)
	var want string
	for i := range 300 {
		s := fmt.Sprint(i, ",")
		want += s
		n.write(s)
	}
	require.Greater(t, len(n.Log().Segments()), 2)
	c, err := n.OpenCursor("x", 0)
	require.NoError(t, err)
	defer c.Close()
	p := make([]byte, 1<<16)
	k, err := c.Read(waitCtx(t), p)
	require.NoError(t, err)
	require.Equal(t, want, string(p[:k]))
}

// TestContinue: the acceptance rule and the cursor as one step.
func TestContinue(t *testing.T) {
	n := started(t)
	n.write("0123456789")
	c, r, detail, err := n.Continue("x", Pos{n.Current().ID, 4})
	require.NoError(t, err)
	require.Equal(t, Accepted, r, detail)
	require.Equal(t, "456789", readN(t, c, 6, 10))
	c.Close()
	c, r, detail, err = n.Continue("x", Pos{id('f'), 4})
	require.NoError(t, err)
	require.Equal(t, UnknownID, r)
	require.Contains(t, detail, id('f'))
	require.Nil(t, c)
	require.Empty(t, n.Stats().Pins)
	_, r, _, err = n.Continue("x", Pos{"?", 0})
	require.NoError(t, err)
	require.Equal(t, FirstSync, r)
	n.pins.beginSwitch() // a full sync in progress: what was accepted a moment ago is not to be had
	c, r, detail, err = n.Continue("x", n.Position())
	require.NoError(t, err)
	require.Equal(t, Trimmed, r)
	require.Contains(t, detail, "being replaced")
	require.Nil(t, c)
}

// TestCursorsBesideWritersRetentionAndPolicies: several cursors, fast and slow, read every byte exactly once while a writer
// appends, waiters wait, policies change and retention runs.
func TestCursorsBesideWritersRetentionAndPolicies(t *testing.T) {
	const total = 300 << 10
	n := newNode(t)
	n.setPolicy(wal.SyncEverySecond)
	n.maxAge.Store(0)
	n.keeperEvery = time.Millisecond
	n.open()
	at := func(off uint64) byte { return byte(off*2654435761>>7) ^ byte(off) }
	ctx := waitCtx(t)
	var done atomic.Bool
	var wg, readers sync.WaitGroup
	var cursors []*Cursor
	for i := range 4 {
		c, err := n.OpenCursor(fmt.Sprint("cursor ", i), 0)
		require.NoError(t, err)
		cursors = append(cursors, c)
	}
	for i, c := range cursors {
		readers.Add(1)
		go func() {
			defer readers.Done()
			defer c.Close()
			p := make([]byte, []int{16, 200, 4096, 1 << 16}[i])
			for c.Offset() < total {
				off := c.Offset()
				k, err := c.Read(ctx, p)
				if err != nil || c.Offset() != off+uint64(k) || c.Offset() > n.Written() {
					t.Errorf("cursor %d at %d: %v", i, off, err)
					return
				}
				for j := range k {
					if p[j] != at(off+uint64(j)) {
						t.Errorf("cursor %d: wrong byte at %d", i, off+uint64(j))
						return
					}
				}
			}
		}()
	}
	wg.Add(2)
	go func() { // the writer
		defer wg.Done()
		rng := rand.New(rand.NewPCG(1, 2))
		buf := make([]byte, 0, 1<<12)
		for off := uint64(0); off < total; {
			buf = buf[:0]
			for range min(1+rng.Uint64N(2000), total-off) {
				buf = append(buf, at(off+uint64(len(buf))))
			}
			var err error
			if off, err = n.Append(wal.KindData, buf); err != nil {
				t.Errorf("append: %v", err)
				return
			}
			n.SetDurableApplied(off)
			if rng.IntN(4) == 0 {
				if err := n.WaitSafe(ctx, off); err != nil || n.Synced() < off && n.Written() < off {
					t.Errorf("wait: %v", err)
					return
				}
			}
		}
	}()
	go func() { // everything else
		defer wg.Done()
		for i := 0; !done.Load(); i++ {
			n.setPolicy(wal.SyncPolicy(i % 3))
			n.retain()
			n.Stats()
			n.Check(n.Position())
			n.NoteReplica(id('a'), "h:1", n.Start())
			runtime.Gosched()
		}
	}()
	readers.Wait()
	done.Store(true)
	wg.Wait()
	n.retain()
	require.Equal(t, uint64(total), n.End())
	require.Greater(t, n.Start(), uint64(0), "retention had something to do")
	require.Zero(t, n.Stats().PinsLost)
	require.False(t, errors.Is(n.Health(), wal.ErrFailed))
}

// TestCursorNeverMixesGenerations: the same offsets are written over and over, each time with other bytes.
func TestCursorNeverMixesGenerations(t *testing.T) {
	n := newNode(t)
	n.setPolicy(wal.SyncNo)
	n.open()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := make([]byte, 64<<i)
			for !stop.Load() {
				c, err := n.OpenCursor("x", 0)
				if err != nil {
					if !errors.Is(err, wal.ErrTrimmed) {
						t.Errorf("open: %v", err)
					}
					continue
				}
				err = readOneGeneration(c, p)
				c.Close()
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for g := range 60 {
		if g > 0 {
			require.NoError(t, n.BeginGeneration(uint64(g+1), []History{{ID: newID()}}, 0))
		}
		for range 10 {
			n.write(string(bytes.Repeat([]byte{byte(g)}, 100)))
		}
	}
	stop.Store(true)
	require.NoError(t, n.BeginGeneration(100, []History{{ID: newID()}}, 0))
	wg.Wait()
}

// readOneGeneration reads until the switch and returns an error if it saw bytes of more than one generation.
func readOneGeneration(c *Cursor, p []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	first := -1
	for {
		k, err := c.Read(ctx, p)
		if errors.Is(err, wal.ErrTrimmed) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, b := range p[:k] {
			if first < 0 {
				first = int(b)
			}
			if int(b) != first {
				return fmt.Errorf("byte of generation %d after one of %d, before offset %d", b, first, c.Offset())
			}
		}
	}
}

// TestSwitchInTheMiddleOfARead puts the switch between a Read's first look and its copy, by way of the policy it asks for.
func TestSwitchInTheMiddleOfARead(t *testing.T) {
	n := newNode(t)
	var inRead atomic.Bool
	o := n.options()
	o.Policy = func() wal.SyncPolicy {
		if inRead.CompareAndSwap(true, false) {
			require.NoError(t, n.BeginGeneration(2, []History{{id('a'), 0}}, 0))
			n.write("new!")
		}
		return wal.SyncNo
	}
	b, err := Open(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(true)) }()
	n.Backlog = b
	c, err := n.OpenCursor("x", 0)
	require.NoError(t, err)
	defer c.Close()
	n.write("old!")
	inRead.Store(true)
	p := []byte("none")
	_, err = c.Read(waitCtx(t), p)
	require.ErrorIs(t, err, wal.ErrTrimmed)
	require.False(t, inRead.Load())
}
