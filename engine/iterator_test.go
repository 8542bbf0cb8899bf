package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"replogd/engine/resp"
)

// rowModel is what an iterator must show: rows by key.
type rowModel map[string]string

func (m rowModel) clone() rowModel {
	c := make(rowModel, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func (m rowModel) sorted() []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// rowTag is a table that no command writes.
const rowTag = "\x7f"

// testRow is one of few rows, so that changes meet; some keys begin others.
func testRow(t *rapid.T, what string) []byte {
	return []byte(rowTag + rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 1, 6, -1).Draw(t, what))
}

// changeRows puts random changes into a tx, and into the model.
func changeRows(t *rapid.T, x *tx, model rowModel) {
	for range rapid.IntRange(1, 40).Draw(t, "changes") {
		row := testRow(t, "row")
		_, existed := model[string(row)]
		if existed && rapid.Bool().Draw(t, "delete") {
			x.change(row, len(row), true, true)
			delete(model, string(row))
			continue
		}
		value := fmt.Sprint(rapid.IntRange(0, 99).Draw(t, "value"))
		x.change(append(bytes.Clone(row), value...), len(row), false, existed)
		model[string(row)] = value
	}
}

// walkRows compares an iterator with the model: a walk each way, then steps at random.
func walkRows(t *rapid.T, it *rowIter, model rowModel) {
	want := model.sorted()
	at := func(i int, ok bool) {
		require.Equal(t, i >= 0 && i < len(want), ok)
		if ok {
			value, err := it.value()
			require.NoError(t, err)
			require.Equal(t, want[i], string(it.key()))
			require.Equal(t, model[want[i]], string(value))
		}
	}
	i := 0
	for ok := it.first(); ; ok = it.next() {
		if at(i, ok); !ok {
			break
		}
		i++
	}
	i = len(want) - 1
	for ok := it.last(); ; ok = it.prev() {
		if at(i, ok); !ok {
			break
		}
		i--
	}
	for range 10 {
		to := testRow(t, "seek")
		i, _ = slices.BinarySearch(want, string(to))
		var ok bool
		if rapid.Bool().Draw(t, "back") {
			i, ok = i-1, it.seekLT(to)
		} else {
			ok = it.seekGE(to)
		}
		for at(i, ok); ok; at(i, ok) {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				i, ok = i+1, it.next()
			case 1:
				i, ok = i-1, it.prev()
			default:
				at(i, true)
				ok = false
			}
			if !ok {
				break
			}
		}
	}
	require.NoError(t, it.err())
}

// TestIterator: rows spread over a run's own changes, the active memtable, frozen ones and files come in order, the newest of each,
// in both directions; a view stays on its commit whatever is written, frozen and drained behind it.
func TestIterator(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		n := newNode(outer).lead()
		defer n.close()
		lower, upper := []byte(rowTag), []byte{rowTag[0] + 1}
		model := rowModel{}
		type seen struct {
			v     *view
			model rowModel
		}
		var views []seen
		x := &n.e.seq.tx
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			_, err := n.e.AppendNoop(resp.AppendCommandStrings(nil, "PING")) // the state moves on, as with every commit
			require.NoError(t, err)
			n.e.seq.Lock()
			ds := n.e.ds.Load()
			x.reset(ds, &n.e.seq.state)
			changeRows(t, x, model)
			it, err := ds.iterLocked(x, 0, lower, upper)
			require.NoError(t, err)
			walkRows(t, it, model)
			require.NoError(t, it.close())
			n.e.commitRows(x)
			freeze := rapid.Bool().Draw(t, "freeze")
			if freeze {
				n.e.freezeLocked(ds)
			}
			n.e.seq.Unlock()
			if rapid.Bool().Draw(t, "view") {
				views = append(views, seen{ds.view(), model.clone()})
			}
			if freeze && rapid.Bool().Draw(t, "flush") {
				require.NoError(t, n.e.Flush(context.Background()))
			}
		}
		views = append(views, seen{n.e.ds.Load().view(), model})
		for _, s := range views {
			it, err := s.v.iter(lower, upper)
			require.NoError(t, err)
			walkRows(t, it, s.model)
			require.NoError(t, it.close())
			for _, bounds := range [][2][]byte{{upper, lower}, {lower, lower}} {
				it, err := s.v.iter(bounds[0], bounds[1])
				require.NoError(t, err)
				require.False(t, it.first() || it.last() || it.seekGE(lower) || it.seekLT(upper))
				require.NoError(t, it.close())
			}
			for range 5 {
				row := testRow(t, "get")
				value, ok, err := s.v.get(row)
				require.NoError(t, err)
				want, present := s.model[string(row)]
				require.Equal(t, present, ok)
				require.Equal(t, want, string(value))
			}
			s.v.close()
		}
	})
}
