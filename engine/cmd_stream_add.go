package engine

import (
	"math"

	"replogd/engine/keys"
)

// streamTrim is how far XADD or XTRIM trim.
type streamTrim struct {
	given  bool
	byID   bool // MINID; else MAXLEN
	approx bool
	maxLen int64
	minID  keys.StreamID
	limit  int64 // 0: none
	at     int   // index of the threshold
}

// addArgs are the arguments of XADD.
type addArgs struct {
	trim         streamTrim
	noMakeStream bool
	auto         bool // the whole id is ours to choose
	autoSeq      bool // its second part is
	id           keys.StreamID
	idAt         int
}

// trimLimitNodes is how many of Redis' nodes, of stream-node-max-entries each, a trim with ~ removes at most.
const trimLimitNodes = 100

// parseTrim reads MAXLEN, MINID or LIMIT at args[i]; next is the index behind. known is false for anything else.
func (c *call) parseTrim(t *streamTrim, limited *bool, i int) (next int, known, ok bool) {
	left := len(c.args) - i - 1
	byID := isWord(c.args[i], "MINID")
	switch {
	case (byID || isWord(c.args[i], "MAXLEN")) && left > 0:
		if t.given {
			c.w.Error("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
			return 0, true, false
		}
		t.given, t.byID, t.approx = true, byID, false
		if arg := c.args[i+1]; left >= 2 && len(arg) == 1 && (arg[0] == '~' || arg[0] == '=') {
			t.approx = arg[0] == '~'
			i++
		}
		i++
		t.at = i
		if byID {
			t.minID, ok = c.argStreamID(i)
			return i + 1, true, ok
		}
		if t.maxLen, ok = c.argInt(i); ok && t.maxLen < 0 {
			c.w.Error("ERR The MAXLEN argument must be >= 0.")
			ok = false
		}
		return i + 1, true, ok
	case isWord(c.args[i], "LIMIT") && left > 0:
		if t.limit, ok = c.argInt(i + 1); ok && t.limit < 0 {
			c.w.Error("ERR The LIMIT argument must be >= 0.")
			ok = false
		}
		*limited = true
		return i + 2, true, ok
	}
	return i, false, true
}

// checkTrim completes what parseTrim has read.
func (c *call) checkTrim(t *streamTrim, limited bool) bool {
	switch {
	case t.limit > 0 && !t.given:
		c.w.Error("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
		return false
	case c.replay:
		t.limit = 0 // the effect says how long the stream is in the end
	case limited && !t.approx && t.given:
		c.w.Error("ERR syntax error, LIMIT cannot be used without the special ~ option")
		return false
	case !limited && t.approx:
		t.limit = trimLimitNodes * streamNodeEntries
	}
	return true
}

// streamNodeEntries is Redis' default of stream-node-max-entries.
const streamNodeEntries = 100

func (c *call) parseAdd() (a addArgs, ok bool) {
	limited := false
	i := 2
	for ; i < len(c.args); i++ {
		if len(c.args[i]) == 1 && c.args[i][0] == '*' {
			a.auto = true
			break
		}
		next, known, ok := c.parseTrim(&a.trim, &limited, i)
		if !ok {
			return a, false
		}
		if known {
			i = next - 1
			continue
		}
		if isWord(c.args[i], "NOMKSTREAM") {
			a.noMakeStream = true
			continue
		}
		if a.id, a.autoSeq, ok = parseStreamIDAuto(c.args[i], 0, true); !ok {
			c.w.Error(errStreamID)
			return a, false
		}
		break
	}
	a.idAt = i
	if !c.checkTrim(&a.trim, limited) {
		return a, false
	}
	if fields := len(c.args) - i - 1; fields < 2 || fields%2 != 0 {
		c.w.Error("ERR wrong number of arguments for 'xadd' command")
		return a, false
	}
	if !a.auto && !a.autoSeq && a.id == (keys.StreamID{}) {
		c.w.Error("ERR The ID specified in XADD must be greater than 0-0")
		return a, false
	}
	return a, true
}

// cmdXAdd is XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...].
func cmdXAdd(c *call) error {
	a, ok := c.parseAdd()
	if !ok {
		return nil
	}
	x, ok, err := c.openStream(c.args[1])
	if err != nil || !ok {
		return err
	}
	if !x.k.ok && a.noMakeStream {
		c.w.Null()
		return nil
	}
	if x.s.Last == keys.MaxStreamID {
		c.w.Error("ERR The stream has exhausted the last possible ID, unable to add more items")
		return nil
	}
	id, ok := a.choose(x.s.Last, c.now)
	if !ok {
		c.w.Error("ERR The ID specified in XADD is equal or smaller than the target stream top item")
		return nil
	}
	x.add(id, c.args[a.idAt+1:])
	if a.trim.given {
		if _, err := x.trim(a.trim); err != nil {
			return err
		}
	}
	if err := x.save(); err != nil {
		return err
	}
	c.w.Bulk(id.Append(nil))
	args := append([][]byte{}, c.args...)
	if a.auto || a.autoSeq {
		args[a.idAt] = id.Append(nil)
	}
	c.propagate(c.db, x.exactTrim(args, a.trim)...)
	return nil
}

// choose is the new entry's id; ok is false if it would not be above last.
func (a *addArgs) choose(last keys.StreamID, nowMs int64) (id keys.StreamID, ok bool) {
	switch {
	case a.auto:
		if now := uint64(max(nowMs, 0)); now > last.Ms {
			return keys.StreamID{Ms: now}, true
		}
		return last.Next()
	case a.autoSeq:
		if a.id.Ms == last.Ms {
			return keys.StreamID{Ms: last.Ms, Seq: last.Seq + 1}, last.Seq < math.MaxUint64
		}
		return keys.StreamID{Ms: a.id.Ms}, a.id.Ms > last.Ms
	}
	return a.id, a.id.Compare(last) > 0
}

// exactTrim makes an approximate trim in an effect say what it came to.
func (x *stream) exactTrim(args [][]byte, t streamTrim) [][]byte {
	if !t.approx {
		return args
	}
	args[t.at-1] = []byte{'='}
	if t.byID {
		args[t.at] = x.s.First.Append(nil)
	} else {
		var b intBuf
		args[t.at] = b.text(x.h.Count)
	}
	return args
}

// cmdXTrim is XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count].
func cmdXTrim(c *call) error {
	var t streamTrim
	limited := false
	for i := 2; i < len(c.args); {
		next, known, ok := c.parseTrim(&t, &limited, i)
		if !ok {
			return nil
		}
		if !known {
			c.w.Error(errSyntax)
			return nil
		}
		i = next
	}
	if t.limit == 0 && !t.given {
		c.w.Error("ERR syntax error, XTRIM must be called with at least one of the MAXLEN or MINID options")
		return nil
	}
	if !c.checkTrim(&t, limited) {
		return nil
	}
	x, ok, err := c.openStream(c.args[1])
	if err != nil || !ok {
		return err
	}
	removed := int64(0)
	if x.k.ok {
		if removed, err = x.trim(t); err != nil {
			return err
		}
	}
	c.w.Int(removed)
	if removed == 0 {
		return nil
	}
	if err := x.save(); err != nil {
		return err
	}
	c.propagate(c.db, x.exactTrim(append([][]byte{}, c.args...), t)...)
	return nil
}
