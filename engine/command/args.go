package command

import "strings"

// Arg is one argument in a command's syntax, as COMMAND DOCS shows it.
type Arg struct {
	Name string
	// Type is "string", "integer", "double", "key", "pattern", "unix-time",
	// "pure-token", "oneof" or "block".
	Type string
	// Token is the fixed word before the argument, or the argument itself if that is
	// a pure token.
	Token           string
	Since           string
	DeprecatedSince string
	Optional        bool
	// Multiple: may be repeated; MultipleToken: and the token with it.
	Multiple, MultipleToken bool
	// KeySpec is the index of the finder that finds a key; -1 for other arguments.
	KeySpec int
	// Args are the choices of a oneof and the parts of a block.
	Args []Arg
}

func str(name string) Arg      { return Arg{Name: name, Type: "string", KeySpec: -1} }
func integer(name string) Arg  { return Arg{Name: name, Type: "integer", KeySpec: -1} }
func double(name string) Arg   { return Arg{Name: name, Type: "double", KeySpec: -1} }
func pattern(name string) Arg  { return Arg{Name: name, Type: "pattern", KeySpec: -1} }
func unixTime(name string) Arg { return Arg{Name: name, Type: "unix-time", KeySpec: -1} }

// key is a key found by the first finder; keyOf one found by the n-th from 0.
func key(name string) Arg          { return keyOf(name, 0) }
func keyOf(name string, n int) Arg { return Arg{Name: name, Type: "key", KeySpec: n} }

// token is a fixed word.
func token(word string) Arg {
	return Arg{Name: strings.ToLower(word), Type: "pure-token", Token: word, KeySpec: -1}
}

func oneOf(name string, choices ...Arg) Arg {
	return Arg{Name: name, Type: "oneof", KeySpec: -1, Args: choices}
}

func block(name string, parts ...Arg) Arg {
	return Arg{Name: name, Type: "block", KeySpec: -1, Args: parts}
}

// The methods below return a changed copy, for literals.

func (a Arg) spec(n int) Arg                { a.KeySpec = n; return a }
func (a Arg) after(token string) Arg        { a.Token = token; return a }
func (a Arg) from(version string) Arg       { a.Since = version; return a }
func (a Arg) deprecated(version string) Arg { a.DeprecatedSince = version; return a }
func (a Arg) optional() Arg                 { a.Optional = true; return a }
func (a Arg) multiple() Arg                 { a.Multiple = true; return a }
func (a Arg) withToken() Arg                { a.MultipleToken = true; return a }
func (a Arg) named(name string) Arg         { a.Name = name; return a }

// flagNames are the flags in the words and the order of COMMAND DOCS.
func (a *Arg) flagNames() []string {
	var names []string
	if a.Optional {
		names = append(names, "optional")
	}
	if a.Multiple {
		names = append(names, "multiple")
	}
	if a.MultipleToken {
		names = append(names, "multiple_token")
	}
	return names
}
