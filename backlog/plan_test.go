package backlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"replogd/wal"
)

// TestPlan runs the retention rule over scripts: testdata/plan. A segment is written "start-end age", with sizes in bytes
// and ages in seconds; file sizes equal stream sizes.
func TestPlan(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var segs []wal.SegmentInfo
	datadriven.RunTest(t, "testdata/plan", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "segments":
			segs = nil
			for _, ln := range strings.Split(strings.TrimSpace(d.Input), "\n") {
				var s wal.SegmentInfo
				var age int64
				if _, err := fmt.Sscanf(ln, "%d-%d %d", &s.Start, &s.End, &age); err != nil {
					d.Fatalf(t, "%q: %v", ln, err)
				}
				s.FileBytes = int64(s.End - s.Start)
				s.LastTimeMs = now.UnixMilli() - age*1000
				segs = append(segs, s)
			}
			return "ok"
		case "plan":
			var minB, maxB, age, applied, from int
			d.MaybeScanArgs(t, "min", &minB)
			d.MaybeScanArgs(t, "max", &maxB)
			d.MaybeScanArgs(t, "age", &age)
			d.MaybeScanArgs(t, "from", &from)
			d.ScanArgs(t, "applied", &applied)
			var holds []uint64
			for _, a := range d.CmdArgs {
				if a.Key == "holds" {
					for _, v := range a.Vals {
						var h uint64
						_, _ = fmt.Sscan(v, &h)
						holds = append(holds, h)
					}
				}
			}
			l := limits{minBytes: int64(minB), maxBytes: int64(maxB), maxAge: time.Duration(age) * time.Second, now: now}
			end := segs[len(segs)-1].End
			return fmt.Sprint("drop before ", plan(segs, uint64(from), end, uint64(applied), l, holds))
		default:
			return "unknown command"
		}
	})
}

// TestPlanKeepsItsPromises states the rule once more, from the other side: what was dropped was droppable, what was kept had
// a reason.
func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_000_000, 0)
		var segs []wal.SegmentInfo
		off := uint64(rapid.IntRange(0, 100).Draw(t, "first"))
		for range rapid.IntRange(1, 8).Draw(t, "segments") {
			n := rapid.Uint64Range(1, 50).Draw(t, "size")
			age := rapid.Int64Range(-5, 100).Draw(t, "age")
			segs = append(segs, wal.SegmentInfo{
				Start: off, End: off + n, FileBytes: int64(n) + rapid.Int64Range(0, 10).Draw(t, "overhead"),
				LastTimeMs: now.UnixMilli() - age*1000,
			})
			off += n
		}
		end, from := off, segs[0].Start
		l := limits{
			minBytes: rapid.Int64Range(0, 200).Draw(t, "min"),
			maxBytes: rapid.SampledFrom([]int64{0, 1, 50, 100, 400}).Draw(t, "max"),
			maxAge:   time.Duration(rapid.IntRange(0, 100).Draw(t, "maxAge")) * time.Second,
			now:      now,
		}
		applied := rapid.Uint64Range(from, end).Draw(t, "applied")
		holds := rapid.SliceOfN(rapid.Uint64Range(0, end), 0, 3).Draw(t, "holds")
		to := plan(segs, from, end, applied, l, holds)

		var total int64
		for _, s := range segs {
			total += s.FileBytes
		}
		for i, s := range segs {
			aged := now.Sub(time.UnixMilli(s.LastTimeMs)) >= l.maxAge
			held := false
			for _, h := range holds {
				held = held || (h >= from && h < s.End)
			}
			over := l.maxBytes > 0 && total > l.maxBytes
			total -= s.FileBytes
			may := i < len(segs)-1 && s.End <= applied && end-s.End >= uint64(l.minBytes) && ((aged && !held) || over)
			switch dropped := s.End <= to; {
			case dropped && !may:
				t.Fatalf("segment %d was dropped without a reason", i)
			case !dropped && s.Start == to && may:
				t.Fatalf("segment %d was kept without a reason", i)
			case dropped != (s.Start < to):
				t.Fatalf("cut inside segment %d", i)
			}
		}
	})
}
