package command

// hllCommands are the commands on HyperLogLogs.
var hllCommands = []*Spec{
	{
		Name: "pfadd", Arity: -2, Since: "2.8.9", Flags: Write | DenyOOM | Fast,
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyRW|KeyInsert)},
		Categories: []string{"@hyperloglog"},
		Summary:    "Add elements to a HyperLogLog",
		Complexity: "O(1) per element",
		Args: []Arg{
			key("key"),
			str("element").optional().multiple(),
		},
	},
	{
		Name: "pfcount", Arity: -2, Since: "2.8.9", Flags: ReadOnly | MayReplicate,
		Finders:    []KeyFinder{keysAt(1, -1, 1, KeyRW|KeyAccess).note("RW because it may change the internal representation of the key, and propagate to replicas")},
		Categories: []string{"@hyperloglog"},
		Summary:    "Estimate how many distinct elements one or several HyperLogLogs have seen",
		Complexity: "O(1) for one key that has not changed since, O(N) for N keys",
		Args: []Arg{
			key("key").multiple(),
		},
	},
	{
		Name: "pfdebug", Arity: 3, Since: "2.8.9", Flags: Write | DenyOOM | Admin,
		Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRW|KeyAccess)},
		Categories: []string{"@hyperloglog"},
		Summary:    "Look into a HyperLogLog",
		Complexity: "O(1)",
		DocFlags:   []string{"syscmd"},
		Args: []Arg{
			str("subcommand"),
			key("key"),
		},
	},
	{
		Name: "pfmerge", Arity: -2, Since: "2.8.9", Flags: Write | DenyOOM,
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyRW|KeyAccess|KeyInsert), keysAt(2, -1, 1, KeyRO|KeyAccess)},
		Categories: []string{"@hyperloglog"},
		Summary:    "Merge HyperLogLogs into one",
		Complexity: "O(N), N keys",
		Args: []Arg{
			key("destkey"),
			keyOf("sourcekey", 1).multiple(),
		},
	},
	{
		Name: "pfselftest", Arity: 1, Since: "2.8.9", Flags: Admin,
		Categories: []string{"@hyperloglog"},
		Summary:    "Check the arithmetic of HyperLogLogs",
		Complexity: "O(1)",
		DocFlags:   []string{"syscmd"},
	},
}
