package command

import "slices"

// Spec is what COMMAND, ACL categories, arity and key extraction need to know of
// one command. Specs are shared and read-only.
type Spec struct {
	// Name is in lower case; that of a subcommand is "client|list".
	Name string
	// Arity is the number of arguments, names included; -n means at least n.
	Arity int
	// Flags are Redis' flags.
	Flags Flags
	// Keys is the classic triple that says which arguments are keys, as far as a
	// triple can say it. Zero: no keys.
	Keys KeySpec
	// Finders say where the keys are, and how each is used.
	Finders []KeyFinder
	// Categories are the ACL categories, "@write" and so on, in Redis' order.
	Categories []string
	// Tips are hints for clients and proxies.
	Tips []string
	// Group is "string", "generic", "connection", "server".
	Group string
	// Since is the version of Redis that brought the command.
	Since string
	// Summary says in half a sentence what the command does.
	Summary string
	// Complexity is the time it takes.
	Complexity string
	// DocFlags are "deprecated" and "syscmd".
	DocFlags []string
	// DeprecatedSince and ReplacedBy belong to DocFlags' "deprecated".
	DeprecatedSince string
	ReplacedBy      string
	// Args is the syntax, for COMMAND DOCS and the hints of redis-cli.
	Args []Arg
	// Subcommands are those of a container, by name.
	Subcommands []*Spec

	// keysFunc finds the keys where the finders' flags depend on the arguments.
	keysFunc func(args [][]byte) []KeyUse
	// subs holds Subcommands by the name after the '|'.
	subs map[string]*Spec
}

// KeySpec is the classic (first, last, step) triple: the keys are the arguments
// First, First+Step, ... up to Last. A negative Last counts from the end, -1 being
// the last argument.
type KeySpec struct {
	First, Last, Step int
}

// ArityOK reports whether a command line of n arguments, names included, can be
// right.
func (s *Spec) ArityOK(n int) bool {
	if s.Arity < 0 {
		return n >= -s.Arity
	}
	return n == s.Arity
}

// Subcommand returns the subcommand of that name ("list"), nil if there is none.
// Letter case does not matter; it does not allocate.
func (s *Spec) Subcommand(name []byte) *Spec { return lookup(s.subs, name) }

// Container reports whether s is only a prefix of its subcommands: with a
// subcommand's name in place of the second argument, s itself never runs.
// COMMAND has subcommands and is none: it runs without one.
func (s *Spec) Container() bool { return len(s.Subcommands) > 0 && s.Arity <= -2 }

// HasCategory reports whether the command is in the ACL category "@name".
func (s *Spec) HasCategory(name string) bool { return slices.Contains(s.Categories, name) }

// prepare fills in what follows from the literal part of an entry.
func (s *Spec) prepare(group string, categories ...string) {
	s.Group = group
	own := append(impliedCategories(s.Flags), s.Categories...)
	own = append(own, categories...)
	s.Categories = nil
	for _, c := range categoryNames {
		if slices.Contains(own, c) {
			s.Categories = append(s.Categories, c)
		}
	}
	s.Keys = triple(s.Finders)
	s.subs = make(map[string]*Spec, len(s.Subcommands))
	for _, sub := range s.Subcommands {
		sub.prepare(group, categories...)
		s.subs[sub.Name[len(s.Name)+1:]] = sub
	}
}
