package server

import "replogd/engine"

// transactionCommands are MULTI and what belongs to it.
var transactionCommands = map[string]handler{
	"multi": cmdMulti, "exec": cmdExec, "discard": cmdDiscard, "watch": cmdWatch, "unwatch": cmdUnwatch,
}

func cmdMulti(c *conn, _ [][]byte) {
	if c.tx.open {
		c.w.Error("ERR MULTI calls can not be nested")
		return
	}
	c.tx.open = true
	c.publishTransaction()
	c.w.OK()
}

// cmdExec runs the transaction, or says why not: a command was refused when it was queued, or a watched key has changed (null).
func cmdExec(c *conn, _ [][]byte) {
	switch {
	case !c.tx.open:
		c.w.Error("ERR EXEC without MULTI")
		return
	case c.tx.aborted:
		c.w.Error("EXECABORT Transaction discarded because of previous errors.")
	case c.out != nil && !c.flush(): // messages that the transaction publishes come behind what is owed
		c.closing = true
	default:
		c.exec()
	}
	c.discard()
}

func cmdDiscard(c *conn, _ [][]byte) {
	if !c.tx.open {
		c.w.Error("ERR DISCARD without MULTI")
		return
	}
	c.discard()
	c.w.OK()
}

// cmdWatch is WATCH key [key ...].
func cmdWatch(c *conn, args [][]byte) {
	if c.tx.open {
		c.w.Error("ERR WATCH inside MULTI is not allowed")
		return
	}
	p := c.parts()
	if p == nil {
		c.w.Error(errLoading) // Redis watches a keyspace that is being loaded; here there is none yet
		return
	}
	if c.tx.watch == nil {
		c.tx.watch = &engine.Watch{}
		c.watch.Store(c.tx.watch)
	}
	if err := p.engine.WatchKeys(&c.session, c.tx.watch, args[1:]); err != nil {
		c.w.Error(p.engine.ReplyTo(err))
		return
	}
	c.w.OK()
}

// cmdUnwatch is UNWATCH. Within a transaction it is as good as nothing: EXEC has looked at the watched keys by then.
func cmdUnwatch(c *conn, _ [][]byte) {
	if !c.tx.running {
		c.unwatch()
	}
	c.w.OK()
}
