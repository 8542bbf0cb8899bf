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
	// keyRowsOnly says that it looks at the rows of its keys and no further.
	keyRowsOnly bool
	bare        bool // it does not look at a string's value
	fields      fieldArgs
	run         handler
}

// bareCommands look at whether their keys are there, at types and at times, but not at a string's value.
var bareCommands = map[string]bool{
	"del": true, "exists": true, "expiretime": true, "mset": true, "msetnx": true, "pexpiretime": true, "psetex": true, "pttl": true,
	"set":   true, // but with GET
	"setex": true, "setnx": true, "touch": true, "ttl": true, "type": true, "unlink": true,
}

// fieldArgs says where a command's fields or members stand among its arguments, for its first key: every step'th from first on; first 0: it
// names none. It is used for hints only.
type fieldArgs struct{ first, step int }

// fieldsOf has the writing commands of which one may find many in a row.
var fieldsOf = map[string]fieldArgs{
	"hset": {2, 2}, "hmset": {2, 2}, "hdel": {2, 1}, "hincrby": {2, 2}, "hincrbyfloat": {2, 2}, "hsetnx": {2, 2},
	"sadd": {2, 1}, "srem": {2, 1},
	"zadd": {3, 2}, "zrem": {2, 1}, "zincrby": {3, 1},
}

// What a command does to the keyspace: the column "kind" of the table below.
const (
	reads  = iota // beside the writers; one that looks at several keys uses openAll or scan
	writes        // under the sequencer
)

var commandList = []*Command{
	newCommand("append", writes, cmdAppend),
	newCommand("bitcount", reads, cmdBitCount),
	newCommand("bitfield", writes, cmdBitField),
	newCommand("bitfield_ro", reads, cmdBitFieldRO),
	newCommand("bitop", writes, cmdBitOp),
	newCommand("bitpos", reads, cmdBitPos),
	newCommand("copy", writes, cmdCopy),
	newCommand("dbsize", reads, cmdDBSize),
	newCommand("decr", writes, cmdDecr),
	newCommand("decrby", writes, cmdDecrBy),
	newCommand("del", writes, cmdDel),
	newCommand("dump", reads, cmdDump),
	newCommand("exists", reads, cmdExists),
	newCommand("expire", writes, cmdExpire),
	newCommand("expireat", writes, cmdExpireAt),
	newCommand("expiretime", reads, cmdExpireTime),
	newCommand("flushall", writes, cmdFlushAll),
	newCommand("flushdb", writes, cmdFlushDB),
	newCommand("geoadd", writes, cmdGeoAdd),
	newCommand("geodist", reads, cmdGeoDist),
	newCommand("geohash", reads, cmdGeoHash),
	newCommand("geopos", reads, cmdGeoPos),
	newCommand("georadius", writes, cmdGeoRadius),
	newCommand("georadius_ro", reads, cmdGeoRadiusRO),
	newCommand("georadiusbymember", writes, cmdGeoRadiusByMember),
	newCommand("georadiusbymember_ro", reads, cmdGeoRadiusByMemberRO),
	newCommand("geosearch", reads, cmdGeoSearch),
	newCommand("geosearchstore", writes, cmdGeoSearchStore),
	newCommand("get", reads, cmdGet),
	newCommand("getbit", reads, cmdGetBit),
	newCommand("getdel", writes, cmdGetDel),
	newCommand("getex", writes, cmdGetEx),
	newCommand("getrange", reads, cmdGetRange),
	newCommand("getset", writes, cmdGetSet),
	newCommand("hdel", writes, cmdHDel),
	newCommand("hexists", reads, cmdHExists),
	newCommand("hget", reads, cmdHGet),
	newCommand("hgetall", reads, cmdHGetAll),
	newCommand("hincrby", writes, cmdHIncrBy),
	newCommand("hincrbyfloat", writes, cmdHIncrByFloat),
	newCommand("hkeys", reads, cmdHKeys),
	newCommand("hlen", reads, cmdHLen),
	newCommand("hmget", reads, cmdHMGet),
	newCommand("hmset", writes, cmdHMSet),
	newCommand("hrandfield", reads, cmdHRandField),
	newCommand("hscan", reads, cmdHScan),
	newCommand("hset", writes, cmdHSet),
	newCommand("hsetnx", writes, cmdHSetNX),
	newCommand("hstrlen", reads, cmdHStrLen),
	newCommand("hvals", reads, cmdHVals),
	newCommand("incr", writes, cmdIncr),
	newCommand("incrby", writes, cmdIncrBy),
	newCommand("incrbyfloat", writes, cmdIncrByFloat),
	newCommand("keys", reads, cmdKeys), // one walk is one view already
	newCommand("lcs", reads, cmdLCS),
	newCommand("lindex", reads, cmdLIndex),
	newCommand("linsert", writes, cmdLInsert),
	newCommand("llen", reads, cmdLLen),
	newCommand("lmove", writes, cmdLMove),
	newCommand("lmpop", writes, cmdLMPop),
	newCommand("lpop", writes, cmdLPop),
	newCommand("lpos", reads, cmdLPos),
	newCommand("lpush", writes, cmdLPush),
	newCommand("lpushx", writes, cmdLPushX),
	newCommand("lrange", reads, cmdLRange),
	newCommand("lrem", writes, cmdLRem),
	newCommand("lset", writes, cmdLSet),
	newCommand("ltrim", writes, cmdLTrim),
	newCommand("memory|usage", reads, cmdMemoryUsage),
	newCommand("mget", reads, cmdMGet),
	newCommand("move", writes, cmdMove),
	newCommand("mset", writes, cmdMSet),
	newCommand("msetnx", writes, cmdMSetNX),
	newCommand("object|encoding", reads, cmdObjectEncoding),
	newCommand("object|freq", reads, cmdObjectFreq),
	newCommand("object|idletime", reads, cmdObjectIdleTime),
	newCommand("object|refcount", reads, cmdObjectRefCount),
	newCommand("persist", writes, cmdPersist),
	newCommand("pexpire", writes, cmdPExpire),
	newCommand("pexpireat", writes, cmdPExpireAt),
	newCommand("pexpiretime", reads, cmdPExpireTime),
	newCommand("pfadd", writes, cmdPFAdd),
	newCommand("pfcount", reads, cmdPFCount),
	newCommand("pfdebug", writes, cmdPFDebug),
	newCommand("pfmerge", writes, cmdPFMerge),
	newCommand("psetex", writes, cmdPSetEx),
	newCommand("pttl", reads, cmdPTTL),
	newCommand("randomkey", reads, cmdRandomKey),
	newCommand("rename", writes, cmdRename),
	newCommand("renamenx", writes, cmdRenameNX),
	newCommand("restore", writes, cmdRestore),
	newCommand("restore-asking", writes, cmdRestore),
	newCommand("rpop", writes, cmdRPop),
	newCommand("rpoplpush", writes, cmdRPopLPush),
	newCommand("rpush", writes, cmdRPush),
	newCommand("rpushx", writes, cmdRPushX),
	newCommand("sadd", writes, cmdSAdd),
	newCommand("scan", reads, cmdScan),
	newCommand("scard", reads, cmdSCard),
	newCommand("sdiff", reads, cmdSDiff),
	newCommand("sdiffstore", writes, cmdSDiffStore),
	newCommand("set", writes, cmdSet),
	newCommand("setbit", writes, cmdSetBit),
	newCommand("setex", writes, cmdSetEx),
	newCommand("setnx", writes, cmdSetNX),
	newCommand("setrange", writes, cmdSetRange),
	newCommand("sinter", reads, cmdSInter),
	newCommand("sintercard", reads, cmdSInterCard),
	newCommand("sinterstore", writes, cmdSInterStore),
	newCommand("sismember", reads, cmdSIsMember),
	newCommand("smembers", reads, cmdSMembers),
	newCommand("smismember", reads, cmdSMIsMember),
	newCommand("smove", writes, cmdSMove),
	newCommand("sort", writes, cmdSort),
	newCommand("sort_ro", reads, cmdSortRO),
	newCommand("spop", writes, cmdSPop),
	newCommand("srandmember", reads, cmdSRandMember),
	newCommand("srem", writes, cmdSRem),
	newCommand("sscan", reads, cmdSScan),
	newCommand("strlen", reads, cmdStrLen),
	newCommand("substr", reads, cmdGetRange),
	newCommand("sunion", reads, cmdSUnion),
	newCommand("sunionstore", writes, cmdSUnionStore),
	newCommand("swapdb", writes, cmdSwapDB),
	newCommand("touch", reads, cmdTouch),
	newCommand("ttl", reads, cmdTTL),
	newCommand("type", reads, cmdType),
	newCommand("unlink", writes, cmdDel),
	newCommand("xack", writes, cmdXAck),
	newCommand("xadd", writes, cmdXAdd),
	newCommand("xautoclaim", writes, cmdXAutoClaim),
	newCommand("xclaim", writes, cmdXClaim),
	newCommand("xdel", writes, cmdXDel),
	newCommand("xgroup|create", writes, cmdXGroupCreate),
	newCommand("xgroup|createconsumer", writes, cmdXGroupCreateConsumer),
	newCommand("xgroup|delconsumer", writes, cmdXGroupDelConsumer),
	newCommand("xgroup|destroy", writes, cmdXGroupDestroy),
	newCommand("xgroup|setid", writes, cmdXGroupSetID),
	newCommand("xinfo|consumers", reads, cmdXInfoConsumers),
	newCommand("xinfo|groups", reads, cmdXInfoGroups),
	newCommand("xinfo|stream", reads, cmdXInfoStream),
	newCommand("xlen", reads, cmdXLen),
	newCommand("xpending", reads, cmdXPending),
	newCommand("xrange", reads, cmdXRange),
	newCommand("xread", reads, cmdXRead),
	newCommand("xreadgroup", writes, cmdXReadGroup),
	newCommand("xrevrange", reads, cmdXRevRange),
	newCommand("xsetid", writes, cmdXSetID),
	newCommand("xtrim", writes, cmdXTrim),
	newCommand("zadd", writes, cmdZAdd),
	newCommand("zcard", reads, cmdZCard),
	newCommand("zcount", reads, cmdZCount),
	newCommand("zdiff", reads, cmdZDiff),
	newCommand("zdiffstore", writes, cmdZDiffStore),
	newCommand("zincrby", writes, cmdZIncrBy),
	newCommand("zinter", reads, cmdZInter),
	newCommand("zintercard", reads, cmdZInterCard),
	newCommand("zinterstore", writes, cmdZInterStore),
	newCommand("zlexcount", reads, cmdZLexCount),
	newCommand("zmpop", writes, cmdZMPop),
	newCommand("zmscore", reads, cmdZMScore),
	newCommand("zpopmax", writes, cmdZPopMax),
	newCommand("zpopmin", writes, cmdZPopMin),
	newCommand("zrandmember", reads, cmdZRandMember),
	newCommand("zrange", reads, cmdZRange),
	newCommand("zrangebylex", reads, cmdZRangeByLex),
	newCommand("zrangebyscore", reads, cmdZRangeByScore),
	newCommand("zrangestore", writes, cmdZRangeStore),
	newCommand("zrank", reads, cmdZRank),
	newCommand("zrem", writes, cmdZRem),
	newCommand("zremrangebylex", writes, cmdZRemRangeByLex),
	newCommand("zremrangebyrank", writes, cmdZRemRangeByRank),
	newCommand("zremrangebyscore", writes, cmdZRemRangeByScore),
	newCommand("zrevrange", reads, cmdZRevRange),
	newCommand("zrevrangebylex", reads, cmdZRevRangeByLex),
	newCommand("zrevrangebyscore", reads, cmdZRevRangeByScore),
	newCommand("zrevrank", reads, cmdZRevRank),
	newCommand("zscan", reads, cmdZScan),
	newCommand("zscore", reads, cmdZScore),
	newCommand("zunion", reads, cmdZUnion),
	newCommand("zunionstore", writes, cmdZUnionStore),
}

var commandIndex = indexCommands()

// longestName bounds what Lookup looks at.
const longestName = len("xgroup|createconsumer")

// Name is the command's name in lower case.
func (c *Command) Name() string { return c.name }

func newCommand(name string, kind int, run handler) *Command {
	spec := command.LookupFull([]byte(name))
	return &Command{
		Spec:        spec,
		name:        name,
		write:       kind == writes,
		keyRowsOnly: spec.Group == "string" || spec.Group == "generic",
		bare:        bareCommands[name],
		fields:      fieldsOf[name],
		run:         run,
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
