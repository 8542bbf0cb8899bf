package engine

import (
	"bytes"
	"fmt"
	"math"
	"sync"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// maxStringBytes bounds a string value: Redis' default of proto-max-bulk-len.
const maxStringBytes = 512 << 20

// Error texts of several commands of this package, as Redis 7.0.15 words them.
const (
	errDBRange       = "ERR DB index is out of range"
	errSameObject    = "ERR source and destination objects are the same"
	errStringTooLong = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errIntRange      = "ERR value is out of range, value must between -2147483648 and 2147483647" // sic
)

// isWord reports whether arg is the option word (in upper case). Redis compares options as C strings without regard to ASCII
// case: a zero byte and what follows it do not count.
func isWord(arg []byte, word string) bool {
	if len(arg) < len(word) || len(arg) > len(word) && arg[len(word)] != 0 {
		return false
	}
	for i := range len(word) {
		b := arg[i]
		if 'a' <= b && b <= 'z' {
			b &^= 0x20
		}
		if b != word[i] {
			return false
		}
	}
	return true
}

// cString cuts arg at its first zero byte.
func cString(arg []byte) []byte {
	if i := bytes.IndexByte(arg, 0); i >= 0 {
		return arg[:i]
	}
	return arg
}

// argIndex reads args[i] as a 32-bit integer, or answers the error. text replaces the usual texts where it is not "".
func (c *call) argIndex(i int, text string) (n int64, ok bool) {
	n, ok = resp.ParseInt(c.args[i])
	switch {
	case ok && n >= math.MinInt32 && n <= math.MaxInt32:
		return n, true
	case text != "":
		c.w.Error(text)
	case ok:
		c.w.Error(errIntRange)
	default:
		c.w.Error(errNotInteger)
	}
	return 0, false
}

// argDB reads args[i] as the number of an existing database, or answers the error.
func (c *call) argDB(i int) (db int, ok bool) {
	n, ok := c.argIndex(i, "")
	if !ok {
		return 0, false
	}
	if !c.isDB(n) {
		c.w.Error(errDBRange)
		return 0, false
	}
	return int(n), true
}

func (c *call) isDB(n int64) bool { return n >= 0 && n < int64(c.databases()) }

// isString reports whether k, if it exists, holds a string, or answers the error.
func (c *call) isString(k *keyRef) bool {
	if k.ok && k.Type != keys.TypeString {
		c.w.Error(errWrongType)
		return false
	}
	return true
}

// fits reports whether a string of size+more bytes may be stored, or answers the error. Neither is negative. From the log there
// is no such answer: a master with a larger proto-max-bulk-len went beyond what this node can hold, and going on without the
// value would be silent divergence.
func (c *call) fits(size, more int64) (bool, error) {
	if size <= maxStringBytes && more <= maxStringBytes-size {
		return true, nil
	}
	if c.replay {
		return false, fmt.Errorf("apply %q: the string would have %d+%d bytes, the limit here is %d: lower proto-max-bulk-len on the master",
			c.args[0], size, more, maxStringBytes)
	}
	c.w.Error(errStringTooLong)
	return false, nil
}

// scratch is memory for a value that is built before it is stored.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// maxKeptScratch bounds what the pool keeps of it.
const maxKeptScratch = 64 << 10

// withScratch calls fn with n bytes of unknown content, valid during fn.
func withScratch(n int, fn func(b []byte) error) error {
	p := scratch.Get().(*[]byte)
	if cap(*p) < n {
		*p = make([]byte, n)
	}
	err := fn((*p)[:n])
	if cap(*p) > maxKeptScratch {
		*p = nil
	}
	scratch.Put(p)
	return err
}

const maxInt64 = math.MaxInt64

// argRange reads args[i] as an integer from lowest to highest, or answers the error.
func (c *call) argRange(i int, lowest, highest int64) (n int64, ok bool) {
	n, ok = c.argInt(i)
	if ok && (n < lowest || n > highest) {
		c.w.Error(fmt.Sprintf("ERR value is out of range, value must between %d and %d", lowest, highest)) // sic
		return 0, false
	}
	return n, ok
}
