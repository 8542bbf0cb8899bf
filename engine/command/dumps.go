package command

// dumpCommands are the commands on serialised values.
var dumpCommands = []*Spec{
	{
		Name: "dump", Arity: 2, Since: "2.6.0", Flags: ReadOnly,
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyRO|KeyAccess)},
		Categories: []string{"@keyspace"},
		Tips:       []string{"nondeterministic_output"},
		Summary:    "Return a value in serialised form",
		Complexity: "O(N), N elements",
		Args: []Arg{
			key("key"),
		},
	},
	{
		Name: "restore", Arity: -4, Since: "2.6.0", Flags: Write | DenyOOM,
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyOW|KeyUpdate)},
		Categories: []string{"@keyspace", "@dangerous"},
		Summary:    "Create a key from its serialised form",
		Complexity: "O(N), N elements",
		Args: []Arg{
			key("key"),
			integer("ttl"),
			str("serialized-value"),
			token("REPLACE").from("3.0.0").optional(),
			token("ABSTTL").from("5.0.0").optional(),
			integer("seconds").after("IDLETIME").from("5.0.0").optional(),
			integer("frequency").after("FREQ").from("5.0.0").optional(),
		},
	},
}

// askingCommands are forms of other commands for a cluster, which Redis files under the server.
var askingCommands = []*Spec{
	{
		Name: "restore-asking", Arity: -4, Since: "3.0.0", Flags: Write | DenyOOM | Asking,
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyOW|KeyUpdate)},
		Categories: []string{"@keyspace", "@dangerous"},
		Summary:    "RESTORE for a cluster's slots in migration",
		Complexity: "O(N), N elements",
		DocFlags:   []string{"syscmd"},
		Args: []Arg{
			key("key"),
			integer("ttl"),
			str("serialized-value"),
			token("REPLACE").from("3.0.0").optional(),
			token("ABSTTL").from("5.0.0").optional(),
			integer("seconds").after("IDLETIME").from("5.0.0").optional(),
			integer("frequency").after("FREQ").from("5.0.0").optional(),
		},
	},
}
