package command

// memoryCommands are about the memory and disk that keys take.
var memoryCommands = []*Spec{
	{
		Name: "memory", Arity: -2, Since: "4.0.0",
		Summary:    "Container of the commands about memory",
		Complexity: "Depends on the subcommand",
		Subcommands: []*Spec{
			{
				Name: "memory|help", Arity: 2, Since: "4.0.0", Flags: Loading | Stale,
				Summary:    "Return help about the subcommands",
				Complexity: "O(1)",
			},
			{
				Name: "memory|usage", Arity: -3, Since: "4.0.0", Flags: ReadOnly,
				Finders:    []KeyFinder{keysAt(2, 0, 1, KeyRO)},
				Summary:    "Estimate the bytes that a key and its value take",
				Complexity: "O(N), N sampled elements",
				Args: []Arg{
					key("key"),
					integer("count").after("SAMPLES").optional(),
				},
			},
		},
	},
}
