package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/wal"
)

func TestARunOfWritesSeesItsOwnChanges(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	got := n.exec(&n.client, "SET a 1", "INCR a", "APPEND a 0", "INCR a", "DEL a", "SET a z", "GETSET a y")
	require.Equal(t, "+OK\r\n:2\r\n:2\r\n:21\r\n:1\r\n+OK\r\n$1\r\nz\r\n", got)
	require.Equal(t, "$1\r\ny\r\n", n.do("GET a"))
}

// More rows than the linear search handles, some of them twice.
func TestALongRunSeesItsOwnChanges(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	var lines []string
	want := ""
	for i := range maxRunCommands {
		lines = append(lines, fmt.Sprintf("INCR k%d", i%(2*indexRowsAfter)))
		want += fmt.Sprintf(":%d\r\n", i/(2*indexRowsAfter)+1)
	}
	require.Equal(t, want, n.exec(&n.client, lines...))
}

func TestEffectsAreFramedAsRedisDoes(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	n.do("SET a 1")
	n.client.DB = 3
	n.do("SET b 1")
	n.do("DEL nosuch")
	n.client.DB = 0
	n.do("SET c 1")
	want := strings.Join([]string{
		"*3 $3 SET $1 a $1 1",
		"*2 $6 SELECT $1 3", "*3 $3 SET $1 b $1 1",
		"*2 $6 SELECT $1 0", "*3 $3 SET $1 c $1 1", "",
	}, " ")
	require.Equal(t, strings.ReplaceAll(want, " ", "\r\n"), string(n.stream(0)))
}

func TestAnExpiredKeyMetByAWriteIsDeletedInTheStreamFirst(t *testing.T) {
	leader := newNode(t).lead()
	defer leader.close()
	follower := newNode(t).follow()
	defer follower.close()

	// A follower takes a key whose time is up as the stream says it, and keeps it until the stream says otherwise.
	past := "*5\r\n$3\r\nSET\r\n$1\r\nn\r\n$1\r\n7\r\n$4\r\nPXAT\r\n$13\r\n1000000000000\r\n"
	follower.receive([]byte(past))
	require.Equal(t, int64(1), follower.e.DBStats()[0].Keys)
	require.Equal(t, "$-1\r\n", follower.do("GET n"))

	// Promoted, it counts from nothing, and says so.
	from := follower.b.End()
	follower.lead()
	require.Equal(t, ":1\r\n", follower.do("INCR n"))
	stream := string(follower.stream(from))
	require.Less(t, strings.Index(stream, "DEL\r\n$1\r\nn"), strings.Index(stream, "INCR\r\n$1\r\nn"), stream)
	require.Contains(t, stream, "DEL\r\n$1\r\nn")
}

func TestWritesAreRefusedOutsideTheLeaderRole(t *testing.T) {
	n := newNode(t)
	defer n.close()
	require.Equal(t, "-LOADING Redis is loading the dataset in memory\r\n", n.exec(&n.client, "SET a 1"))
	n.follow()
	require.Equal(t, "-READONLY You can't write against a read only replica.\r\n", n.exec(&n.client, "SET a 1"))
	n.lead()
	text := "NOREPLICAS Not enough good replicas to write."
	n.guard.Store(&text)
	require.Equal(t, "-"+text+"\r\n-"+text+"\r\n", n.exec(&n.client, "SET a 1", "SET b 1"))
	n.guard.Store(nil)
	require.Equal(t, "+OK\r\n", n.do("SET a 1"))
	require.Equal(t, "$1\r\n1\r\n", n.do("GET a"))
}

func TestAReplyThatShowsAnUnsafeWriteWaitsForIt(t *testing.T) {
	n := newNode(t).lead()
	defer n.close()
	n.policy.Store(uint32(wal.SyncAlways))
	var writer, reader, other Session
	n.exec(&writer, "SET shown 1")
	require.Equal(t, n.b.End(), writer.Need)
	require.Equal(t, "$1\r\n1\r\n", n.exec(&reader, "GET shown"))
	require.Equal(t, writer.Need, reader.Need, "what the reader saw is not durable yet")
	n.exec(&other, "GET elsewhere")
	require.Zero(t, other.Need, "an unaffected reader must not wait")
	n.exec(&other, "DBSIZE")
	require.Equal(t, writer.Need, other.Need)
}

// Readers beside a writer never see half of an MSET.
func TestReadsOfSeveralKeysAreOfOneInstant(t *testing.T) {
	n := newNode(t, smallStore).lead()
	defer n.close()
	n.do("MSET a 0 b 0 c 0")
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		var s Session
		for i := 1; i <= 3000; i++ {
			n.exec(&s, fmt.Sprintf("MSET a %d b %d c %d", i, i, i))
		}
		stop()
	})
	for range 2 {
		wg.Go(func() {
			var s Session
			last := ""
			for ctx.Err() == nil {
				f := strings.Fields(n.exec(&s, "MGET a b c"))
				if f[2] != f[4] || f[4] != f[6] {
					t.Errorf("MGET saw half a write: %q", f)
					return
				}
				last = f[2]
			}
			_ = last
		})
	}
	wg.Wait()
}

// A single reader never goes back in time, whether rows come from the cache or from the store.
func TestReadsAreMonotonic(t *testing.T) {
	n := newNode(t, func(o *Options) { smallStore(o); o.RowCacheBytes = 16 << 10 }).lead()
	defer n.close()
	n.do("SET n 0")
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		var s Session
		for i := range 20000 {
			n.exec(&s, "INCR n", fmt.Sprintf("SET filler%d %s", i%500, bulk(200)))
		}
		stop()
	})
	wg.Go(func() {
		var s Session
		last := 0
		for ctx.Err() == nil {
			var length, now int
			_, err := fmt.Sscanf(n.exec(&s, "GET n"), "$%d\r\n%d", &length, &now)
			if err != nil || now < last {
				t.Errorf("read %d after %d (%v)", now, last, err)
				return
			}
			last = now
		}
	})
	wg.Wait()
}
