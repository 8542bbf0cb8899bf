package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	cutsFor     = 8 * time.Second
	cutsForLong = 10 * time.Minute
	cutAtMost   = time.Second // between two cuts of one link

	// lagAtMost is how far the last node may be behind before the writer waits: well within what the stock nodes keep of the stream.
	lagAtMost = 32 << 20
)

// cable is a network between a replica and its master that can be cut, in the middle of whatever passes.
type cable struct {
	t      testing.TB
	listen net.Listener
	to     string
	cuts   atomic.Int64
	wg     sync.WaitGroup

	mu struct {
		sync.Mutex
		ended bool
		conns map[net.Conn]struct{}
	}
}

func newCable(t testing.TB, master *node) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{t: t, listen: l, to: master.addr()}
	c.mu.conns = map[net.Conn]struct{}{}
	c.wg.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		c.mu.ended = true
		c.mu.Unlock()
		c.cut()
		c.wg.Wait()
	})
	return c
}

func (c *cable) port() int { return c.listen.Addr().(*net.TCPAddr).Port }

func (c *cable) accept() {
	for {
		near, err := c.listen.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !c.hold(near, far) {
			return
		}
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			c.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // until it is cut
				c.drop(near, far)
			})
		}
	}
}

func (c *cable) hold(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if c.mu.ended {
			_ = conn.Close()
			continue
		}
		c.mu.conns[conn] = struct{}{}
	}
	return !c.mu.ended
}

func (c *cable) drop(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(c.mu.conns, conn)
	}
}

// cut closes what is connected: some bytes have passed, others have not.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.conns) > 0 {
		c.cuts.Add(1)
	}
	for conn := range c.mu.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is under way is lost
		}
		_ = conn.Close()
	}
	clear(c.mu.conns)
}

// TestLinksAreCut: in a chain of Redis, replogd, Redis, replogd every link is cut again and again, at random, under writes. Nobody needs a
// second copy, and in the end all have the same data at the same offset.
func TestLinksAreCut(t *testing.T) {
	t.Parallel()
	skipOnStock(t)
	redisServer := redisTool(t, "redis-server")
	stock := []string{"enable-debug-command", "yes", "repl-diskless-sync-delay", "0", "save", "", "repl-backlog-size", "256mb"}
	nodes := []*node{
		newNodeOf(t, redisServer, "top", stock...), newNode(t, "second"), newNodeOf(t, redisServer, "third", stock...), newNode(t, "fourth"),
	}
	var cables []*cable
	for i, n := range nodes {
		if i > 0 {
			c := newCable(t, nodes[i-1])
			cables = append(cables, c)
			n.args = append(n.args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", c.port()))
		}
		n.start()
		if i > 0 {
			n.waitLinkUp()
		}
	}
	fillAllTypes(nodes[0])
	waitSame(t, nodes...)
	copies := make([]int64, len(nodes))
	for i, n := range nodes {
		copies[i] = n.number("sync_full")
	}

	length := cutsFor
	if longRun() {
		length = cutsForLong
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range cables {
		wg.Go(func() {
			timer := time.NewTimer(0)
			defer timer.Stop()
			for {
				select {
				case <-stop:
					return
				case <-timer.C:
					c.cut()
					timer.Reset(time.Duration(rand.Int64N(int64(cutAtMost))))
				}
			}
		})
	}
	began, rounds := time.Now(), 0
	for ; time.Since(began) < length; rounds++ {
		eventually(t, syncWithin, "the last node keeps up", func() error {
			if lag := nodes[0].number("master_repl_offset") - nodes[3].number("slave_read_repl_offset"); lag > lagAtMost {
				return fmt.Errorf("it is %d bytes behind", lag)
			}
			return nil
		})
		fillAllTypes(nodes[0])
		nodes[0].do("SET round " + strconv.Itoa(rounds))
		nodes[0].do("XTRIM stream MAXLEN 1000") // the data stay small
	}
	close(stop)
	wg.Wait()

	var cuts int64
	for _, c := range cables {
		require.Positive(t, c.cuts.Load())
		cuts += c.cuts.Load()
	}
	waitSame(t, nodes...)
	for i, n := range nodes {
		require.Equal(t, copies[i], n.number("sync_full"), "%s copied once", n.name)
		require.Equal(t, nodes[0].field("master_replid"), n.field("master_replid"))
	}
	t.Logf("%d cuts in %v, %d rounds of writes, offset %s", cuts, time.Since(began).Round(time.Second), rounds, nodes[0].field("master_repl_offset"))
}
