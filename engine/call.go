package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// handler executes one command. What a client did wrong it answers itself through c.w; the error it returns means that the store
// could not be read, and ends the run. A handler reads all it needs before it changes the first row, so that such an error leaves
// nothing half-done.
type handler func(c *call) error

// call is one command in execution: what it was given, where it answers, and its view of the keyspace.
//
// Reads run outside the sequencer on the committed keyspace (tx nil); writes run under it and see their own changes. Commands
// that come from the log (replay) write no reply anyone reads, add no effects, and see a key whose time is up as live: only the
// stream says when it goes.
type call struct {
	e       *Engine
	ds      *dataset
	tx      *tx   // nil: a read outside the sequencer
	v       *view // of a read that must see several rows as of one commit; nil: the newest rows
	s       *Session
	w       *resp.Writer
	args    [][]byte // args[0] is the command's name; they alias the connection's buffer: copy what is kept
	db      int      // selected database
	now     int64    // milliseconds since 1970, one reading for the whole run
	replay  bool     // the command comes from the log or a master
	loading bool     // it makes rows of a keyspace that is not the engine's (LoadRDB): the sequencer's state is not its own
	bare    bool     // it does not look at a string's value: open may give it the key without
	looks   bool     // it is a client's read, whose look-ups are counted as hits and misses
	again   bool     // set by a read that has something to store: it runs again under the sequencer, if this is a leader

	rowBuf   []byte // arena of encoded rows, valid until the command ends
	valueBuf []byte // arena of values from the row cache, likewise
}

// next makes the call ready for another command; the arenas stay.
func (c *call) next(to call) {
	to.rowBuf, to.valueBuf = shrink(c.rowBuf), c.valueBuf[:0]
	if cap(c.valueBuf) > keptValueArena {
		to.valueBuf = nil
	}
	*c = to
}

// keyRef is one key as a command found it. Slices are valid until the command ends and are read-only.
type keyRef struct {
	db  int // logical database
	key []byte
	row []byte // its encoded key row
	ok  bool   // it exists (and its time is not up, as far as this call may know)
	keys.Head
}

// propagate adds one effect of this command to the stream, in database db. Without a call of it the command leaves no trace in
// the log, so a handler that changed a row must call it. Ignored on replay.
func (c *call) propagate(db int, args ...[]byte) {
	if !c.replay {
		c.tx.addEffect(db, args)
	}
}

// propagateSelf adds the command as it was given.
func (c *call) propagateSelf() { c.propagate(c.db, c.args...) }

// argInt reads args[i] as Redis reads an integer, or answers its error.
func (c *call) argInt(i int) (int64, bool) {
	n, ok := resp.ParseInt(c.args[i])
	if !ok {
		c.w.Error(errNotInteger)
	}
	return n, ok
}

// Error texts that several commands share, as Redis 7.0.15 words them.
const (
	errNotInteger = "ERR value is not an integer or out of range"
	errNotFloat   = "ERR value is not a valid float"
	errSyntax     = "ERR syntax error"
	errWrongType  = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errNoSuchKey  = "ERR no such key"
	errOutOfRange = "ERR index out of range"
)
