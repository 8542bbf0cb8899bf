package engine

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// sortArgs are the options of SORT.
type sortArgs struct {
	by       []byte // pattern; nil: the elements themselves
	noSort   bool   // BY names no key: the order stays
	desc     bool
	alpha    bool
	offset   int64
	count    int64 // negative: all
	gets     [][]byte
	store    []byte
	hasStore bool
}

func (c *call) parseSort(readOnly bool) (a sortArgs, ok bool) {
	a.count = -1
	for i := 2; i < len(c.args); i++ {
		left := len(c.args) - i - 1
		switch arg := c.args[i]; {
		case isWord(arg, "ASC"):
			a.desc = false
		case isWord(arg, "DESC"):
			a.desc = true
		case isWord(arg, "ALPHA"):
			a.alpha = true
		case isWord(arg, "LIMIT") && left >= 2:
			if a.offset, a.count, ok = c.argSpan(i + 1); !ok {
				return a, false
			}
			i += 2
		case !readOnly && isWord(arg, "STORE") && left >= 1:
			i++
			a.store, a.hasStore = c.args[i], true
		case isWord(arg, "BY") && left >= 1:
			i++
			a.by = c.args[i]
			if bytes.IndexByte(cString(a.by), '*') < 0 {
				a.noSort = true
			}
		case isWord(arg, "GET") && left >= 1:
			i++
			a.gets = append(a.gets, c.args[i])
		default:
			c.w.Error(errSyntax)
			return a, false
		}
	}
	return a, true
}

// cmdSort is SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination].
func cmdSort(c *call) error { return c.sort(false) }

// cmdSortRO is SORT_RO: SORT without STORE.
func cmdSortRO(c *call) error {
	return c.onView(func() error { return c.sort(true) })
}

func (c *call) sort(readOnly bool) error {
	a, ok := c.parseSort(readOnly)
	if !ok {
		return nil
	}
	k, err := c.open(c.db, c.args[1])
	if err != nil {
		return err
	}
	if k.ok && k.Type != keys.TypeList && k.Type != keys.TypeSet && k.Type != keys.TypeZSet {
		c.w.Error(errWrongType)
		return nil
	}
	if a.noSort && k.Type == keys.TypeSet && a.hasStore {
		a.noSort, a.alpha, a.by = false, true, nil // the order of a set is nobody's: what is stored must be the same everywhere
	}
	elements, err := c.sortElements(&k, a)
	if err != nil {
		return err
	}
	if !a.noSort {
		if ok, err = c.order(elements, a); err != nil || !ok {
			return err
		}
	}
	elements = elements[:len(elements):len(elements)]
	from, to := a.limits(int64(len(elements)))
	values, err := c.sortValues(elements[from:to], a.gets)
	if err != nil {
		return err
	}
	if a.hasStore {
		return c.storeSorted(a.store, values)
	}
	c.w.Array(len(values))
	for _, v := range values {
		if v == nil {
			c.w.Null()
		} else {
			c.w.Bulk(v)
		}
	}
	return nil
}

// limits are the first element of the answer and the one behind it.
func (a *sortArgs) limits(size int64) (from, to int64) {
	from, to = min(max(a.offset, 0), size), size
	if a.count >= 0 && a.count < size-from {
		to = from + a.count
	}
	return from, to
}

// sortElements collects copies of the elements, in the order in which BY without a key leaves them.
func (c *call) sortElements(k *keyRef, a sortArgs) (all [][]byte, err error) {
	if !k.ok {
		return nil, nil
	}
	add := func(e []byte) { all = append(all, bytes.Clone(e)) }
	switch k.Type {
	case keys.TypeList:
		x, ok, err := c.listOf(*k)
		if err != nil || !ok {
			return nil, err
		}
		err = x.each(0, x.h.Count, func(_ int64, value []byte) (bool, error) {
			add(value)
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	case keys.TypeSet:
		err = c.members(&k.Head, func(member []byte) error {
			add(member)
			return nil
		})
	default:
		x := zset{c: c, k: *k, h: k.Head}
		err = x.walkAll(false, func(member []byte, _ float64) (bool, error) {
			add(member)
			return true, nil
		})
	}
	if a.noSort && a.desc && k.Type != keys.TypeSet {
		slices.Reverse(all)
	}
	return all, err
}

// sortItem is an element with what it is sorted by.
type sortItem struct {
	element []byte
	by      []byte // ALPHA; nil: nothing there
	score   float64
}

// order sorts elements in place; ok is false when the error of a weight that is no number was answered.
func (c *call) order(elements [][]byte, a sortArgs) (ok bool, err error) {
	items := make([]sortItem, len(elements))
	bad := false
	for i, e := range elements {
		items[i] = sortItem{element: e, by: e}
		if a.by != nil {
			if items[i].by, err = c.byPattern(a.by, e); err != nil {
				return false, err
			}
		}
		if a.alpha || items[i].by == nil {
			continue
		}
		if items[i].score, ok = sortScore(items[i].by); !ok {
			bad = true
		}
	}
	if bad {
		c.w.Error("ERR One or more scores can't be converted into double")
		return false, nil
	}
	slices.SortStableFunc(items, func(x, y sortItem) int {
		order := compareItems(&x, &y, a)
		if a.desc {
			return -order
		}
		return order
	})
	for i := range items {
		elements[i] = items[i].element
	}
	return true, nil
}

// sortScore reads a weight: as a score, but the empty text counts as 0.
func sortScore(text []byte) (float64, bool) {
	if len(text) == 0 {
		return 0, true
	}
	score, ok := resp.ParseFloat(bytes.TrimLeft(text, " \t\n\v\f\r"))
	return score, ok && !math.IsNaN(score)
}

func compareItems(x, y *sortItem, a sortArgs) int {
	if !a.alpha {
		if x.score != y.score {
			return cmp.Compare(x.score, y.score)
		}
		return bytes.Compare(x.element, y.element)
	}
	if a.by == nil {
		return bytes.Compare(x.element, y.element)
	}
	switch {
	case x.by == nil && y.by == nil:
		return 0
	case x.by == nil:
		return -1
	case y.by == nil:
		return 1
	}
	return bytes.Compare(x.by, y.by)
}

// sortValues is what is answered for each element: itself, or what the GET patterns find, nil if nothing.
func (c *call) sortValues(elements, gets [][]byte) (values [][]byte, err error) {
	if len(gets) == 0 {
		return elements, nil
	}
	for _, e := range elements {
		for _, pattern := range gets {
			v, err := c.byPattern(pattern, e)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
	}
	return values, nil
}

// byPattern reads the string, or with "->" the field of a hash, that pattern names with element in place of its "*". "#" is the element.
// nil: there is nothing of that name and type.
func (c *call) byPattern(pattern, element []byte) ([]byte, error) {
	if len(pattern) == 1 && pattern[0] == '#' {
		return element, nil
	}
	prefix, rest, ok := bytes.Cut(pattern, []byte{'*'})
	if !ok || bytes.IndexByte(prefix, 0) >= 0 {
		return nil, nil
	}
	suffix, field, isHash := bytes.Cut(rest, []byte("->"))
	if isHash && len(field) == 0 {
		suffix, isHash = rest, false
	}
	name := slices.Concat(prefix, element, suffix)
	keep := len(c.rowBuf)
	defer func() { c.rowBuf = c.rowBuf[:keep] }()
	k, err := c.open(c.db, name)
	if err != nil || !k.ok {
		return nil, err
	}
	switch {
	case !isHash && k.Type == keys.TypeString:
		return append([]byte{}, k.Value...), nil
	case isHash && k.Type == keys.TypeHash:
		x := hash{c: c, k: k, h: k.Head}
		value, ok, err := x.get(field)
		if err != nil || !ok {
			return nil, err
		}
		return append([]byte{}, value...), nil
	}
	return nil, nil
}

// storeSorted puts a list of the values in place of whatever is at key.
func (c *call) storeSorted(key []byte, values [][]byte) error {
	to, err := c.open(c.db, key)
	if err != nil {
		return err
	}
	c.w.Int(int64(len(values)))
	if len(values) == 0 {
		if !to.ok {
			return nil
		}
		return c.removeAndLog(&to)
	}
	x := list{c: c, h: c.newHead(keys.TypeList), first: listCentre}
	for _, v := range values {
		keep := len(c.rowBuf)
		x.pushTail(v)
		c.rowBuf = c.rowBuf[:keep]
	}
	if err := c.put(&to, x.head()); err != nil {
		return err
	}
	c.propagateSelf()
	return nil
}
