package engine

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// zsource is one input of a sorted-set operation: a sorted set, a set whose members count as score 1, or nothing.
type zsource struct {
	x      zset
	weight float64
}

// zalgebra is a parsed ZUNION, ZINTER, ZDIFF or one of their STORE forms.
type zalgebra struct {
	sources    []zsource
	aggregate  func(a, b float64) float64
	withScores bool
	limit      int64 // of ZINTERCARD; 0: none
}

// zalgebraForm is which options a command takes.
type zalgebraForm uint8

const (
	formScores zalgebraForm = 1 << iota // WEIGHTS and AGGREGATE
	formReply                           // WITHSCORES
	formLimit                           // LIMIT
)

func addScores(a, b float64) float64 {
	if sum := a + b; !math.IsNaN(sum) { // inf - inf counts as 0
		return sum
	}
	return 0
}

// parseZAlgebra reads numkeys key [key ...] and the options, from args[at] on; ok is false when an error was answered. Redis looks at
// the keys before the options.
func (c *call) parseZAlgebra(at int, form zalgebraForm) (a zalgebra, ok bool, err error) {
	n, ok := c.argInt(at)
	if !ok {
		return a, false, nil
	}
	if n < 1 {
		c.w.Error("ERR at least 1 input key is needed for '" + string(bytes.ToLower(c.args[0])) + "' command")
		return a, false, nil
	}
	if n > int64(len(c.args)-at-1) {
		c.w.Error(errSyntax)
		return a, false, nil
	}
	end := at + 1 + int(n)
	if a.sources, ok, err = c.openSources(c.args[at+1 : end]); err != nil || !ok {
		return a, false, err
	}
	a.aggregate = addScores
	return a, c.parseZAlgebraOptions(&a, end, form), nil
}

func (c *call) parseZAlgebraOptions(a *zalgebra, at int, form zalgebraForm) bool {
	for i := at; i < len(c.args); i++ {
		left := len(c.args) - i
		switch arg := c.args[i]; {
		case form&formScores != 0 && left > len(a.sources) && isWord(arg, "WEIGHTS"):
			if !c.parseWeights(a, i+1) {
				return false
			}
			i += len(a.sources)
		case form&formScores != 0 && left > 1 && isWord(arg, "AGGREGATE"):
			i++
			if a.aggregate = aggregateOf(c.args[i]); a.aggregate == nil {
				c.w.Error(errSyntax)
				return false
			}
		case form&formReply != 0 && isWord(arg, "WITHSCORES"):
			a.withScores = true
		case form&formLimit != 0 && left > 1 && isWord(arg, "LIMIT"):
			i++
			n, ok := resp.ParseInt(c.args[i])
			if !ok || n < 0 {
				c.w.Error("ERR LIMIT can't be negative")
				return false
			}
			a.limit = n
		default:
			c.w.Error(errSyntax)
			return false
		}
	}
	return true
}

func (c *call) parseWeights(a *zalgebra, at int) bool {
	for i := range a.sources {
		weight, ok := resp.ParseFloat(c.args[at+i])
		if !ok {
			c.w.Error("ERR weight value is not a float")
			return false
		}
		a.sources[i].weight = weight
	}
	return true
}

// aggregateOf is the function that AGGREGATE names, nil if there is none of that name.
func aggregateOf(word []byte) func(a, b float64) float64 {
	switch {
	case isWord(word, "SUM"):
		return addScores
	case isWord(word, "MIN"):
		return func(x, y float64) float64 { // not the built-in: 0 and -0 are the same here, and the first one stays
			if y < x {
				return y
			}
			return x
		}
	case isWord(word, "MAX"):
		return func(x, y float64) float64 {
			if y > x {
				return y
			}
			return x
		}
	}
	return nil
}

func (c *call) openSources(names [][]byte) (all []zsource, ok bool, err error) {
	for _, name := range names {
		k, err := c.open(c.db, name)
		if err != nil {
			return nil, false, err
		}
		if k.ok && k.Type != keys.TypeSet && k.Type != keys.TypeZSet {
			c.w.Error(errWrongType)
			return nil, false, nil
		}
		all = append(all, zsource{x: zset{c: c, k: k, h: k.Head}, weight: 1})
	}
	return all, true, nil
}

// each calls fn with every member of a source and its score.
func (s *zsource) each(fn func(member []byte, score float64) (bool, error)) error {
	if s.x.h.Count == 0 {
		return nil
	}
	c := s.x.c
	keep := len(c.rowBuf)
	return c.eachField(s.x.h.UID, func(member, value []byte) (bool, error) {
		c.rowBuf = c.rowBuf[:keep]
		score, err := s.scoreOf(value)
		if err != nil {
			return false, err
		}
		return fn(member, score)
	})
}

func (s *zsource) scoreOf(value []byte) (float64, error) {
	if s.x.h.Type == keys.TypeSet {
		return 1, nil
	}
	return keys.ParseBits(value)
}

// find looks a member up.
func (s *zsource) find(member []byte) (score float64, ok bool, err error) {
	if s.x.h.Count == 0 {
		return 0, false, nil
	}
	value, ok, err := s.x.c.elem(s.x.h.UID, s.x.c.fieldRow(s.x.h.UID, member))
	if err != nil || !ok {
		return 0, false, err
	}
	score, err = s.scoreOf(value)
	return score, true, err
}

// weighted is a score times the source's weight; 0 times infinity counts as 0.
func (s *zsource) weighted(score float64) float64 {
	if v := s.weight * score; !math.IsNaN(v) {
		return v
	}
	return 0
}

// bySize is the order in which Redis goes through the sources: it decides about the last bits of sums.
func bySize(sources []zsource) []zsource {
	sorted := slices.Clone(sources)
	slices.SortStableFunc(sorted, func(a, b zsource) int { return cmp.Compare(a.x.h.Count, b.x.h.Count) })
	return sorted
}

// zop computes a result, in no order.
type zop func(a *zalgebra) ([]scored, error)

func zunion(a *zalgebra) ([]scored, error) {
	var all []scored
	index := make(map[string]int)
	for _, s := range bySize(a.sources) {
		err := s.each(func(member []byte, score float64) (bool, error) {
			score = s.weighted(score)
			if i, ok := index[string(member)]; ok {
				all[i].score = a.aggregate(all[i].score, score)
				return true, nil
			}
			index[string(member)] = len(all)
			all = append(all, scored{bytes.Clone(member), score})
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func zinter(a *zalgebra) (all []scored, err error) {
	err = a.inAll(func(member []byte, score float64) bool {
		all = append(all, scored{bytes.Clone(member), score})
		return true
	})
	return all, err
}

// inAll calls fn with the members that every source has, until it returns false.
func (a *zalgebra) inAll(fn func(member []byte, score float64) bool) error {
	sources := bySize(a.sources)
	first, others := sources[0], sources[1:]
	return first.each(func(member []byte, score float64) (bool, error) {
		score = first.weighted(score)
		for i := range others {
			other, ok, err := others[i].find(member)
			if err != nil || !ok {
				return true, err
			}
			score = a.aggregate(score, others[i].weighted(other))
		}
		return fn(member, score), nil
	})
}

func zdiff(a *zalgebra) (all []scored, err error) {
	err = a.sources[0].each(func(member []byte, score float64) (bool, error) {
		for i := range a.sources[1:] {
			_, ok, err := a.sources[i+1].find(member)
			if err != nil || ok {
				return true, err
			}
		}
		all = append(all, scored{bytes.Clone(member), score})
		return true, nil
	})
	return all, err
}

// inOrder sorts members as a sorted set has them.
func inOrder(all []scored) {
	slices.SortFunc(all, func(a, b scored) int {
		if a.score != b.score {
			return cmp.Compare(a.score, b.score)
		}
		return bytes.Compare(a.member, b.member)
	})
}

func (c *call) replyZOp(op zop, form zalgebraForm) error {
	return c.onView(func() error {
		a, ok, err := c.parseZAlgebra(1, form|formReply)
		if err != nil || !ok {
			return err
		}
		all, err := op(&a)
		if err != nil {
			return err
		}
		inOrder(all)
		c.replyScored(all, a.withScores)
		return nil
	})
}

func (c *call) storeZOp(op zop, form zalgebraForm) error {
	a, ok, err := c.parseZAlgebra(2, form)
	if err != nil || !ok {
		return err
	}
	all, err := op(&a)
	if err != nil {
		return err
	}
	return c.storeZSet(c.args[1], all)
}

// cmdZUnion is ZUNION numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES].
func cmdZUnion(c *call) error { return c.replyZOp(zunion, formScores) }

// cmdZInter is ZINTER, with the arguments of ZUNION.
func cmdZInter(c *call) error { return c.replyZOp(zinter, formScores) }

// cmdZDiff is ZDIFF numkeys key [key ...] [WITHSCORES].
func cmdZDiff(c *call) error { return c.replyZOp(zdiff, 0) }

// cmdZUnionStore is ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX].
func cmdZUnionStore(c *call) error { return c.storeZOp(zunion, formScores) }

// cmdZInterStore is ZINTERSTORE, with the arguments of ZUNIONSTORE.
func cmdZInterStore(c *call) error { return c.storeZOp(zinter, formScores) }

// cmdZDiffStore is ZDIFFSTORE destination numkeys key [key ...].
func cmdZDiffStore(c *call) error { return c.storeZOp(zdiff, 0) }

// cmdZInterCard is ZINTERCARD numkeys key [key ...] [LIMIT n].
func cmdZInterCard(c *call) error {
	return c.onView(func() error {
		a, ok, err := c.parseZAlgebra(1, formLimit)
		if err != nil || !ok {
			return err
		}
		count := int64(0)
		err = a.inAll(func([]byte, float64) bool {
			count++
			return a.limit == 0 || count < a.limit
		})
		if err != nil {
			return err
		}
		c.w.Int(count)
		return nil
	})
}
