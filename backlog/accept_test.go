package backlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAcceptanceRule(t *testing.T) {
	// Retained from 50 to 250; c is announced from 300 on.
	l := line("a", 0, "b", 100, "e", 200, "d", 200, "c", 300)
	for _, c := range []struct {
		name string
		pos  Pos
		want Refusal
		text string
	}{
		{"no position yet", Pos{"?", 0}, FirstSync, "no position"},
		{"unknown id", Pos{id('f'), 200}, UnknownID, id('f')},
		{"nonsense id", Pos{"", 200}, UnknownID, "not among our 5"},
		{"nothing missed", Pos{id('d'), 250}, Accepted, "0 bytes to send"},
		{"some missed", Pos{id('d'), 240}, Accepted, "10 bytes to send"},
		{"upper case", Pos{strings.ToUpper(id('d')), 240}, Accepted, ""},
		{"one past the end", Pos{id('d'), 251}, Ahead, "ends at offset 250"},
		{"an older history, inside", Pos{id('b'), 150}, Accepted, ""},
		{"an older history, exactly at the fork", Pos{id('b'), 200}, Accepted, ""},
		{"an older history, one past the fork", Pos{id('b'), 201}, Forked, "left history"},
		{"two histories ago", Pos{id('a'), 100}, Accepted, ""},
		{"two histories ago, past", Pos{id('a'), 101}, Forked, "at offset 100"},
		{"a history that ended where it began", Pos{id('e'), 200}, Accepted, ""},
		{"a history that ended where it began, past", Pos{id('e'), 201}, Forked, ""},
		{"an id learnt before its start", Pos{id('d'), 120}, Accepted, ""},
		{"the announced history, as far as we are", Pos{id('c'), 250}, Accepted, ""},
		{"the announced history, ahead of us", Pos{id('c'), 310}, Ahead, ""},
		{"ours, ahead, up to the announced fork", Pos{id('d'), 300}, Ahead, ""},
		{"ours, ahead, past the announced fork", Pos{id('d'), 301}, Forked, ""},
		{"first retained byte is the next one", Pos{id('a'), 50}, Accepted, ""},
		{"last dropped byte is needed", Pos{id('a'), 49}, Trimmed, "retained from offset 50"},
		{"from the beginning", Pos{id('d'), 0}, Trimmed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, detail := l.accept(c.pos, 50, 250)
			require.Equal(t, c.want, r, detail)
			require.Contains(t, detail, c.text)
		})
	}
}

func TestRefusalCodesAreStable(t *testing.T) {
	want := []string{"accepted", "first sync", "id unknown", "offset trimmed", "offset ahead", "histories fork", "refusal 6"}
	for i, w := range want {
		require.Equal(t, w, Refusal(i).String())
	}
}

// simNode is a node of the model: its bytes are real, so "is a prefix of" can be asked of them.
type simNode struct {
	bytes []byte
	l     *lineage
	start uint64 // first retained
}

func (n *simNode) end() uint64 { return uint64(len(n.bytes)) }
func (n *simNode) pos() Pos    { return Pos{n.l.hs[n.l.active(n.end())].ID, n.end()} }

// TestAcceptanceIffPrefix lets nodes write, follow, fall back, promote and trim at random, and checks every pair of them after
// every step: a position is accepted if and only if the replica's bytes are a prefix of ours and retained. Every appended byte
// is unique, so equal bytes are the same byte.
func TestAcceptanceIffPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		serial := 0
		fresh := func() string { serial++; return fmt.Sprintf("%040x", serial) }
		var seq byte
		write := func(n *simNode, k int) {
			for range k {
				seq++
				n.bytes = append(n.bytes, seq)
			}
		}
		nodes := make([]*simNode, rapid.IntRange(2, 4).Draw(t, "nodes"))
		for i := range nodes {
			nodes[i] = &simNode{l: &lineage{hs: []History{{ID: fresh()}}, epochs: []uint32{1}, next: 2, own: true}}
		}
		pick := func(what string) *simNode { return nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, what)] }
		accepted := 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n, up := pick("node"), pick("upstream")
			switch rapid.SampledFrom([]string{"write", "write", "promote", "follow", "follow", "ship", "trim"}).Draw(t, "op") {
			case "write":
				if n.l.own { // only a leader on its own history writes
					write(n, rapid.IntRange(1, 3).Draw(t, "bytes"))
				}
			case "promote":
				n.l = n.l.begun(fresh(), n.end()).trimmed(n.start)
			case "follow":
				if n != up {
					psync(t, n, up)
				}
			case "ship": // a link: the upstream's list is adopted, and some of its bytes arrive
				if n != up && psync(t, n, up) {
					k := rapid.Uint64Range(0, up.end()-n.end()).Draw(t, "shipped")
					n.bytes = append(n.bytes, up.bytes[n.end():n.end()+k]...)
				}
			case "trim":
				n.start = rapid.Uint64Range(n.start, n.end()).Draw(t, "start")
				n.l = n.l.trimmed(n.start)
			}
			accepted += checkPairs(t, nodes)
		}
	})
}

// psync is what PSYNC does to n: a partial sync, or a full one.
func psync(t *rapid.T, n, up *simNode) (partial bool) {
	if r, _ := up.l.accept(n.pos(), up.start, up.end()); r != Accepted {
		n.bytes = append([]byte(nil), up.bytes...)
		n.start = up.end()
		n.l = n.l.renumbered(up.l.hs, n.end(), 0)
		return false
	}
	l, err := n.l.adopted(up.l.hs, n.end(), n.l.epochs[n.l.active(n.end())])
	if err != nil {
		t.Fatalf("accepted but not adopted: %v", err)
	}
	n.l = l.trimmed(n.start)
	return true
}

func checkPairs(t *rapid.T, nodes []*simNode) (accepted int) {
	for _, replica := range nodes {
		for _, master := range nodes {
			p := replica.pos()
			r, detail := master.l.accept(p, master.start, master.end())
			prefix := replica.end() <= master.end() && string(master.bytes[:replica.end()]) == string(replica.bytes)
			want := prefix && replica.end() >= master.start
			if (r == Accepted) == want {
				if want {
					accepted++
				}
				continue
			}
			// Equal bytes under names that the master never heard of are refused on purpose: nobody can know they are equal.
			if want && r == UnknownID {
				continue
			}
			t.Fatalf("replica %s with %d bytes, master [%s] retains [%d,%d): accepted=%v (%s), prefix and retained=%v",
				p, len(replica.bytes), master.l.brief(), master.start, master.end(), r == Accepted, detail, want)
		}
	}
	return accepted
}
