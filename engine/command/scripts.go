package command

// scriptCommands are what a supervisor asks of a server that might run a script. None runs here.
var scriptCommands = []*Spec{
	{
		Name: "script", Arity: -2, Since: "2.6.0",
		Summary:    "Commands about scripts",
		Complexity: "Depends on the subcommand",
		Subcommands: []*Spec{
			{
				Name: "script|help", Arity: 2, Since: "5.0.0", Flags: Loading | Stale,
				Categories: []string{"@scripting"},
				Summary:    "Describe the subcommands",
				Complexity: "O(1)",
			},
			{
				Name: "script|kill", Arity: 2, Since: "2.6.0", Flags: NoScript | AllowBusy,
				Categories: []string{"@scripting"},
				Tips:       []string{"request_policy:all_shards", "response_policy:one_succeeded"},
				Summary:    "End the script that is running",
				Complexity: "O(1)",
			},
		},
	},
}
