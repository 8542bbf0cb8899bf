package engine

import "bytes"

// fieldOp is one operation of BITFIELD.
type fieldOp struct {
	kind   fieldKind
	field  bitField
	at     int64
	by     int64 // the value of SET, the increment of INCRBY
	policy bitOverflow
}

type fieldKind uint8

const (
	fieldGet fieldKind = iota
	fieldSet
	fieldIncr
)

// cmdBitField is BITFIELD key [GET type offset] [OVERFLOW WRAP|SAT|FAIL] [SET type offset value] [INCRBY type offset increment] ...
func cmdBitField(c *call) error { return c.bitField(false) }

// cmdBitFieldRO is BITFIELD_RO key [GET type offset ...].
func cmdBitFieldRO(c *call) error { return c.bitField(true) }

func (c *call) parseFieldOps(readOnly bool) (ops []fieldOp, ok bool) {
	policy := overflowWrap
	for i := 2; i < len(c.args); i++ {
		left := len(c.args) - i - 1
		op := fieldOp{policy: policy}
		switch arg := c.args[i]; {
		case isWord(arg, "GET") && left >= 2:
		case isWord(arg, "SET") && left >= 3:
			op.kind = fieldSet
		case isWord(arg, "INCRBY") && left >= 3:
			op.kind = fieldIncr
		case isWord(arg, "OVERFLOW") && left >= 1:
			i++
			if policy, ok = c.argOverflow(i); !ok {
				return nil, false
			}
			continue
		default:
			c.w.Error(errSyntax)
			return nil, false
		}
		if op.field, ok = parseBitField(c.args[i+1]); !ok {
			c.w.Error("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.")
			return nil, false
		}
		if op.at, ok = c.argBitOffset(i+2, op.field.width); !ok {
			return nil, false
		}
		i += 2
		if op.kind != fieldGet {
			if readOnly {
				c.w.Error("ERR BITFIELD_RO only supports the GET subcommand")
				return nil, false
			}
			i++
			if op.by, ok = c.argInt(i); !ok {
				return nil, false
			}
		}
		ops = append(ops, op)
	}
	return ops, true
}

func (c *call) argOverflow(i int) (p bitOverflow, ok bool) {
	switch arg := c.args[i]; {
	case isWord(arg, "WRAP"):
		return overflowWrap, true
	case isWord(arg, "SAT"):
		return overflowSat, true
	case isWord(arg, "FAIL"):
		return overflowFail, true
	}
	c.w.Error("ERR Invalid OVERFLOW type specified")
	return 0, false
}

func (c *call) bitField(readOnly bool) error {
	ops, ok := c.parseFieldOps(readOnly)
	if !ok {
		return nil
	}
	k, ok, err := c.openString(c.args[1])
	if err != nil || !ok {
		return err
	}
	writes, size := false, int64(0)
	for _, op := range ops {
		if op.kind != fieldGet {
			writes = true
			size = max(size, (op.at+op.field.width-1)/8+1)
		}
	}
	c.w.Array(len(ops))
	if !writes {
		for _, op := range ops {
			c.w.Int(op.field.get(k.Value, op.at))
		}
		return nil
	}
	return c.writeFields(&k, ops, size)
}

// writeFields runs operations on a copy of the string, and stores it if any of them wrote.
func (c *call) writeFields(k *keyRef, ops []fieldOp, size int64) error {
	b := append(bytes.Clone(k.Value), make([]byte, max(size-int64(len(k.Value)), 0))...)
	changed := len(b) > len(k.Value)
	for _, op := range ops {
		old := op.field.get(b, op.at)
		switch op.kind {
		case fieldGet:
			c.w.Int(old)
			continue
		case fieldSet:
			v, ok := op.field.add(op.by, 0, op.policy)
			if !ok {
				c.w.Null()
				continue
			}
			op.field.set(b, op.at, v)
			c.w.Int(old)
			changed = changed || v != old
		case fieldIncr:
			v, ok := op.field.add(old, op.by, op.policy)
			if !ok {
				c.w.Null()
				continue
			}
			op.field.set(b, op.at, v)
			c.w.Int(v)
			changed = changed || v != old
		}
	}
	if !changed {
		return nil
	}
	if err := c.rewriteString(k, len(b), func(to []byte) { copy(to, b) }); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}
