package engine

import (
	"sync/atomic"

	"replogd/engine/command"
)

// Command is a command on the keyspace: what Redis says about it, how to run it, and its counters.
type Command struct {
	Spec *command.Spec // flags, arity, keys; shared with the server's own commands

	// Counters of INFO commandstats: calls, those of them that answered an error, and the nanoseconds spent in all of them.
	Calls, Failed, Nanos atomic.Uint64

	name  string // lower case
	write bool   // runs under the sequencer, refused on a replica
	run   handler
}

// Name is the command's name in lower case.
func (c *Command) Name() string { return c.name }

// What a command does to the keyspace: the column "kind" of the table below.
const (
	reads  = iota // beside the writers; one that looks at several keys uses openAll or scan
	writes        // under the sequencer
)

var commandList = []*Command{
	newCommand("append", writes, cmdAppend),
	newCommand("copy", writes, cmdCopy),
	newCommand("dbsize", reads, cmdDBSize),
	newCommand("decr", writes, cmdDecr),
	newCommand("decrby", writes, cmdDecrBy),
	newCommand("del", writes, cmdDel),
	newCommand("exists", reads, cmdExists),
	newCommand("expire", writes, cmdExpire),
	newCommand("expireat", writes, cmdExpireAt),
	newCommand("expiretime", reads, cmdExpireTime),
	newCommand("flushall", writes, cmdFlushAll),
	newCommand("flushdb", writes, cmdFlushDB),
	newCommand("get", reads, cmdGet),
	newCommand("getdel", writes, cmdGetDel),
	newCommand("getex", writes, cmdGetEx),
	newCommand("getrange", reads, cmdGetRange),
	newCommand("getset", writes, cmdGetSet),
	newCommand("incr", writes, cmdIncr),
	newCommand("incrby", writes, cmdIncrBy),
	newCommand("incrbyfloat", writes, cmdIncrByFloat),
	newCommand("keys", reads, cmdKeys), // one walk is one view already
	newCommand("lcs", reads, cmdLCS),
	newCommand("mget", reads, cmdMGet),
	newCommand("move", writes, cmdMove),
	newCommand("mset", writes, cmdMSet),
	newCommand("msetnx", writes, cmdMSetNX),
	newCommand("persist", writes, cmdPersist),
	newCommand("pexpire", writes, cmdPExpire),
	newCommand("pexpireat", writes, cmdPExpireAt),
	newCommand("pexpiretime", reads, cmdPExpireTime),
	newCommand("psetex", writes, cmdPSetEx),
	newCommand("pttl", reads, cmdPTTL),
	newCommand("randomkey", reads, cmdRandomKey),
	newCommand("rename", writes, cmdRename),
	newCommand("renamenx", writes, cmdRenameNX),
	newCommand("scan", reads, cmdScan),
	newCommand("set", writes, cmdSet),
	newCommand("setex", writes, cmdSetEx),
	newCommand("setnx", writes, cmdSetNX),
	newCommand("setrange", writes, cmdSetRange),
	newCommand("strlen", reads, cmdStrLen),
	newCommand("substr", reads, cmdGetRange),
	newCommand("swapdb", writes, cmdSwapDB),
	newCommand("touch", reads, cmdTouch),
	newCommand("ttl", reads, cmdTTL),
	newCommand("type", reads, cmdType),
	newCommand("unlink", writes, cmdDel),
}

var commandIndex = indexCommands()

// longestName bounds what Lookup looks at.
const longestName = len("incrbyfloat")

func newCommand(name string, kind int, run handler) *Command {
	return &Command{
		Spec:  command.Lookup([]byte(name)),
		name:  name,
		write: kind == writes,
		run:   run,
	}
}

func indexCommands() map[string]*Command {
	index := make(map[string]*Command, len(commandList))
	for _, c := range commandList {
		if len(c.name) > longestName {
			panic("BUG: engine: longestName is shorter than " + c.name)
		}
		index[c.name] = c
	}
	return index
}

// Lookup finds a keyspace command by its name in any letter case, without allocating. nil: it is none.
func Lookup(name []byte) *Command {
	var lower [longestName]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		lower[i] = b
	}
	return commandIndex[string(lower[:len(name)])]
}

// Commands returns all keyspace commands, sorted by name. The slice is shared: do not change it.
func Commands() []*Command { return commandList }
