package engine

import (
	"math"
	"strconv"

	"replogd/engine/resp"
)

// expireUnit says how a time to live was given.
type expireUnit uint8

const (
	noExpire    expireUnit = iota
	expireEX               // seconds from now
	expirePX               // milliseconds from now
	expireEXAT             // seconds since 1970
	expirePXAT             // milliseconds since 1970
	expireUnits = iota
)

var expireWords = [expireUnits]string{expireEX: "EX", expirePX: "PX", expireEXAT: "EXAT", expirePXAT: "PXAT"}

func (u expireUnit) seconds() bool  { return u == expireEX || u == expireEXAT }
func (u expireUnit) relative() bool { return u == expireEX || u == expirePX }

// setOptions are the options of SET and GETEX.
type setOptions struct {
	nx, xx, get, keepTTL bool // SET
	persist              bool // GETEX
	unit                 expireUnit
	time                 []byte // as given with unit
}

// parseSetOptions reads args[3:] of SET or args[2:] of GETEX, or answers the error. An option may be repeated (the last time
// counts), but none of those that exclude each other may meet.
func (c *call) parseSetOptions(from int, getex bool) (o setOptions, ok bool) {
	for i := from; i < len(c.args); i++ {
		arg := c.args[i]
		switch {
		case !getex && isWord(arg, "NX") && !o.xx:
			o.nx = true
		case !getex && isWord(arg, "XX") && !o.nx:
			o.xx = true
		case !getex && isWord(arg, "GET"):
			o.get = true
		case !getex && isWord(arg, "KEEPTTL") && o.unit == noExpire:
			o.keepTTL = true
		case getex && isWord(arg, "PERSIST") && o.unit == noExpire:
			o.persist = true
		default:
			unit := expireUnitOf(arg)
			if unit == noExpire || o.unit != noExpire && o.unit != unit || o.keepTTL || o.persist || i+1 == len(c.args) {
				c.w.Error(errSyntax)
				return o, false
			}
			i++
			o.unit, o.time = unit, c.args[i]
		}
	}
	return o, true
}

func expireUnitOf(arg []byte) expireUnit {
	for unit := expireEX; unit < expireUnits; unit++ {
		if isWord(arg, expireWords[unit]) {
			return unit
		}
	}
	return noExpire
}

// expireTime turns a time given in unit into milliseconds since 1970, or answers the error of the command called name. Times
// that are up are fine; zero and negative ones are not.
func (c *call) expireTime(time []byte, unit expireUnit, name string) (ms int64, ok bool) {
	ms, ok = resp.ParseInt(time)
	if !ok {
		c.w.Error(errNotInteger)
		return 0, false
	}
	valid := ms > 0 && (!unit.seconds() || ms <= math.MaxInt64/1000)
	if valid && unit.seconds() {
		ms *= 1000
	}
	if valid && unit.relative() {
		valid = ms <= math.MaxInt64-c.now
		ms += c.now
	}
	if !valid {
		c.errExpireTime(name)
		return 0, false
	}
	return ms, true
}

func (c *call) errExpireTime(name string) {
	c.w.Error("ERR invalid expire time in '" + name + "' command")
}

// isPast reports whether a key given this time goes at once. A key of the stream stays until the stream says otherwise.
func (c *call) isPast(ms int64) bool { return !c.replay && ms <= c.now }

// intBuf is room for the text of any int64.
type intBuf [20]byte

func (b *intBuf) text(n int64) []byte { return strconv.AppendInt(b[:0], n, 10) }

// Words of effects, spelt as Redis spells them when it rewrites a command.
var (
	wordSet       = []byte("SET")
	wordHSet      = []byte("HSET")
	wordSRem      = []byte("SREM")
	wordLPop      = []byte("LPOP")
	wordRPop      = []byte("RPOP")
	wordZPopMin   = []byte("ZPOPMIN")
	wordZPopMax   = []byte("ZPOPMAX")
	wordPXAT      = []byte("PXAT")
	wordKeepTTL   = []byte("KEEPTTL")
	wordPExpireAt = []byte("PEXPIREAT")
	wordPersist   = []byte("PERSIST")
)
