package server

import (
	"sync"
	"sync/atomic"

	"replogd/engine/glob"
	"replogd/engine/resp"
)

// audience is a kind of subscription.
type audience int

const (
	channels audience = iota // SUBSCRIBE
	patterns                 // PSUBSCRIBE
	shards                   // SSUBSCRIBE
	audiences
)

// hub knows who has subscribed to what. Messages are memory only: who is not subscribed when one is published does not get it.
//
// Its lock is held while messages are put into outboxes (outbox.mu), never across I/O, so every subscriber sees messages in one order. It
// may be taken under the sequencer (PUBLISH in a transaction counts who will hear it).
type hub struct {
	size atomic.Int64 // subscriptions in all; nobody publishes under the lock while there are none
	mu   struct {
		sync.Mutex
		byName [audiences]map[string]map[*conn]struct{}
	}
}

func (h *hub) init() {
	for kind := range h.mu.byName {
		h.mu.byName[kind] = map[string]map[*conn]struct{}{}
	}
}

// add subscribes c and puts reply into its outbox, so that it stands before the first message.
func (h *hub) add(kind audience, name string, c *conn, reply []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	who := h.mu.byName[kind][name]
	if who == nil {
		who = map[*conn]struct{}{}
		h.mu.byName[kind][name] = who
	}
	if _, known := who[c]; !known {
		who[c] = struct{}{}
		h.size.Add(1)
	}
	c.out.add(reply)
}

func (h *hub) remove(kind audience, name string, c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	who := h.mu.byName[kind][name]
	if _, known := who[c]; !known {
		return
	}
	h.size.Add(-1)
	if delete(who, c); len(who) == 0 {
		delete(h.mu.byName[kind], name)
	}
}

// publish gives the message to all who have subscribed, and returns how many times it was given.
func (h *hub) publish(shard bool, channel, message []byte) (receivers int) {
	if h.size.Load() == 0 {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hearersLocked(shard, channel, func(who map[*conn]struct{}, head ...[]byte) {
		receivers += len(who)
		deliver(who, append(head, channel, message)...)
	})
	return receivers
}

// receivers is how many times publish would give a message.
func (h *hub) receivers(shard bool, channel []byte) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hearersLocked(shard, channel, func(who map[*conn]struct{}, _ ...[]byte) { n += len(who) })
	return n
}

// hearersLocked calls fn with those who hear a channel, by subscription, and with how a message to them begins.
func (h *hub) hearersLocked(shard bool, channel []byte, fn func(who map[*conn]struct{}, head ...[]byte)) {
	if shard {
		fn(h.mu.byName[shards][string(channel)], []byte("smessage"))
		return
	}
	fn(h.mu.byName[channels][string(channel)], []byte("message"))
	for pattern, who := range h.mu.byName[patterns] {
		if glob.Match([]byte(pattern), channel, false) {
			fn(who, []byte("pmessage"), []byte(pattern))
		}
	}
}

// deliver puts a message into outboxes, encoded once for each protocol.
func deliver(who map[*conn]struct{}, parts ...[]byte) {
	var encoded [4][]byte // by protocol
	for c := range who {
		proto := c.proto.Load()
		if encoded[proto] == nil {
			w := resp.Writer{Proto: int(proto)}
			w.Push(len(parts))
			for _, p := range parts {
				w.Bulk(p)
			}
			encoded[proto] = w.Bytes()
		}
		c.out.message(encoded[proto])
	}
}

// names are what has subscribers; nil matches everything.
func (h *hub) names(kind audience, pattern []byte) (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.mu.byName[kind] {
		if pattern == nil || glob.Match(pattern, []byte(name), false) {
			out = append(out, name)
		}
	}
	return out
}

// subscribers is how many have subscribed to name.
func (h *hub) subscribers(kind audience, name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mu.byName[kind][name])
}

// count is how many channels or patterns have subscribers.
func (h *hub) count(kind audience) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mu.byName[kind])
}

// Deliver gives a message of the replication stream to this node's subscribers: package engine calls it on a replica.
func (s *Server) Deliver(shard bool, channel, message []byte) { s.hub.publish(shard, channel, message) }
