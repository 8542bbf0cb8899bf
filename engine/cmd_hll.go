package engine

import (
	"fmt"

	"replogd/engine/hll"
	"replogd/engine/keys"
)

// HyperLogLogs are strings in the form of package hll.

const (
	errNotHLL     = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errCorruptHLL = "INVALIDOBJ Corrupted HLL object detected"
)

// isHLL reports whether a key is absent or holds a HyperLogLog; else it answers the error.
func (c *call) isHLL(k *keyRef) bool {
	if !c.isString(k) {
		return false
	}
	if k.ok && !hll.Is(k.Value) {
		c.w.Error(errNotHLL)
		return false
	}
	return true
}

// sketchOf returns a copy of what a key holds that may be changed, an empty sketch if it is absent.
func sketchOf(k *keyRef) hll.Sketch {
	if !k.ok {
		return hll.New()
	}
	return append(hll.Sketch(nil), k.Value...)
}

func (c *call) putSketch(k *keyRef, s hll.Sketch) error {
	return c.put(k, keys.Head{ExpireMs: k.ExpireMs, Encoding: keys.EncodingRaw, Value: s})
}

func (c *call) sparseMax() int { return int(min(c.e.o.Limits().HLLSparseBytes, hll.DenseSize)) }

// cmdPFAdd is PFADD key [element ...].
func cmdPFAdd(c *call) error {
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isHLL(&k) {
		return err
	}
	s, changed, sparseMax := sketchOf(&k), !k.ok, c.sparseMax()
	for _, element := range c.args[2:] {
		var grown bool
		if s, grown, err = s.Add(element, sparseMax); err != nil {
			c.w.Error(errCorruptHLL)
			return nil
		}
		changed = changed || grown
	}
	if !changed {
		c.w.Int(0)
		return nil
	}
	s.Touch()
	if err := c.putSketch(&k, s); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.Int(1)
	return nil
}

// cmdPFCount is PFCOUNT key [key ...]. The count of a single key is kept in its value, and that is an effect: the command runs as a read
// first, and again under the sequencer, on a leader, if there is a count to be kept.
func cmdPFCount(c *call) error {
	if len(c.args) > 2 {
		return c.countUnion()
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil || !c.isHLL(&k) {
		return err
	}
	if !k.ok {
		c.w.Int(0)
		return nil
	}
	s := hll.Sketch(k.Value)
	if n, ok := s.Cached(); ok {
		c.w.Int(int64(n))
		return nil
	}
	n, err := s.Count()
	if err != nil {
		c.w.Error(errCorruptHLL)
		return nil
	}
	c.w.Int(int64(n))
	if c.tx == nil {
		c.again = true
		return nil
	}
	s = sketchOf(&k)
	s.SetCached(n)
	c.propagateSelf()
	return c.putSketch(&k, s)
}

// countUnion answers the count of several keys' union.
func (c *call) countUnion() error {
	refs, err := c.openAll(c.db, c.args[1:])
	if err != nil {
		return err
	}
	var r hll.Registers
	if !c.mergeAll(&r, refs) {
		return nil
	}
	c.w.Int(int64(r.Count()))
	return nil
}

// mergeAll raises r to the registers of all keys; if one of them is no HyperLogLog it answers the error.
func (c *call) mergeAll(r *hll.Registers, refs []keyRef) bool {
	for i := range refs {
		k := &refs[i]
		if !c.isHLL(k) {
			return false
		}
		if !k.ok {
			continue
		}
		if err := r.Merge(k.Value); err != nil {
			c.w.Error(errCorruptHLL)
			return false
		}
	}
	return true
}

// cmdPFMerge is PFMERGE destkey [sourcekey ...]. It counts as a change whatever comes of it.
func cmdPFMerge(c *call) error {
	refs, err := c.openAll(c.db, c.args[1:])
	if err != nil {
		return err
	}
	var r hll.Registers
	if !c.mergeAll(&r, refs) {
		return nil
	}
	dense := false
	for i := range refs {
		dense = dense || refs[i].ok && hll.Sketch(refs[i].Value).Dense()
	}
	s := sketchOf(&refs[0])
	if dense {
		s, err = s.ToDense()
	}
	if err == nil {
		s, err = r.Into(s, c.sparseMax())
	}
	if err != nil {
		c.w.Error(errCorruptHLL)
		return nil
	}
	s.Touch()
	if err := c.putSketch(&refs[0], s); err != nil {
		return err
	}
	c.propagateSelf()
	c.w.OK()
	return nil
}

// cmdPFDebug is PFDEBUG GETREG|DECODE|ENCODING|TODENSE key.
func cmdPFDebug(c *call) error {
	k, err := c.open(c.db, c.args[2])
	if err != nil {
		return err
	}
	if !k.ok {
		c.w.Error("ERR The specified key does not exist")
		return nil
	}
	if !c.isHLL(&k) {
		return nil
	}
	s := sketchOf(&k)
	switch sub := c.args[1]; {
	case isWord(sub, "GETREG"):
		return c.debugDense(&k, s, func(s hll.Sketch, _ bool) {
			regs := s.Registers()
			c.w.Array(len(regs))
			for _, rank := range regs {
				c.w.Int(int64(rank))
			}
		})
	case isWord(sub, "TODENSE"):
		return c.debugDense(&k, s, func(_ hll.Sketch, changed bool) {
			if changed {
				c.w.Int(1)
			} else {
				c.w.Int(0)
			}
		})
	case isWord(sub, "ENCODING"):
		c.w.Simple(s.Encoding())
	case isWord(sub, "DECODE"):
		c.debugDecode(s)
	default:
		c.w.Error(fmt.Sprintf("ERR Unknown PFDEBUG subcommand '%s'", sub))
	}
	return nil
}

// debugDense makes a sketch dense for good before it answers.
func (c *call) debugDense(k *keyRef, s hll.Sketch, answer func(s hll.Sketch, changed bool)) error {
	if s.Dense() {
		answer(s, false)
		return nil
	}
	s, err := s.ToDense()
	if err != nil {
		c.w.Error(errCorruptHLL)
		return nil
	}
	if err := c.putSketch(k, s); err != nil {
		return err
	}
	c.propagateSelf()
	answer(s, true)
	return nil
}

func (c *call) debugDecode(s hll.Sketch) {
	if s.Dense() {
		c.w.Error("ERR HLL encoding is not sparse")
		return
	}
	c.w.BulkString(s.Decode())
}
