package server

import (
	"strings"

	"replogd/engine/command"
	"replogd/engine/glob"
)

// commandCommands are COMMAND and its subcommands: what clients can ask about the command table.
var commandCommands = map[string]handler{
	"command":                 cmdCommand,
	"command|count":           func(c *conn, _ [][]byte) { c.w.Int(int64(len(c.srv.table.sorted))) },
	"command|info":            cmdCommandInfo,
	"command|docs":            cmdCommandDocs,
	"command|list":            cmdCommandList,
	"command|getkeys":         cmdCommandGetKeys,
	"command|getkeysandflags": cmdCommandGetKeysAndFlags,
	"xgroup|help": help("XGROUP", []string{
		"CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD n]",
		"    Make a group that goes on behind id.",
		"CREATECONSUMER <key> <group> <consumer>",
		"    Make a consumer.",
		"DELCONSUMER <key> <group> <consumer>",
		"    Remove a consumer and what it has pending.",
		"DESTROY <key> <group>",
		"    Remove a group.",
		"SETID <key> <group> <id|$> [ENTRIESREAD n]",
		"    Set where a group stands.",
	}),
	"xinfo|help": help("XINFO", []string{
		"CONSUMERS <key> <group>",
		"    The consumers of a group.",
		"GROUPS <key>",
		"    The groups of a stream.",
		"STREAM <key> [FULL [COUNT n]]",
		"    The stream itself; FULL shows its groups and entries too.",
	}),
	"memory|help": help("MEMORY", []string{
		"USAGE <key> [SAMPLES <count>]",
		"    Estimate the bytes that a key and its value take. Of a collection, count elements are looked at, all if it is 0.",
	}),
	"object|help": help("OBJECT", []string{
		"ENCODING <key>",
		"    How Redis would keep the value.",
		"FREQ <key>",
		"    Refused: access frequencies are not kept.",
		"IDLETIME <key>",
		"    Always 0: access times are not kept.",
		"REFCOUNT <key>",
		"    The number of references to the value.",
	}),
	"command|help": help("COMMAND", []string{
		"(no subcommand)", "    Return details about all Redis commands.",
		"COUNT", "    Return the total number of commands in this Redis server.",
		"LIST", "    Return a list of all commands in this Redis server.",
		"INFO [<command-name> ...]", "    Return details about multiple Redis commands.",
		"    If no command names are given, documentation details for all", "    commands are returned.",
		"DOCS [<command-name> ...]", "    Return documentation details about multiple Redis commands.",
		"    If no command names are given, documentation details for all", "    commands are returned.",
		"GETKEYS <full-command>", "    Return the keys from a full Redis command.",
		"GETKEYSANDFLAGS <full-command>", "    Return the keys and the access flags from a full Redis command.",
	}),
}

func cmdCommand(c *conn, _ [][]byte) {
	c.w.Array(len(c.srv.table.sorted))
	for _, e := range c.srv.table.sorted {
		command.AppendInfo(&c.w, e.spec)
	}
}

func cmdCommandInfo(c *conn, args [][]byte) {
	if len(args) == 2 {
		cmdCommand(c, args)
		return
	}
	c.w.Array(len(args) - 2)
	for _, name := range args[2:] {
		if spec := c.srv.table.spec(name); spec != nil {
			command.AppendInfo(&c.w, spec)
		} else {
			c.w.Null()
		}
	}
}

func cmdCommandDocs(c *conn, args [][]byte) {
	var found []*command.Spec
	if len(args) == 2 {
		for _, e := range c.srv.table.sorted {
			found = append(found, e.spec)
		}
	}
	for _, name := range args[2:] {
		if spec := c.srv.table.spec(name); spec != nil {
			found = append(found, spec)
		}
	}
	c.w.Map(len(found))
	for _, spec := range found {
		command.AppendDocs(&c.w, spec)
	}
}

// spec finds what a client may call by its full name ("get", "client|list").
func (t *commandTable) spec(name []byte) *command.Spec {
	container, sub, isSub := strings.Cut(strings.ToLower(string(name)), "|")
	e := t.byName[container]
	if e != nil && isSub {
		e = e.sub[sub]
	}
	if e == nil {
		return nil
	}
	return e.spec
}

func cmdCommandList(c *conn, args [][]byte) {
	wanted := func(*command.Spec) bool { return true }
	switch {
	case len(args) == 2:
	case len(args) == 5 && strings.EqualFold(string(args[2]), "filterby"):
		value := args[4]
		switch strings.ToLower(string(args[3])) {
		case "module":
			wanted = func(*command.Spec) bool { return false }
		case "aclcat":
			category := "@" + strings.ToLower(string(value))
			wanted = func(s *command.Spec) bool { return s.HasCategory(category) }
		case "pattern":
			wanted = func(s *command.Spec) bool { return glob.Match(value, []byte(s.Name), true) }
		default:
			c.w.Error(errSyntax)
			return
		}
	default:
		c.w.Error(errSyntax)
		return
	}
	var names []string
	c.srv.table.each(func(e *entry) {
		if wanted(e.spec) {
			names = append(names, e.name)
		}
	})
	c.w.Array(len(names))
	for _, name := range names {
		c.w.BulkString(name)
	}
}

// inner is the command line inside COMMAND GETKEYS, and what it calls.
func (c *conn) inner(args [][]byte) (line [][]byte, spec *command.Spec) {
	line = args[2:]
	e := c.srv.table.find(line[0])
	if e != nil && len(e.sub) > 0 && len(line) > 1 {
		var low [maxCommandName]byte
		e = e.sub[string(lower(&low, line[1]))]
	}
	if e == nil {
		c.w.Error("ERR Invalid command specified")
		return nil, nil
	}
	return line, e.spec
}

func cmdCommandGetKeys(c *conn, args [][]byte) {
	line, spec := c.inner(args)
	if spec == nil {
		return
	}
	keys, err := spec.GetKeys(line)
	if err != nil {
		c.w.Error(err.Error())
		return
	}
	c.w.Array(len(keys))
	for _, key := range keys {
		c.w.Bulk(key)
	}
}

func cmdCommandGetKeysAndFlags(c *conn, args [][]byte) {
	line, spec := c.inner(args)
	if spec == nil {
		return
	}
	uses, err := spec.KeyUses(line)
	if err != nil {
		c.w.Error(err.Error())
		return
	}
	c.w.Array(len(uses))
	for _, use := range uses {
		c.w.Array(2)
		c.w.Bulk(line[use.Arg])
		command.AppendStatuses(&c.w, use.Flags.Names())
	}
}
