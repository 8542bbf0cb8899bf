package backlog

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// id makes a readable id for tests: the letter, repeated.
func id(letter byte) string {
	b := make([]byte, IDLen)
	for i := range b {
		b[i] = letter
	}
	return string(b)
}

// line builds a lineage "a@0 b@100" with epochs 1, 2, ...
func line(spec ...any) *lineage {
	l := &lineage{own: true, next: 1}
	for i := 0; i < len(spec); i += 2 {
		l.hs = append(l.hs, History{ID: id(spec[i].(string)[0]), Start: uint64(spec[i+1].(int))})
		l.epochs = append(l.epochs, l.next)
		l.next++
	}
	return l
}

// brief prints a lineage as "a@0/1 b@100/2".
func (l *lineage) brief() string {
	s := ""
	for i, h := range l.hs {
		if i > 0 {
			s += " "
		}
		s += fmt.Sprintf("%c@%d/%d", h.ID[0], h.Start, l.epochs[i])
	}
	return s
}
