package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

const (
	errBitOffset = "ERR bit offset is not an integer or out of range"
	errBitValue  = "ERR bit is not an integer or out of range"
)

// argBitOffset reads args[i] as a bit offset, or answers the error. With a width "#n" is n fields of that width, as BITFIELD has it.
func (c *call) argBitOffset(i int, width int64) (offset int64, ok bool) {
	arg, factor := c.args[i], int64(1)
	if width > 0 && len(arg) > 0 && arg[0] == '#' {
		arg, factor = arg[1:], width
	}
	offset, ok = resp.ParseInt(arg)
	if !ok || offset < 0 || offset > maxInt64/factor || offset*factor >= maxStringBytes*8 {
		c.w.Error(errBitOffset)
		return 0, false
	}
	return offset * factor, true
}

// openString opens a key for string commands; ok is false if it holds something else, which has been answered.
func (c *call) openString(key []byte) (k keyRef, ok bool, err error) {
	k, err = c.open(c.db, key)
	if err != nil {
		return k, false, err
	}
	return k, c.isString(&k), nil
}

// rewriteString stores a changed copy of a string, as long as size at least, padded with zeros.
func (c *call) rewriteString(k *keyRef, size int, change func(b []byte)) error {
	return withScratch(max(size, len(k.Value)), func(b []byte) error {
		clear(b[copy(b, k.Value):])
		change(b)
		return c.put(k, keys.Head{ExpireMs: k.ExpireMs, Encoding: keys.EncodingRaw, Value: b})
	})
}

// cmdSetBit is SETBIT key offset value.
func cmdSetBit(c *call) error {
	at, ok := c.argBitOffset(2, 0)
	if !ok {
		return nil
	}
	bit, ok := resp.ParseInt(c.args[3])
	if !ok || bit != 0 && bit != 1 {
		c.w.Error(errBitValue)
		return nil
	}
	k, ok, err := c.openString(c.args[1])
	if err != nil || !ok {
		return err
	}
	old := bitAt(k.Value, at)
	if k.ok && at/8 < int64(len(k.Value)) && int64(old) == bit {
		c.w.Int(int64(old))
		return nil
	}
	field := bitField{width: 1}
	if err := c.rewriteString(&k, int(at/8)+1, func(b []byte) { field.set(b, at, bit) }); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(int64(old))
	return nil
}

// cmdGetBit is GETBIT key offset.
func cmdGetBit(c *call) error {
	at, ok := c.argBitOffset(2, 0)
	if !ok {
		return nil
	}
	k, ok, err := c.openString(c.args[1])
	if err != nil || !ok {
		return err
	}
	c.w.Int(int64(bitAt(k.Value, at)))
	return nil
}

// bitRange turns two positions of BITCOUNT and BITPOS, counted from the end if negative, into bits; empty if there are none between.
func bitRange(start, end, size int64, inBits bool) (first, last int64, empty bool) {
	total := size
	if inBits {
		total *= 8
	}
	if start < 0 {
		start = max(start+total, 0)
	}
	if end < 0 {
		end = max(end+total, 0)
	}
	end = min(end, total-1)
	if start > end {
		return 0, 0, true
	}
	if inBits {
		return start, end, false
	}
	return start * 8, end*8 + 7, false
}

// argBitUnit reads BYTE or BIT, or answers the error.
func (c *call) argBitUnit(i int) (inBits, ok bool) {
	switch {
	case isWord(c.args[i], "BIT"):
		return true, true
	case isWord(c.args[i], "BYTE"):
		return false, true
	}
	c.w.Error(errSyntax)
	return false, false
}

// cmdBitCount is BITCOUNT key [start end [BYTE|BIT]].
func cmdBitCount(c *call) error {
	k, ok, err := c.openString(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !k.ok {
		c.w.Int(0)
		return nil
	}
	start, end, inBits := int64(0), int64(-1), false
	switch len(c.args) {
	case 2:
	case 4, 5:
		if start, end, ok = c.argSpan(2); !ok {
			return nil
		}
		if start < 0 && end < 0 && start > end {
			c.w.Int(0)
			return nil
		}
		if len(c.args) == 5 {
			if inBits, ok = c.argBitUnit(4); !ok {
				return nil
			}
		}
	default:
		c.w.Error(errSyntax)
		return nil
	}
	first, last, empty := bitRange(start, end, int64(len(k.Value)), inBits)
	if empty {
		c.w.Int(0)
		return nil
	}
	c.w.Int(countBits(k.Value, first, last))
	return nil
}

// cmdBitPos is BITPOS key bit [start [end [BYTE|BIT]]].
func cmdBitPos(c *call) error {
	bit, ok := c.argInt(2)
	if !ok {
		return nil
	}
	if bit != 0 && bit != 1 {
		c.w.Error("ERR The bit argument must be 1 or 0.")
		return nil
	}
	k, ok, err := c.openString(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !k.ok {
		c.w.Int(-bit)
		return nil
	}
	start, end, inBits, ok := c.bitPosRange()
	if !ok {
		return nil
	}
	first, last, empty := bitRange(start, end, int64(len(k.Value)), inBits)
	if empty {
		c.w.Int(-1)
		return nil
	}
	at := findBit(k.Value, byte(bit), first, last)
	if at < 0 && bit == 0 && len(c.args) < 5 { // without an end the string goes on in zeros
		at = last + 1
	}
	c.w.Int(at)
	return nil
}

func (c *call) bitPosRange() (start, end int64, inBits, ok bool) {
	end = -1
	if len(c.args) > 6 {
		c.w.Error(errSyntax)
		return 0, 0, false, false
	}
	if len(c.args) > 3 {
		if start, ok = c.argInt(3); !ok {
			return 0, 0, false, false
		}
	}
	if len(c.args) == 6 {
		if inBits, ok = c.argBitUnit(5); !ok {
			return 0, 0, false, false
		}
	}
	if len(c.args) > 4 {
		if end, ok = c.argInt(4); !ok {
			return 0, 0, false, false
		}
	}
	return start, end, inBits, true
}

// cmdBitOp is BITOP AND|OR|XOR|NOT destination key [key ...].
func cmdBitOp(c *call) error {
	op, ok := c.argBitOp()
	if !ok {
		return nil
	}
	var sources [][]byte
	size := 0
	for _, name := range c.args[3:] {
		k, ok, err := c.openString(name)
		if err != nil || !ok {
			return err
		}
		sources = append(sources, k.Value)
		size = max(size, len(k.Value))
	}
	to, err := c.open(c.db, c.args[2])
	if err != nil {
		return err
	}
	c.w.Int(int64(size))
	if size == 0 {
		if !to.ok {
			return nil
		}
		return c.removeAndLog(&to)
	}
	err = withScratch(size, func(b []byte) error {
		combineBits(b, op, sources)
		return c.put(&to, keys.Head{Encoding: keys.EncodingRaw, Value: b})
	})
	if err == nil {
		c.propagateSelf()
	}
	return err
}

func (c *call) argBitOp() (op bitOp, ok bool) {
	switch arg := c.args[1]; {
	case isWord(arg, "AND"):
		return bitAnd, true
	case isWord(arg, "OR"):
		return bitOr, true
	case isWord(arg, "XOR"):
		return bitXor, true
	case isWord(arg, "NOT"):
		if len(c.args) == 4 {
			return bitNot, true
		}
		c.w.Error("ERR BITOP NOT must be called with a single source key.")
		return 0, false
	}
	c.w.Error(errSyntax)
	return 0, false
}
