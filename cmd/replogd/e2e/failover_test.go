package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// family starts a master and its replicas, in sync. All take the same settings.
func family(t *testing.T, replicas int, settings ...string) (master *node, followers []*node) {
	t.Helper()
	master = newNode(t, "master", settings...).start()
	for i := range replicas {
		r := newNode(t, fmt.Sprintf("replica%d", i+1), settings...).start()
		r.replicaOf(master)
		r.waitLinkUp()
		followers = append(followers, r)
	}
	waitSame(t, append([]*node{master}, followers...)...)
	return master, followers
}

// TestPromotionsCostNoFullSync: Redis remembers one former identity, replogd all that its log reaches back to.
func TestPromotionsCostNoFullSync(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	a, replicas := family(t, 2, "appendfsync", "always")
	b, c := replicas[0], replicas[1]
	a.do("SET reign a")
	waitSame(t, a, b, c)
	first := a.field("master_replid")

	// The first promotion, after an accident.
	a.kill9()
	b.do("REPLICAOF NO ONE")
	b.do("SET reign b")
	c.replicaOf(b)
	c.waitLinkUp()
	require.Equal(t, first, b.field("master_replid2"))
	a.args = append(a.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", b.port))
	a.restart()
	a.waitLinkUp()
	waitSame(t, a, b, c)
	require.Equal(t, "b", a.do("GET reign"))
	require.EqualValues(t, 0, b.number("sync_full"))
	require.EqualValues(t, 2, b.number("sync_partial_ok"))

	// The second, while one node is away: it knows only the first identity when it comes back.
	a.kill9()
	b.do("SET reign b2")
	waitSame(t, b, c)
	b.kill9()
	c.do("REPLICAOF NO ONE")
	c.do("SET reign c")
	a.args[len(a.args)-1] = fmt.Sprintf("127.0.0.1 %d", c.port)
	a.restart()
	a.waitLinkUp()
	b.args = append(b.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", c.port))
	b.restart()
	b.waitLinkUp()
	waitSame(t, a, b, c)
	require.Equal(t, "c", a.do("GET reign"))
	require.EqualValues(t, 0, c.number("sync_full"))
	require.EqualValues(t, 2, c.number("sync_partial_ok"))
}

// TestReplicaMovesAlongTheChain: a position is valid on every node of the family.
func TestReplicaMovesAlongTheChain(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master, replicas := family(t, 2)
	first, second := replicas[0], replicas[1]
	second.replicaOf(first)
	second.waitLinkUp()
	master.do("SET k 1")
	waitSame(t, master, first, second)
	second.replicaOf(master)
	second.waitLinkUp()
	master.do("SET k 2")
	waitSame(t, master, first, second)
	require.EqualValues(t, 2, master.number("sync_full"))
	require.EqualValues(t, 0, first.number("sync_full"))
}

// TestDivergedMasterIsBroughtInLine: a former master wrote on, alone, after its replica had been promoted. There is no way to keep both;
// the new master's data win, by a full sync, and nothing pretends to be in sync before.
func TestDivergedMasterIsBroughtInLine(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	old, replicas := family(t, 1)
	promoted := replicas[0]
	old.do("SET common yes")
	waitSame(t, old, promoted)
	promoted.do("REPLICAOF NO ONE")
	for i := range 20 { // different writes of the same size: the offsets alone would tell nothing
		old.do(fmt.Sprintf("SET lost:%02d x", i))
		promoted.do(fmt.Sprintf("SET kept:%02d x", i))
	}
	full := promoted.number("sync_full")
	old.replicaOf(promoted)
	old.waitLinkUp()
	waitSame(t, promoted, old)
	require.Equal(t, full+1, promoted.number("sync_full"))
	require.Equal(t, "0", old.do("EXISTS lost:00"))
	require.Equal(t, "x", old.do("GET kept:19"))
	require.NotEmpty(t, promoted.field("last_full_sync_reason"))
}

// TestTrimmedLogCostsAFullSync: what retention has dropped cannot be resumed from; the reason can be read.
func TestTrimmedLogCostsAFullSync(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master, replicas := family(t, 1, "wal-segment-size", "256kb", "repl-backlog-size", "256kb", "repl-backlog-max-size", "1mb", "memtable-size", "1mb")
	replica := replicas[0]
	replica.stop()
	eventually(t, syncWithin, "the log is trimmed past the replica", func() error {
		writeRandom(t, master, 4<<20)
		master.do("BGSAVE")
		fields, err := master.info()
		if err != nil {
			return err
		}
		if first, _ := strconv.ParseInt(fields["repl_backlog_first_byte_offset"], 10, 64); first < 1<<20 {
			return fmt.Errorf("repl_backlog_first_byte_offset is %d", first)
		}
		return nil
	})
	full := master.number("sync_full")
	replica.args = append(replica.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.port))
	replica.restart()
	replica.waitLinkUp()
	waitSame(t, master, replica)
	require.Equal(t, full+1, master.number("sync_full"))
	require.Contains(t, master.field("last_full_sync_reason"), "trimmed")
}

// TestInterruptedFullSync: old data are served until the new are complete; a kill in the middle leaves them whole; the transfer goes
// on where it stopped.
func TestInterruptedFullSync(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	const dataBytes = 24 << 20
	for name, victim := range map[string]func(master, replica *node) *node{
		"replica killed": func(_, replica *node) *node { return replica },
		"master killed":  func(master, _ *node) *node { return master },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master := newNode(t, "master", "repl-snapshot-rate-limit", "12mb").start()
			writeRandom(t, master, dataBytes)
			master.do("SET whose masters")
			replica := newNode(t, "replica").start()
			replica.do("SET whose old")
			replica.do("SET only-old yes")
			replica.args = append(replica.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.port))
			replica.replicaOf(master)

			eventually(t, syncWithin, "a part of the snapshot has arrived", func() error {
				fields, err := replica.info()
				if err != nil {
					return err
				}
				if read, _ := strconv.ParseInt(fields["master_sync_read_bytes"], 10, 64); read < 4<<20 {
					return fmt.Errorf("master_sync_read_bytes is %d", read)
				}
				return nil
			})
			require.Equal(t, "old", replica.do("GET whose"), "old data are served during the transfer")
			v := victim(master, replica)
			v.kill9()
			v.restart()
			if v == replica && replica.field("master_link_status") == "down" {
				require.Equal(t, "old", replica.do("GET whose"), "the old data survived, whole")
			}
			replica.waitLinkUp()
			waitSame(t, master, replica)
			require.Equal(t, "masters", replica.do("GET whose"))
			require.Equal(t, "0", replica.do("EXISTS only-old"))
			require.Equal(t, []string{"2"}, generations(t, replica))
			if v == replica {
				require.Less(t, master.number("total_net_repl_output_bytes"), int64(dataBytes)*3/2, "the transfer was resumed, not repeated")
			}
		})
	}
}

// TestRulesForReplicas are the directives by which an application trades availability for safety.
func TestRulesForReplicas(t *testing.T) {
	t.Parallel()
	master := newNode(t, "master").start()
	replica := newNode(t, "replica", "replica-serve-stale-data", "no", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start()
	replica.waitLinkUp()
	master.do("SET k v")
	require.Equal(t, "1", master.do("WAIT 1 5000"))
	require.Equal(t, "v", replica.do("GET k"), "WAIT 1 means that the replica has it")

	master.do("CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 1")
	eventually(t, reactsWithin, "a write with a replica near", func() error { _, err := master.try("SET k w"); return err })
	replica.signal(syscall.SIGSTOP)
	eventually(t, reactsWithin, "nobody acknowledges", func() error {
		if _, err := master.try("SET k y"); err != nil {
			return nil //nolint:nilerr // refused already: nobody has acknowledged for a second
		}
		return want("WAIT", master.do("WAIT 1 50"), "0") // the first one may have arrived before the signal
	})
	eventually(t, reactsWithin, "writes are refused without one", func() error {
		reply, err := master.try("SET k x")
		if err != nil {
			reply = err.Error()
		}
		return want("the answer", reply, "NOREPLICAS Not enough good replicas to write.")
	})
	replica.signal(syscall.SIGCONT)
	eventually(t, reactsWithin, "writes again", func() error { _, err := master.try("SET k y"); return err })

	master.kill9()
	replica.eventuallyField("master_link_status", "down")
	require.Equal(t, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", replica.refuses("GET k"))
	master.restart()
	replica.waitLinkUp()
	if !stock() {
		require.Equal(t, "y", replica.do("GET k"))
	}
}

// TestAMasterThatLostItsDataWipesNobody: the master is started again in an empty directory. Its replica does not follow it into emptiness: it
// serves on, and says why.
func TestAMasterThatLostItsDataWipesNobody(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	master := newNode(t, "master").start()
	replica := newNode(t, "replica", "replicaof", fmt.Sprintf("127.0.0.1 %d", master.port)).start()
	master.do("SET k v")
	replica.waitLinkUp()
	waitSame(t, master, replica)

	master.kill9()
	require.NoError(t, os.RemoveAll(master.dir))
	require.NoError(t, os.Mkdir(master.dir, 0o755))
	master.start()
	eventually(t, syncWithin, "the reason is in INFO", func() error {
		fields, err := replica.info()
		if err == nil && !strings.Contains(fields["master_link_error"], "repl-accept-empty-master") {
			err = fmt.Errorf("master_link_error: %q", fields["master_link_error"])
		}
		return err
	})
	require.Equal(t, "v", replica.do("GET k"))
	require.Contains(t, replica.logText(), "the 1 keys here are kept")

	replica.do("CONFIG SET repl-accept-empty-master yes")
	replica.do("REPLICAOF NO ONE")
	replica.replicaOf(master)
	replica.waitLinkUp()
	require.Equal(t, "0", replica.do("DBSIZE"))
}
