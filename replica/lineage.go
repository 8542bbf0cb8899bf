package replica

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"replogd/backlog"
)

// Limits of what a peer may say about its lineage.
const (
	nativeVersion   = 1 // of the lineage text, the manifest and the frames; see the package comment
	maxLineageBytes = 1 << 20
	maxHistories    = 8192
)

// lineage is a native leader's answer to "REPLCONF lineage 1".
type lineage struct {
	path      []string // node ids: the leader, its master, its master's master ...
	histories []backlog.History
}

// appendLineage writes the text specified in the package comment.
func appendLineage(dst []byte, l lineage) []byte {
	dst = fmt.Appendf(dst, "replogd %d\n", nativeVersion)
	dst = append(dst, "path"...)
	for _, id := range l.path {
		dst = append(dst, ' ')
		dst = append(dst, id...)
	}
	dst = append(dst, '\n')
	return appendHistories(dst, l.histories)
}

func appendHistories(dst []byte, hs []backlog.History) []byte {
	for _, h := range hs {
		dst = fmt.Appendf(dst, "history %s %d\n", h.ID, h.Start)
	}
	return dst
}

// parseLineage is the strict inverse of appendLineage: anything else is ErrProtocol.
func parseLineage(text []byte) (lineage, error) {
	var l lineage
	if len(text) > maxLineageBytes {
		return l, protocolErrorf("lineage of %d bytes", len(text))
	}
	lines, err := splitLines(text)
	if err != nil {
		return l, err
	}
	if len(lines) < 3 || lines[0] != fmt.Sprintf("replogd %d", nativeVersion) {
		return l, protocolErrorf("lineage does not begin with \"replogd %d\"", nativeVersion)
	}
	words := strings.Split(lines[1], " ")
	if words[0] != "path" || len(words) < 2 || len(words) > maxLineagePath+1 {
		return l, protocolErrorf("bad path line in lineage")
	}
	for _, id := range words[1:] {
		if !validHexID(id) {
			return l, protocolErrorf("bad node id in lineage")
		}
	}
	l.path = words[1:]
	l.histories, err = parseHistories(lines[2:])
	return l, err
}

func splitLines(text []byte) ([]string, error) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, protocolErrorf("text does not end with a line feed")
	}
	if bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		return nil, protocolErrorf("control character in text")
	}
	return strings.Split(string(text[:len(text)-1]), "\n"), nil
}

func parseHistories(lines []string) ([]backlog.History, error) {
	if len(lines) > maxHistories {
		return nil, protocolErrorf("%d histories", len(lines))
	}
	hs := make([]backlog.History, 0, len(lines))
	for _, line := range lines {
		words := strings.Split(line, " ")
		if len(words) != 3 || words[0] != "history" {
			return nil, protocolErrorf("bad history line")
		}
		start, err := parseOffset(words[2])
		if err != nil {
			return nil, err
		}
		hs = append(hs, backlog.History{ID: words[1], Start: start})
	}
	if err := checkHistories(hs); err != nil {
		return nil, err
	}
	return hs, nil
}

// checkHistories: at least one, ids of 40 lower-case hex digits, none twice, starts never falling.
func checkHistories(hs []backlog.History) error {
	if len(hs) == 0 {
		return protocolErrorf("no histories")
	}
	seen := make(map[string]struct{}, len(hs))
	for i, h := range hs {
		if !validHexID(h.ID) {
			return protocolErrorf("bad history id")
		}
		if _, dup := seen[h.ID]; dup {
			return protocolErrorf("history %s twice", h.ID)
		}
		seen[h.ID] = struct{}{}
		if i > 0 && h.Start < hs[i-1].Start {
			return protocolErrorf("histories out of order at %d", h.Start)
		}
	}
	return nil
}

// parseOffset reads a stream offset as it is written: decimal digits, no sign, no leading zero, at most 2^63-1 (Redis' long long).
func parseOffset(s string) (uint64, error) {
	if s == "" || len(s) > 19 || (len(s) > 1 && s[0] == '0') || s[0] < '0' || s[0] > '9' {
		return 0, protocolErrorf("bad offset %q", clip(s))
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0, protocolErrorf("bad offset %q", clip(s))
	}
	return uint64(v), nil
}

// clip bounds a peer's words before they go into an error text or the log.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func validHexID(id string) bool {
	if len(id) != 40 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// reach is the last offset at which hs still follows the history at index i.
func reach(hs []backlog.History, i int) (end uint64, bounded bool) {
	if i+1 < len(hs) {
		return hs[i+1].Start, true
	}
	return 0, false
}

// onLineage reports whether offset off of history id lies on hs (id known there, not left before off).
func onLineage(hs []backlog.History, id string, off uint64) bool {
	for i, h := range hs {
		if h.ID == id {
			end, bounded := reach(hs, i)
			return !bounded || off <= end
		}
	}
	return false
}

// askID picks the name under which our position end is asked for. More than one of our histories can name it: those that begin
// at or past end hold none of our bytes (a promotion that was never written to, a branch the upstream announced). The newest one
// that the leader knows is best; without its lineage (a stock master) it is our current id.
func askID(ours []backlog.History, end uint64, theirs []backlog.History) string {
	for i := len(ours) - 1; i >= 0; i-- {
		if onLineage(ours, ours[i].ID, end) && onLineage(theirs, ours[i].ID, end) {
			return ours[i].ID
		}
	}
	return ours[len(ours)-1].ID
}

// succeedLineage is the list to adopt from a stock master that continues our stream at end under the name id. Names that begin
// past end (announced by an earlier upstream, never reached) are dropped; those that begin at end stay: a replica of ours may know
// its position by them.
func succeedLineage(ours []backlog.History, id string, end uint64) []backlog.History {
	var hs []backlog.History
	for _, h := range ours {
		if h.Start <= end && h.ID != id {
			hs = append(hs, h)
		}
	}
	return append(hs, backlog.History{ID: id, Start: end})
}
