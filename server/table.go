package server

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"replogd/config"
	"replogd/engine"
	"replogd/engine/command"
)

// handler runs a server command: it appends exactly one reply to c.w (or none, where Redis sends none). args[0] is the command's
// name; arity has been checked. args alias the read buffer: what is kept must be copied.
type handler func(c *conn, args [][]byte)

// entry is a command, or a subcommand, that clients can call.
type entry struct {
	spec     *command.Spec
	name     string          // as in INFO commandstats: "get", "config|set"
	keyspace *engine.Command // set: the engine runs it
	handle   handler         // set: the server runs it
	sub      map[string]*entry
	subs     []*entry // in the spec's order
	loops    bool     // a loop may run it: it is short and waits for nothing

	// Rejected counts refusals before execution, for both kinds. The others count server commands; the engine has its own.
	rejected, calls, failed, nanos atomic.Uint64
}

func (e *entry) has(f command.Flags) bool { return e.spec.Flags&f != 0 }

// commandTable finds commands by name. It is immutable.
type commandTable struct {
	byName map[string]*entry // lower case; after rename-command
	sorted []*entry          // by name, containers only
}

// maxCommandName is the longest name worth looking up.
const maxCommandName = 64

// newCommandTable joins the specs with their implementations. A spec without one is a bug that a test finds; renamed commands
// answer to their new name only, as in Redis, but keep the old one in COMMAND and INFO.
func newCommandTable(renames []config.Rename) *commandTable {
	t := &commandTable{byName: map[string]*entry{}}
	for _, spec := range command.All() {
		if strings.Contains(spec.Name, "|") {
			continue
		}
		e := newEntry(spec)
		t.byName[e.name] = e
		t.sorted = append(t.sorted, e)
	}
	slices.SortFunc(t.sorted, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	for _, r := range renames {
		from, to := strings.ToLower(r.From), strings.ToLower(r.To)
		e := t.byName[from]
		if e == nil {
			continue // config has warned
		}
		delete(t.byName, from)
		if to != "" {
			t.byName[to] = e
		} else {
			t.sorted = slices.DeleteFunc(t.sorted, func(x *entry) bool { return x == e })
		}
	}
	return t
}

func newEntry(spec *command.Spec) *entry {
	e := &entry{spec: spec, name: strings.ToLower(spec.Name), handle: handlers[strings.ToLower(spec.Name)]}
	if e.handle == nil {
		e.keyspace = engine.Lookup([]byte(e.name))
	}
	e.loops = loopable(e)
	for _, ss := range spec.Subcommands {
		sub := newEntry(ss)
		e.subs = append(e.subs, sub)
		if e.sub == nil {
			e.sub = map[string]*entry{}
		}
		_, short, _ := strings.Cut(sub.name, "|")
		e.sub[short] = sub
	}
	if !e.runnable() && len(e.subs) == 0 {
		panic(fmt.Sprintf("BUG: server: command %q has a spec but neither the server nor the engine runs it", e.name))
	}
	return e
}

func (e *entry) runnable() bool { return e.handle != nil || e.keyspace != nil }

// find looks a command up by its name in any letter case, without allocating.
func (t *commandTable) find(name []byte) *entry {
	var low [maxCommandName]byte
	return t.byName[string(lower(&low, name))]
}

// lower is name in lower case, or a string that no command has.
func lower(dst *[maxCommandName]byte, name []byte) []byte {
	if len(name) > len(dst) {
		return nil
	}
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst[i] = b
	}
	return dst[:len(name)]
}

// lookup finds the command or subcommand that args call. A nil entry comes with the error text; arity is checked too, in which
// case the entry is returned along with the text.
func (t *commandTable) lookup(args [][]byte) (e *entry, refusal string) {
	e = t.find(args[0])
	if e == nil {
		return nil, unknownCommand(args)
	}
	if len(e.sub) > 0 && len(args) > 1 {
		var low [maxCommandName]byte
		sub := e.sub[string(lower(&low, args[1]))]
		if sub == nil {
			return nil, fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", shown(args[1], maxUnknownArgs), strings.ToUpper(e.name))
		}
		e = sub
	}
	if !e.spec.ArityOK(len(args)) {
		return e, wrongArity(e.name)
	}
	return e, ""
}

func wrongArity(name string) string {
	return "ERR wrong number of arguments for '" + name + "' command"
}

// unknownCommand is the error of Redis 7.0.15: the first 128 bytes of the name, then arguments until 128 bytes of them are shown.
func unknownCommand(args [][]byte) string {
	var b strings.Builder
	b.WriteString("ERR unknown command '")
	b.WriteString(shown(args[0], maxUnknownArgs))
	b.WriteString("', with args beginning with: ")
	for from := b.Len(); len(args) > 1 && b.Len()-from < maxUnknownArgs; args = args[1:] {
		b.WriteByte('\'')
		b.WriteString(shown(args[1], maxUnknownArgs-(b.Len()-1-from)))
		b.WriteString("' ")
	}
	return b.String()
}

// shown is what C's %.*s prints of b: at most n bytes, up to the first NUL.
func shown(b []byte, n int) string {
	b = b[:min(len(b), n)]
	for i, x := range b {
		if x == 0 {
			b = b[:i]
			break
		}
	}
	return string(b)
}

// each visits every command and subcommand.
func (t *commandTable) each(visit func(*entry)) {
	for _, e := range t.sorted {
		visit(e)
		for _, sub := range e.subs {
			visit(sub)
		}
	}
}
