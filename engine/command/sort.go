package command

// sortCommands are SORT and its read-only form.
var sortCommands = []*Spec{
	{
		Name: "sort", Arity: -2, Since: "1.0.0", Flags: Write | DenyOOM | MovableKeys,
		Finders: []KeyFinder{
			keysAt(1, 0, 1, KeyRO|KeyAccess),
			{Notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort", Flags: KeyRO | KeyAccess, Unknown: true},
			{Notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array", Flags: KeyOW | KeyUpdate, Unknown: true},
		},
		Categories: []string{"@set", "@sortedset", "@list", "@dangerous"},
		Summary:    "Sort the elements of a list, set or sorted set, and return or store them",
		Complexity: "O(N+M*log(M)), N elements, M of them returned",
		Args: []Arg{
			key("key"),
			pattern("pattern").spec(1).after("BY").optional(),
			block("offset_count", integer("offset"), integer("count")).after("LIMIT").optional(),
			pattern("pattern").spec(1).after("GET").optional().multiple().withToken(),
			oneOf("order", token("ASC"), token("DESC")).optional(),
			token("ALPHA").named("sorting").optional(),
			keyOf("destination", 2).after("STORE").optional(),
		},
	},
	{
		Name: "sort_ro", Arity: -2, Since: "7.0.0", Flags: ReadOnly | MovableKeys,
		Finders: []KeyFinder{
			keysAt(1, 0, 1, KeyRO|KeyAccess),
			{Notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort", Flags: KeyRO | KeyAccess, Unknown: true},
		},
		Categories: []string{"@set", "@sortedset", "@list", "@dangerous"},
		Summary:    "Sort the elements of a list, set or sorted set",
		Complexity: "O(N+M*log(M)), N elements, M of them returned",
		Args: []Arg{
			key("key"),
			pattern("pattern").spec(1).after("BY").optional(),
			block("offset_count", integer("offset"), integer("count")).after("LIMIT").optional(),
			pattern("pattern").spec(1).after("GET").optional().multiple().withToken(),
			oneOf("order", token("ASC"), token("DESC")).optional(),
			token("ALPHA").named("sorting").optional(),
		},
	},
}
