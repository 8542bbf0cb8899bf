package command

// transactionCommands are MULTI and what belongs to it.
var transactionCommands = []*Spec{
	{
		Name: "discard", Arity: 1, Since: "2.0.0", Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Categories: []string{"@transaction"},
		Summary:    "Drop a transaction's queued commands",
		Complexity: "O(N), N commands",
	},
	{
		Name: "exec", Arity: 1, Since: "1.2.0", Flags: NoScript | Loading | Stale | SkipSlowlog,
		Categories: []string{"@transaction"},
		Summary:    "Run a transaction's queued commands as one",
		Complexity: "That of the commands",
	},
	{
		Name: "multi", Arity: 1, Since: "1.2.0", Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Categories: []string{"@transaction"},
		Summary:    "Begin a transaction: queue the commands that follow",
		Complexity: "O(1)",
	},
	{
		Name: "unwatch", Arity: 1, Since: "2.2.0", Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Categories: []string{"@transaction"},
		Summary:    "Watch no keys any more",
		Complexity: "O(1)",
	},
	{
		Name: "watch", Arity: -2, Since: "2.2.0", Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Categories: []string{"@transaction"},
		Summary:    "Have the next EXEC fail if one of these keys changes before it",
		Complexity: "O(N), N keys",
		Finders:    []KeyFinder{keysAt(1, -1, 1, KeyRO)},
		Args:       []Arg{key("key").multiple()},
	},
}
