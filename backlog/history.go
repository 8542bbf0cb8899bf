package backlog

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"replogd/wal"
)

const (
	// MaxHistories is how many histories a list holds at most; the oldest are dropped beyond it. A replica whose position is
	// on a dropped one needs a full sync.
	MaxHistories = 1024

	// keepHistories is how many are kept although the log does not reach back to them: the current one, and the previous one
	// for INFO's master_replid2.
	keepHistories = 2

	// IDLen is the length of a history's or node's id in hexadecimal digits.
	IDLen = 40

	// unbounded stands for "no announced history begins after this one".
	unbounded = ^uint64(0)
)

// History is a line of succession: ID (40 lower-case hex digits) names the stream's bytes from Start on, until the next
// history's Start.
type History struct {
	ID    string
	Start uint64
}

// Pos is a position on a history: Offset stream bytes lie before it. Redis' "PSYNC id n" asks for byte n = Offset+1.
type Pos struct {
	ID     string
	Offset uint64
}

// String is "id:offset".
func (p Pos) String() string { return fmt.Sprintf("%s:%d", p.ID, p.Offset) }

// lineage is an immutable list of histories with the epoch number of each, published as a whole. Epoch numbers only grow
// along the list, and the number that tags new log records never falls, over the whole life of the directory.
type lineage struct {
	hs     []History
	epochs []uint32
	next   uint32 // the next epoch number never used before
	own    bool   // the last history was begun by this node, no follower since; a leader writes on no other
}

// newID returns 40 random hex digits.
func newID() string {
	var b [IDLen / 2]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the process when the system has no randomness
	return hex.EncodeToString(b[:])
}

// normalID checks the format of an id and returns it in lower case.
func normalID(id string) (string, error) {
	if len(id) != IDLen {
		return "", fmt.Errorf("%w: id %.60q has %d characters, want %d hexadecimal digits", ErrHistories, id, len(id), IDLen)
	}
	id = strings.ToLower(id)
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("%w: id %q holds %q, want %d hexadecimal digits", ErrHistories, id, c, IDLen)
		}
	}
	return id, nil
}

// checkHistories returns a normalised copy of hs, or ErrHistories: it must not be empty, ids are well formed and differ, and
// starts do not fall. Two histories may share a start: the first ended where it began, yet peers may know its id.
func checkHistories(hs []History) ([]History, error) {
	if len(hs) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrHistories)
	}
	out := make([]History, 0, len(hs))
	seen := make(map[string]struct{}, len(hs))
	for i, h := range hs {
		id, err := normalID(h.ID)
		if err != nil {
			return nil, err
		}
		if _, dup := seen[id]; dup {
			return nil, fmt.Errorf("%w: history %s appears twice", ErrHistories, id)
		}
		seen[id] = struct{}{}
		if i > 0 && h.Start < out[i-1].Start {
			return nil, fmt.Errorf("%w: history %s begins at %d, before its predecessor %s at %d",
				ErrHistories, id, h.Start, out[i-1].ID, out[i-1].Start)
		}
		out = append(out, History{ID: id, Start: h.Start})
	}
	return out, nil
}

// active is the index of the history that a byte appended at end belongs to: the last that begins at or before end. A list
// may begin after end (its older entries were trimmed by an upstream): the bytes before it count as the first one's.
func (l *lineage) active(end uint64) int {
	i := len(l.hs) - 1
	for i > 0 && l.hs[i].Start > end {
		i--
	}
	return i
}

// boundary is the offset at which a log that ends at end leaves its active history for the next, announced one.
func (l *lineage) boundary(end uint64) uint64 {
	if i := l.active(end) + 1; i < len(l.hs) {
		return l.hs[i].Start
	}
	return unbounded
}

func (l *lineage) current() History { return l.hs[len(l.hs)-1] }

func (l *lineage) index(id string) int {
	for i := range l.hs {
		if l.hs[i].ID == id {
			return i
		}
	}
	return -1
}

func (l *lineage) clone() *lineage {
	return &lineage{
		hs:     append([]History(nil), l.hs...),
		epochs: append([]uint32(nil), l.epochs...),
		next:   l.next,
		own:    l.own,
	}
}

func (l *lineage) same(hs []History) bool {
	if len(l.hs) != len(hs) {
		return false
	}
	for i := range hs {
		if l.hs[i] != hs[i] {
			return false
		}
	}
	return true
}

// begun is l with a new history of our own at end. Histories that were announced past end are pulled back to it: this node
// leaves their common lineage there, and a position on one of them up to end is still a prefix of our bytes.
func (l *lineage) begun(id string, end uint64) *lineage {
	n := l.clone()
	for i := range n.hs {
		n.hs[i].Start = min(n.hs[i].Start, end)
	}
	n.hs = append(n.hs, History{ID: id, Start: end})
	n.epochs = append(n.epochs, n.next)
	n.next++
	n.own = true
	return n.limited()
}

// adopted is the list hs, which is valid, of an upstream that accepted our position at end. lastEpoch is the highest epoch
// that tags records of our log. Older entries of ours that the upstream has already forgotten stay in front, as we may
// still serve positions on them.
func (l *lineage) adopted(hs []History, end uint64, lastEpoch uint32) (*lineage, error) {
	if !l.meets(hs, end) {
		return nil, fmt.Errorf("%w: none of its %d histories continues %s at offset %d; only a full sync can take them over",
			ErrHistories, len(hs), l.hs[l.active(end)].ID, end)
	}
	var merged []History
	if k := l.index(hs[0].ID); k > 0 {
		for _, h := range l.hs[:k] {
			if h.Start <= hs[0].Start && !listed(hs, h.ID) {
				merged = append(merged, h)
			}
		}
	}
	merged = append(merged, hs...)
	n := l.renumbered(merged, end, lastEpoch)
	return n.limited(), nil
}

// meets reports whether our log up to end is a prefix of the lineage hs: they share a history that both reach end on.
func (l *lineage) meets(hs []History, end uint64) bool {
	for i, h := range hs {
		k := l.index(h.ID)
		if k < 0 {
			continue
		}
		theirs, ours := unbounded, unbounded
		if i+1 < len(hs) {
			theirs = hs[i+1].Start
		}
		if k+1 < len(l.hs) {
			ours = l.hs[k+1].Start
		}
		if end <= theirs && end <= ours {
			return true
		}
	}
	return false
}

func listed(hs []History, id string) bool {
	for _, h := range hs {
		if h.ID == id {
			return true
		}
	}
	return false
}

// renumbered gives each of hs its epoch: the one l knows it by, or a new number where that would break the order, or would
// let the number that tags new records fall below lastEpoch.
func (l *lineage) renumbered(hs []History, end uint64, lastEpoch uint32) *lineage {
	n := &lineage{hs: hs, epochs: make([]uint32, len(hs)), next: l.next}
	act := n.active(end)
	prev := uint32(0)
	for i, h := range hs {
		var e uint32
		if k := l.index(h.ID); k >= 0 {
			e = l.epochs[k]
		}
		if e <= prev || (i >= act && e < lastEpoch) {
			e = n.next
			n.next++
		}
		n.epochs[i], prev = e, e
	}
	return n
}

// limited drops the oldest histories beyond MaxHistories.
func (l *lineage) limited() *lineage {
	if k := len(l.hs) - MaxHistories; k > 0 {
		l.hs, l.epochs = l.hs[k:], l.epochs[k:]
	}
	return l
}

// trimmed is l without the histories that ended before start, the first retained byte; l itself when nothing goes. No
// position on them can be accepted any more. The last two always stay.
func (l *lineage) trimmed(start uint64) *lineage {
	k := 0
	for k < len(l.hs)-keepHistories && l.hs[k+1].Start < start {
		k++
	}
	if k == 0 {
		return l
	}
	n := l.clone()
	n.hs, n.epochs = n.hs[k:], n.epochs[k:]
	return n
}

// disowns says why a segment cannot belong to this lineage, "" when it can: its epoch was never given out, or to another
// history. That is what a meta.db restored from an old backup, or brought from another node, looks like.
func (l *lineage) disowns(epoch uint32, h wal.HistoryID) string {
	if epoch >= l.next {
		return fmt.Sprintf("the segment is of epoch %d (history %s), meta.db knows none from %d on", epoch, h[:], l.next)
	}
	for i, e := range l.epochs {
		if e == epoch && walID(l.hs[i].ID) != h {
			return fmt.Sprintf("the segment's epoch %d is history %s, by meta.db it is %s", epoch, h[:], l.hs[i].ID)
		}
	}
	return ""
}

// walID is the id as the log stores it. Ids are checked where they enter, so the length is right.
func walID(id string) (w wal.HistoryID) {
	if copy(w[:], id) != len(w) {
		panic(fmt.Sprintf("BUG: history id %q is not %d characters long", id, len(w)))
	}
	return w
}
