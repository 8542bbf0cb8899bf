package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The measurements of the README, beside redis-server on the same machine: REPLOGD_MEASURE=1 go test -run Measure -v -timeout 1h .
// They alternate between the two, take medians of three, print, and judge nothing: a figure is a matter of the machine.

const (
	measureRepeats = 3
	fillPipeline   = 1000
)

func measuring(t *testing.T) (redisServer string) {
	t.Helper()
	if os.Getenv("REPLOGD_MEASURE") == "" {
		t.Skip("set REPLOGD_MEASURE=1 for measurements")
	}
	return redisTool(t, "redis-server")
}

// contestant is one of the two servers that are measured in turn.
type contestant struct {
	name string
	bin  string
}

func contestants(t *testing.T) []contestant {
	return []contestant{{"redis-server", measuring(t)}, {"replogd", binary(t)}}
}

func TestMeasureFullSync(t *testing.T) {
	for _, load := range []struct {
		keys, bytes int
	}{{1_000_000, 100}, {200_000, 1024}} {
		times := make(map[string][]time.Duration)
		for range measureRepeats {
			for _, c := range contestants(t) {
				times[c.name] = append(times[c.name], fullSyncTime(t, c, load.keys, load.bytes))
			}
		}
		stockTime, ours := median(times["redis-server"]), median(times["replogd"])
		fmt.Printf("full sync of %d keys x %d B: redis-server %v (%.0f keys/s), replogd %v (%.0f keys/s), ratio %.1f; all: %v\n",
			load.keys, load.bytes, stockTime.Round(time.Millisecond), perSecond(load.keys, stockTime),
			ours.Round(time.Millisecond), perSecond(load.keys, ours), stockTime.Seconds()/ours.Seconds(), times)
	}
}

// fullSyncTime fills a master and times an empty replica's first sync. Each time with a new master: a checkpoint that an earlier replica
// has left behind would be a present.
func fullSyncTime(t *testing.T, c contestant, keys, size int) time.Duration {
	t.Helper()
	master := newNodeOf(t, c.bin, c.name+"-master", "save", "").start()
	fillKeys(t, master, keys, size)
	replica := newNodeOf(t, c.bin, c.name+"-replica", "save", "").start()
	began := time.Now()
	replica.replicaOf(master)
	pollFast(t, 10*time.Minute, func() bool {
		fields, err := replica.info("replication")
		return err == nil && fields["master_link_status"] == "up"
	})
	took := time.Since(began)
	require.Equal(t, strconv.Itoa(keys), replica.do("DBSIZE"))
	for _, n := range []*node{replica, master} {
		n.kill9()
		require.NoError(t, os.RemoveAll(n.dir))
	}
	return took
}

func TestMeasureResume(t *testing.T) {
	measuring(t)
	const missed = 1 << 30
	master := newNode(t, "master", "repl-backlog-size", "4gb").start()
	replica := newNode(t, "replica", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port), "repl-backlog-size", "4gb").start()
	replica.waitLinkUp()
	var received, applied, copies []time.Duration
	for range measureRepeats {
		waitSame(t, master, replica)
		replica.stop()
		before := master.number("master_repl_offset")
		writeRandom(t, master, missed)
		target := master.number("master_repl_offset")

		replica.start()
		began := time.Now()
		reaches := func(field string) time.Duration {
			pollFast(t, 10*time.Minute, func() bool {
				fields, err := replica.info("replication")
				offset, _ := strconv.ParseInt(fields[field], 10, 64)
				return err == nil && offset >= target
			})
			return time.Since(began)
		}
		received = append(received, reaches("slave_read_repl_offset"))
		applied = append(applied, reaches("slave_repl_offset"))
		copies = append(copies, copyLog(t, master, target-before))
	}
	require.EqualValues(t, 1, master.number("sync_full"))
	rate := func(all []time.Duration) string {
		m := median(all)
		return fmt.Sprintf("%v (%.0f MB/s)", m.Round(time.Millisecond), perSecond(missed, m)/1e6)
	}
	fmt.Printf("resume after %d MB of missed log: in the replica's log after %s, applied after %s; cp of the segments %s; all: %v %v %v\n",
		missed>>20, rate(received), rate(applied), rate(copies), received, applied, copies)
}

// copyLog times a plain copy of the log's newest segments, about as many bytes as asked for.
func copyLog(t *testing.T, n *node, bytes int64) time.Duration {
	t.Helper()
	segments := n.files("[0-9]*.log")
	segments = slices.DeleteFunc(segments, func(path string) bool { return filepath.Base(filepath.Dir(path)) != "wal" })
	slices.Reverse(segments)
	target := t.TempDir()
	args := []string{}
	for _, s := range segments {
		if bytes <= 0 {
			break
		}
		info, err := os.Stat(s)
		require.NoError(t, err)
		bytes -= info.Size()
		args = append(args, s)
	}
	began := time.Now()
	out, err := exec.Command("cp", append(args, target)...).CombinedOutput()
	took := time.Since(began)
	require.NoError(t, err, string(out))
	require.NoError(t, os.RemoveAll(target))
	return took
}

func TestMeasureSet(t *testing.T) {
	tool := redisTool(t, "redis-benchmark")
	for _, policy := range []string{"always", "everysec"} {
		for _, flags := range [][]string{{"-c", "50", "-n", "100000"}, {"-c", "50", "-P", "16", "-n", "500000"}} {
			rates := make(map[string][]float64)
			for range measureRepeats {
				for _, c := range contestants(t) {
					n := newNodeOf(t, c.bin, c.name, "appendonly", "yes", "appendfsync", policy, "save", "").start()
					args := append([]string{"-p", strconv.Itoa(n.port), "-t", "set", "-r", "100000", "-d", "100", "-q"}, flags...)
					out, err := exec.Command(tool, args...).CombinedOutput()
					require.NoError(t, err, string(out))
					m := regexp.MustCompile(`SET: ([\d.]+) requests per second`).FindSubmatch(out)
					require.NotNil(t, m, string(out))
					rate, err := strconv.ParseFloat(string(m[1]), 64)
					require.NoError(t, err)
					rates[c.name] = append(rates[c.name], rate)
					n.kill9()
					require.NoError(t, os.RemoveAll(n.dir))
				}
			}
			stockRate, ours := median(rates["redis-server"]), median(rates["replogd"])
			fmt.Printf("SET 100 B, appendfsync %s, redis-benchmark %v: redis-server %.0f/s, replogd %.0f/s, ratio %.2f; all: %v\n",
				policy, flags, stockRate, ours, ours/stockRate, rates)
		}
	}
}

// fillKeys writes keys of random, incompressible text.
func fillKeys(t *testing.T, n *node, keys, size int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, size)
	for i := 0; i < keys; {
		pipe := n.client().Pipeline()
		for range fillPipeline {
			for j := range value {
				value[j] = byte(' ' + rng.IntN(95))
			}
			pipe.Set(context.Background(), fmt.Sprintf("key:%012d", i), string(value), 0)
			i++
		}
		_, err := pipe.Exec(context.Background())
		require.NoError(t, err)
	}
	require.Equal(t, strconv.Itoa(keys), n.do("DBSIZE"))
}

// pollFast is poll with a finer grain, for measurements.
func pollFast(t *testing.T, within time.Duration, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !done(); <-tick.C {
		require.True(t, time.Now().Before(deadline), "not within %v", within)
	}
}

func median[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
