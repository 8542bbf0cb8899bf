package server

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// errorCodes counts error replies by their first word (INFO errorstats). Errors are rare, so a mutex serves.
type errorCodes struct {
	mu struct {
		sync.Mutex
		byCode map[string]uint64
	}
}

func (e *errorCodes) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.byCode = map[string]uint64{}
}

type errorCount struct {
	code  string
	count uint64
}

func (e *errorCodes) list() []errorCount {
	e.mu.Lock()
	out := make([]errorCount, 0, len(e.mu.byCode))
	for code, n := range e.mu.byCode {
		out = append(out, errorCount{code, n})
	}
	e.mu.Unlock()
	slices.SortFunc(out, func(a, b errorCount) int { return strings.Compare(a.code, b.code) })
	return out
}

// countError counts one encoded error reply ("-CODE text").
func (s *stats) countError(reply []byte) {
	s.errorReplies.Add(1)
	code := reply[1:]
	if i := bytes.IndexAny(code, " \r\n"); i >= 0 {
		code = code[:i]
	}
	if len(code) == 0 || len(code) > maxErrorCodeLen {
		code = []byte("ERR")
	}
	s.errors.mu.Lock()
	defer s.errors.mu.Unlock()
	if _, known := s.errors.mu.byCode[string(code)]; known || len(s.errors.mu.byCode) < maxErrorCodes {
		s.errors.mu.byCode[string(code)]++
	}
}

// countErrors finds the top-level errors among the replies of a run.
func (s *stats) countErrors(replies []byte) {
	for len(replies) > 0 {
		if replies[0] == '-' {
			s.countError(replies)
		}
		n := replyLen(replies)
		if n == 0 {
			panic("BUG: server: the engine wrote a malformed reply")
		}
		replies = replies[n:]
	}
}

// replyLen is the number of bytes of the first reply in b, nested elements included; 0 when b does not hold a whole one.
func replyLen(b []byte) int {
	pos := 0
	for pending := 1; pending > 0; pending-- {
		if pos >= len(b) {
			return 0
		}
		kind := b[pos]
		eol := bytes.IndexByte(b[pos:], '\n')
		if eol < 2 {
			return 0
		}
		n, line := 0, b[pos+1:pos+eol-1]
		pos += eol + 1
		switch kind {
		case '$', '=', '*', '~', '>', '%':
			n = lineNumber(line)
		default:
			continue // the line is all
		}
		switch {
		case n < 0:
		case kind == '$' || kind == '=':
			pos += n + 2
		case kind == '%':
			pending += 2 * n
		default:
			pending += n
		}
	}
	if pos > len(b) {
		return 0
	}
	return pos
}

// lineNumber reads the length in a header that our own writer wrote; a negative one means null.
func lineNumber(line []byte) int {
	if len(line) == 0 || line[0] == '-' {
		return -1
	}
	n := 0
	for _, d := range line {
		n = n*10 + int(d-'0')
	}
	return n
}
