package command

import (
	"bytes"
	"slices"
	"strings"
)

// maxName is longer than any name, "command|getkeysandflags" included.
const maxName = 40

// table holds the commands by lower-case name; sorted holds them in order of name.
var table, sorted = build()

func build() (map[string]*Spec, []*Spec) {
	byName := make(map[string]*Spec)
	var all []*Spec
	for _, g := range []struct {
		group string
		specs []*Spec
	}{
		{"string", stringCommands},
		{"bitmap", bitmapCommands},
		{"hyperloglog", hllCommands},
		{"geo", geoCommands},
		{"hash", hashCommands},
		{"list", listCommands},
		{"set", setCommands},
		{"sorted-set", zsetCommands},
		{"sorted-set", zsetRangeCommands},
		{"stream", streamCommands},
		{"stream", streamGroupCommands},
		{"generic", genericCommands},
		{"generic", valueCommands},
		{"generic", sortCommands},
		{"generic", dumpCommands},
		{"connection", connectionCommands},
		{"server", serverCommands},
		{"server", memoryCommands},
		{"server", askingCommands},
		{"server", replicationCommands},
		{"transactions", transactionCommands},
		{"pubsub", pubSubCommands},
		{"scripting", scriptCommands},
	} {
		for _, s := range g.specs {
			if byName[s.Name] != nil {
				panic("BUG: command: two entries for " + s.Name)
			}
			s.prepare(g.group)
			byName[s.Name] = s
			all = append(all, s)
		}
	}
	byName["set"].keysFunc = setKeys
	byName["sort"].keysFunc, byName["sort_ro"].keysFunc = sortKeys, sortReadKeys
	slices.SortFunc(all, func(a, b *Spec) int { return strings.Compare(a.Name, b.Name) })
	return byName, all
}

// Lookup returns the command of that name, nil if there is none. Letter case does
// not matter; it does not allocate. Subcommands are not found here: see
// Spec.Subcommand and LookupFull.
func Lookup(name []byte) *Spec { return lookup(table, name) }

// LookupFull is Lookup that also takes the full name of a subcommand,
// "client|list", as COMMAND INFO and ACL rules do.
func LookupFull(name []byte) *Spec {
	container, sub, ok := bytes.Cut(name, []byte{'|'})
	s := Lookup(container)
	if !ok || s == nil {
		return s
	}
	return s.Subcommand(sub)
}

// All returns all commands, sorted by name. The slice is shared: read only.
func All() []*Spec { return sorted }

func lookup(m map[string]*Spec, name []byte) *Spec {
	if len(name) > maxName {
		return nil
	}
	var lower [maxName]byte
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return m[string(lower[:len(name)])]
}
