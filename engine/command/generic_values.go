package command

// valueCommands are generic commands that look into values.
var valueCommands = []*Spec{
	{
		Name: "object", Arity: -2, Since: "2.2.3",
		Summary:    "Look into how a value is kept",
		Complexity: "depends on the subcommand",
		Subcommands: []*Spec{
			{
				Name: "object|encoding", Arity: 3, Since: "2.2.3", Flags: ReadOnly,
				Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRO)},
				Categories: []string{"@keyspace"},
				Tips:       []string{"nondeterministic_output"},
				Summary:    "Return how Redis would encode the value",
				Complexity: "O(1)",
				Args:       []Arg{key("key")},
			},
			{
				Name: "object|freq", Arity: 3, Since: "4.0.0", Flags: ReadOnly,
				Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRO)},
				Categories: []string{"@keyspace"},
				Tips:       []string{"nondeterministic_output"},
				Summary:    "Return how often a key is used, under an LFU policy",
				Complexity: "O(1)",
				Args:       []Arg{key("key")},
			},
			{
				Name: "object|help", Arity: 2, Since: "6.2.0", Flags: Loading | Stale,
				Categories: []string{"@keyspace"},
				Summary:    "Explain the subcommands",
				Complexity: "O(1)",
			},
			{
				Name: "object|idletime", Arity: 3, Since: "2.2.3", Flags: ReadOnly,
				Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRO)},
				Categories: []string{"@keyspace"},
				Tips:       []string{"nondeterministic_output"},
				Summary:    "Return the seconds since a key was used",
				Complexity: "O(1)",
				Args:       []Arg{key("key")},
			},
			{
				Name: "object|refcount", Arity: 3, Since: "2.2.3", Flags: ReadOnly,
				Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRO)},
				Categories: []string{"@keyspace"},
				Tips:       []string{"nondeterministic_output"},
				Summary:    "Return the number of references to a value",
				Complexity: "O(1)",
				Args:       []Arg{key("key")},
			},
		},
	},
}
