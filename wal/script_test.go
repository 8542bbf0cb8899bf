package wal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// script runs one file of testdata/log. Commands:
//
//	open [segment=<bytes>] [generation=<n>] [start=<offset>] [policy=always|everysec|no] [read-only]
//	append <payload bytes>... [written|synced]     append records and wait for the last
//	epoch <n> <history letter>
//	crash [kept=0|100]      power loss (nothing unsynced survives) or kill -9 (everything written survives)
//	close
//	drop <offset>
//	reset generation=<n> start=<offset> epoch=<n>
//	read from=<offset>
//	cut bytes=<n>           shorten the last segment's file by n bytes
//	flip segment=<index> at=<position>
//	files
//	state
type script struct {
	fs *vfs.MemFS
	o  Options
	l  *Log
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/log", func(t *testing.T, path string) {
		s := &script{fs: vfs.NewCrashableMem()}
		defer func() {
			if s.l != nil {
				_ = s.l.Close()
			}
		}()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(t, d)
			if err != nil {
				return out + "error: " + err.Error() + "\n"
			}
			return out
		})
	})
}

func (s *script) run(t *testing.T, d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "open":
		return s.open(t, d)
	case "append":
		return s.append(t, d)
	case "epoch":
		var n int
		var id string
		d.ScanArgs(t, "n", &n)
		d.ScanArgs(t, "id", &id)
		s.l.SetEpoch(uint32(n), HistoryID([]byte(strings.Repeat(id, 40))))
		return "", nil
	case "crash":
		kept := 100
		d.MaybeScanArgs(t, "kept", &kept)
		clone := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: newRNG(1)})
		require.NoError(t, s.l.Close())
		s.fs, s.l = clone, nil
		return "", nil
	case "close":
		err := s.l.Close()
		s.l = nil
		return "", err
	case "drop":
		var off uint64
		d.ScanArgs(t, "before", &off)
		dropped, err := s.l.DropBefore(off)
		return describe(dropped), err
	case "reset":
		var generation, start uint64
		var epoch uint32
		d.ScanArgs(t, "generation", &generation)
		d.ScanArgs(t, "start", &start)
		d.ScanArgs(t, "epoch", &epoch)
		return "", s.l.Reset(generation, start, epoch, HistoryID{})
	case "read":
		var from uint64
		d.ScanArgs(t, "from", &from)
		return s.read(from)
	case "cut", "flip":
		return "", s.damage(t, d)
	case "files":
		names, err := s.fs.List("wal")
		im := takeImage(t, s.fs)
		var b strings.Builder
		for _, n := range im.names() {
			fmt.Fprintf(&b, "%s %d\n", n, len(im[n]))
		}
		require.Len(t, names, len(im))
		return b.String(), err
	case "state":
		return s.state(), nil
	default:
		return "", fmt.Errorf("unknown command %q", d.Cmd)
	}
}

func (s *script) open(t *testing.T, d *datadriven.TestData) (string, error) {
	policy := "no"
	d.MaybeScanArgs(t, "policy", &policy)
	s.o = quiet(s.fs, map[string]SyncPolicy{"always": SyncAlways, "everysec": SyncEverySecond, "no": SyncNo}[policy])
	s.o.SegmentSize = MinSegmentSize
	d.MaybeScanArgs(t, "segment", &s.o.SegmentSize)
	d.MaybeScanArgs(t, "generation", &s.o.Generation)
	d.MaybeScanArgs(t, "start", &s.o.StartOffset)
	s.o.ReadOnly = d.HasArg("read-only")
	l, err := Open(s.o)
	if err != nil {
		return "", err
	}
	s.l = l
	out := ""
	if r := l.Recovery(); r.TornFile != "" {
		out += fmt.Sprintf("cut %s at %d: %d bytes\n", r.TornFile, r.TornAt, r.TornBytes)
	}
	for _, f := range l.Recovery().Removed {
		out += fmt.Sprintf("removed %s\n", f)
	}
	return out + s.state(), nil
}

func (s *script) append(t *testing.T, d *datadriven.TestData) (string, error) {
	var sizes []int
	var wait string
	for _, a := range d.CmdArgs {
		if a.Key == "sizes" {
			for _, v := range a.Vals {
				var n int
				_, err := fmt.Sscan(v, &n)
				require.NoError(t, err)
				sizes = append(sizes, n)
			}
		} else {
			wait = a.Key
		}
	}
	var end uint64
	for _, n := range sizes {
		var err error
		start := s.l.End()
		if end, err = s.l.Append(KindData, int64(start), payloadAt(start, n)); err != nil {
			return "", err
		}
	}
	var err error
	switch wait {
	case "written":
		err = s.l.WaitWritten(deadline(t), end)
	case "synced":
		err = s.l.WaitSynced(deadline(t), end)
	}
	return s.state(), err
}

func (s *script) read(from uint64) (string, error) {
	r, err := s.l.NewReader(from)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	var b strings.Builder
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return b.String(), nil
		case err != nil:
			return b.String(), err
		case string(rec.Payload) != string(payloadAt(rec.Start, len(rec.Payload))):
			return b.String(), errors.New("wrong bytes")
		}
		fmt.Fprintf(&b, "[%d, %d) epoch %d\n", rec.Start, r.Offset(), rec.Epoch)
	}
}

// damage changes a file of the closed log behind its back.
func (s *script) damage(t *testing.T, d *datadriven.TestData) error {
	im := takeImage(t, s.fs)
	names := im.names()
	if d.Cmd == "cut" {
		var n int
		d.ScanArgs(t, "bytes", &n)
		last := names[len(names)-1]
		s.fs = im.mountCrashable(t, last, im[last][:len(im[last])-n])
		return nil
	}
	var i, at int
	d.ScanArgs(t, "segment", &i)
	d.ScanArgs(t, "at", &at)
	b := im[names[i]]
	b[at] ^= 1
	s.fs = im.mountCrashable(t, names[i], b)
	return nil
}

func (s *script) state() string {
	return fmt.Sprintf("start %d end %d written %d synced %d\n%s",
		s.l.Start(), s.l.End(), s.l.Written(), s.l.Synced(), describe(s.l.Segments()))
}

func describe(infos []SegmentInfo) string {
	var b strings.Builder
	for _, in := range infos {
		history := strings.Trim(string(in.History[:1]), "\x00")
		fmt.Fprintf(&b, "  %s [%d, %d) generation %d epoch %d%s\n", in.Path, in.Start, in.End, in.Generation, in.Epoch, history)
	}
	return b.String()
}
