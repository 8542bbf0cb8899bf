package server

import (
	"maps"
	"slices"
	"sync/atomic"

	"replogd/engine/resp"
)

// pubSubCommands are publish and subscribe.
var pubSubCommands = map[string]handler{
	"subscribe":    func(c *conn, args [][]byte) { c.subscribe(channels, "subscribe", args[1:]) },
	"psubscribe":   func(c *conn, args [][]byte) { c.subscribe(patterns, "psubscribe", args[1:]) },
	"ssubscribe":   func(c *conn, args [][]byte) { c.subscribe(shards, "ssubscribe", args[1:]) },
	"unsubscribe":  func(c *conn, args [][]byte) { c.unsubscribe(channels, "unsubscribe", args[1:]) },
	"punsubscribe": func(c *conn, args [][]byte) { c.unsubscribe(patterns, "punsubscribe", args[1:]) },
	"sunsubscribe": func(c *conn, args [][]byte) { c.unsubscribe(shards, "sunsubscribe", args[1:]) },
	"publish":      cmdPublish, "spublish": cmdPublish,

	"pubsub|channels":      func(c *conn, args [][]byte) { cmdPubSubNames(c, channels, args) },
	"pubsub|shardchannels": func(c *conn, args [][]byte) { cmdPubSubNames(c, shards, args) },
	"pubsub|numsub":        func(c *conn, args [][]byte) { cmdPubSubCounts(c, channels, args[2:]) },
	"pubsub|shardnumsub":   func(c *conn, args [][]byte) { cmdPubSubCounts(c, shards, args[2:]) },
	"pubsub|numpat":        func(c *conn, _ [][]byte) { c.w.Int(int64(c.srv.hub.count(patterns))) },
	"pubsub|help": help("PUBSUB", []string{
		"CHANNELS [<pattern>]", "    Return the currently active channels matching a <pattern> (default: '*').",
		"NUMPAT", "    Return number of subscriptions to patterns.",
		"NUMSUB [<channel> ...]", "    Return the number of subscribers for the specified channels, excluding",
		"    pattern subscriptions(default: no channels).",
		"SHARDCHANNELS [<pattern>]", "    Return the currently active shard level channels matching a <pattern> (default: '*').",
		"SHARDNUMSUB [<shardchannel> ...]", "    Return the number of subscribers for the specified shard level channel(s)",
	}),
}

// maxSubscriptions bounds what one client may subscribe to.
const maxSubscriptions = 1 << 20

// subscriptions are a connection's. names belong to its goroutine, counts are published.
type subscriptions struct {
	names  [audiences]map[string]struct{}
	counts [audiences]atomic.Int64
}

// subscribed says whether there is any subscription: flag P of CLIENT LIST.
func (s *subscriptions) subscribed() bool {
	return s.counts[channels].Load()+s.counts[patterns].Load()+s.counts[shards].Load() > 0
}

// shown is the number that a confirmation ends with: shard channels count for themselves.
func (s *subscriptions) shown(kind audience) int64 {
	if kind == shards {
		return s.counts[shards].Load()
	}
	return s.counts[channels].Load() + s.counts[patterns].Load()
}

// subscribe confirms each name, through the outbox: CLIENT REPLY does not hide confirmations, and messages may follow at once.
func (c *conn) subscribe(kind audience, word string, names [][]byte) {
	if c.out == nil {
		if !c.flush() {
			c.closing = true
			return
		}
		c.out = newOutbox(c)
	}
	for _, name := range names {
		if c.subs.counts[kind].Load() >= maxSubscriptions {
			c.w.Error("ERR too many subscriptions of one client")
			return
		}
		if !c.flush() { // what was answered so far comes first
			c.closing = true
			return
		}
		if c.subs.names[kind] == nil {
			c.subs.names[kind] = map[string]struct{}{}
		}
		c.subs.names[kind][string(name)] = struct{}{}
		c.subs.counts[kind].Store(int64(len(c.subs.names[kind])))
		w := resp.Writer{Proto: c.w.Proto}
		confirm(&w, word, name, c.subs.shown(kind))
		c.srv.hub.add(kind, string(name), c, w.Bytes())
	}
}

func confirm(w *resp.Writer, word string, name []byte, count int64) {
	w.Push(3)
	w.BulkString(word)
	if name == nil {
		w.Null()
	} else {
		w.Bulk(name)
	}
	w.Int(count)
}

// unsubscribe ends subscriptions, all of a kind without names.
func (c *conn) unsubscribe(kind audience, word string, names [][]byte) {
	if len(names) == 0 {
		for _, name := range slices.Sorted(maps.Keys(c.subs.names[kind])) {
			names = append(names, []byte(name))
		}
	}
	if len(names) == 0 {
		confirm(&c.w, word, nil, c.subs.shown(kind))
	}
	for _, name := range names {
		c.drop(kind, string(name))
		confirm(&c.w, word, name, c.subs.shown(kind))
	}
}

func (c *conn) drop(kind audience, name string) {
	c.srv.hub.remove(kind, name, c)
	delete(c.subs.names[kind], name)
	c.subs.counts[kind].Store(int64(len(c.subs.names[kind])))
}

// leaveHub ends all subscriptions without a word.
func (c *conn) leaveHub() {
	for kind := range audiences {
		for name := range c.subs.names[kind] {
			c.drop(kind, name)
		}
	}
}

// sentinelHello is the channel by which Sentinels find each other. They publish to every node themselves, so these messages need not
// travel down the stream: on an idle master they would be most of it, and they would part its offset from its replicas'.
const sentinelHello = "__sentinel__:hello"

// cmdPublish is PUBLISH and SPUBLISH. On a master the message goes down the stream too, once there is or has been a replica to hear it.
func cmdPublish(c *conn, args [][]byte) {
	if c.out != nil && c.tx.within == nil && !c.flush() { // the publisher may be a subscriber
		c.closing = true
		return
	}
	shard := isShardPublish(args[0])
	if c.tx.within != nil { // who hears of the transaction is to see what it has written
		c.w.Int(int64(c.srv.hub.receivers(shard, args[1])))
		c.tx.messages = append(c.tx.messages, args)
		if string(args[1]) != sentinelHello {
			c.tx.within.Propagate(args...)
		}
		return
	}
	c.w.Int(int64(c.srv.hub.publish(shard, args[1], args[2])))
	if string(args[1]) == sentinelHello {
		return
	}
	if p := c.parts(); p != nil && p.node.HasReplicas() {
		if _, err := p.engine.AppendNoop(resp.AppendCommand(nil, args...)); err != nil {
			c.srv.log.Debug("a published message does not reach replicas", "err", err) // a replica's own, or a log that has failed
		}
	}
}

func isShardPublish(name []byte) bool { return name[0]|0x20 == 's' }

func cmdPubSubNames(c *conn, kind audience, args [][]byte) {
	if len(args) > 3 {
		c.w.Error("ERR unknown subcommand or wrong number of arguments for '" + shown(args[1], maxUnknownArgs) + "'. Try PUBSUB HELP.")
		return
	}
	var pattern []byte
	if len(args) == 3 {
		pattern = args[2]
	}
	names := c.srv.hub.names(kind, pattern)
	slices.Sort(names)
	c.w.Array(len(names))
	for _, name := range names {
		c.w.BulkString(name)
	}
}

func cmdPubSubCounts(c *conn, kind audience, names [][]byte) {
	c.w.Array(2 * len(names))
	for _, name := range names {
		c.w.Bulk(name)
		c.w.Int(int64(c.srv.hub.subscribers(kind, string(name))))
	}
}

// allowedWhileSubscribed are the commands of a subscriber in protocol 2, where a message could be taken for a reply.
var allowedWhileSubscribed = map[string]bool{
	"ping": true, "subscribe": true, "ssubscribe": true, "psubscribe": true, "unsubscribe": true, "sunsubscribe": true, "punsubscribe": true,
	"quit": true, "reset": true,
}

// subscriberRefusal refuses what a subscriber may not run, or returns "".
func (c *conn) subscriberRefusal(e *entry) string {
	if c.out == nil || c.w.Proto == 3 || !c.subs.subscribed() || allowedWhileSubscribed[e.name] {
		return ""
	}
	return "ERR Can't execute '" + e.name + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
}
