package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// registry knows every connection.
type registry struct {
	nextID atomic.Int64
	count  atomic.Int64
	mu     struct {
		sync.Mutex
		byID map[int64]*conn
	}
}

func (r *registry) init() { r.mu.byID = map[int64]*conn{} }

func (r *registry) len() int { return int(r.count.Load()) }

func (r *registry) add(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.byID[c.id] = c
	r.count.Add(1)
}

func (r *registry) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.byID[c.id] == c {
		delete(r.mu.byID, c.id)
		r.count.Add(-1)
	}
}

// find returns the connection with that number, nil if there is none.
func (r *registry) find(id int64) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.byID[id]
}

// all returns the connections in the order in which they came.
func (r *registry) all() []*conn {
	r.mu.Lock()
	out := make([]*conn, 0, len(r.mu.byID))
	for _, c := range r.mu.byID {
		out = append(out, c)
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return out
}

// each calls visit for every connection, without holding the lock.
func (r *registry) each(visit func(*conn)) {
	for _, c := range r.all() {
		visit(c)
	}
}

// clientTypes are the words of CLIENT LIST TYPE and CLIENT KILL TYPE.
var clientTypes = map[string]string{
	"normal": "normal", "master": "master", "replica": "replica", "slave": "replica", "pubsub": "pubsub",
}

// kind is the connection's type. Master links are not connections of this server.
func (c *conn) kind() string {
	switch {
	case c.flags.Load()&flagReplica != 0:
		return "replica"
	case c.subs.subscribed():
		return "pubsub"
	}
	return "normal"
}

// connStructBytes is what a connection costs beside its buffers: the struct, its goroutine's stack and its context.
const connStructBytes = 8 << 10

// memory is what tot-mem and INFO's mem_clients show.
func (c *conn) memory() int64 {
	return connStructBytes + c.queryCap.Load() + c.replyCap.Load() + c.argvMem.Load() + c.multiMem.Load() + c.queued.Load()
}

// info is the connection's line in CLIENT LIST: the fields of Redis 7.0.15, then lib-name and lib-ver once CLIENT SETINFO has set
// them, as later versions show them.
func (c *conn) info(now time.Time) string {
	idle := max(now.Sub(time.Unix(0, c.lastActive.Load())), 0)
	query, capacity := c.queryLen.Load(), c.queryCap.Load()
	var b strings.Builder
	fmt.Fprintf(&b, "id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=0 omem=%d tot-mem=%d events=%s cmd=%s user=default redir=-1 resp=%d",
		c.id, c.addr, c.laddr, c.fd.Load(), c.getName(), int64(now.Sub(c.created).Seconds()), int64(idle.Seconds()), c.flagString(), c.db.Load(),
		c.subs.counts[channels].Load(), c.subs.counts[patterns].Load(), c.subs.counts[shards].Load(), c.multi.Load(),
		query, max(capacity-query, 0), c.argvMem.Load(), c.multiMem.Load(), c.replyCap.Load(), c.replyPeak.Load(), c.owed.Load(), c.queued.Load(), c.memory(),
		c.events(), c.lastCommandName(), c.proto.Load())
	if lib := loadString(&c.libName); lib != "" {
		b.WriteString(" lib-name=" + lib)
	}
	if ver := loadString(&c.libVer); ver != "" {
		b.WriteString(" lib-ver=" + ver)
	}
	return b.String()
}

// events says what the connection waits for: r readable, w writable.
func (c *conn) events() string {
	if c.owed.Load()+c.queued.Load() > 0 {
		return "rw"
	}
	return "r"
}
