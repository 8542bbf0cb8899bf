package command

// pubSubCommands are publish and subscribe.
var pubSubCommands = []*Spec{
	{
		Name: "psubscribe", Arity: -2, Since: "2.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive what is published to channels that match patterns",
		Complexity: "O(N), N patterns",
		Args:       []Arg{block("pattern", pattern("pattern")).multiple()},
	},
	{
		Name: "publish", Arity: 3, Since: "2.0.0", Flags: PubSub | Loading | Stale | Fast | MayReplicate,
		Summary:    "Send a message to a channel's subscribers",
		Complexity: "O(N+M), N subscribers of the channel, M patterns in all",
		Args:       []Arg{str("channel"), str("message")},
	},
	{
		Name: "pubsub", Arity: -2, Since: "2.8.0",
		Summary:    "Commands about channels and subscribers",
		Complexity: "Depends on the subcommand",
		Subcommands: []*Spec{
			{
				Name: "pubsub|channels", Arity: -2, Since: "2.8.0", Flags: PubSub | Loading | Stale,
				Summary:    "List the channels that have subscribers",
				Complexity: "O(N), N channels",
				Args:       []Arg{pattern("pattern").optional()},
			},
			{
				Name: "pubsub|help", Arity: 2, Since: "6.2.0", Flags: Loading | Stale,
				Summary:    "Describe the subcommands",
				Complexity: "O(1)",
			},
			{
				Name: "pubsub|numpat", Arity: 2, Since: "2.8.0", Flags: PubSub | Loading | Stale,
				Summary:    "Count the patterns that have subscribers",
				Complexity: "O(1)",
			},
			{
				Name: "pubsub|numsub", Arity: -2, Since: "2.8.0", Flags: PubSub | Loading | Stale,
				Summary:    "Count the subscribers of channels",
				Complexity: "O(N), N channels",
				Args:       []Arg{str("channel").optional().multiple()},
			},
			{
				Name: "pubsub|shardchannels", Arity: -2, Since: "7.0.0", Flags: PubSub | Loading | Stale,
				Summary:    "List the shard channels that have subscribers",
				Complexity: "O(N), N shard channels",
				Args:       []Arg{pattern("pattern").optional()},
			},
			{
				Name: "pubsub|shardnumsub", Arity: -2, Since: "7.0.0", Flags: PubSub | Loading | Stale,
				Summary:    "Count the subscribers of shard channels",
				Complexity: "O(N), N shard channels",
				Args:       []Arg{str("shardchannel").optional().multiple()},
			},
		},
	},
	{
		Name: "punsubscribe", Arity: -1, Since: "2.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive no more of what patterns match",
		Complexity: "O(N+M), N patterns of the client, M patterns in all",
		Args:       []Arg{pattern("pattern").optional().multiple()},
	},
	{
		Name: "spublish", Arity: 3, Since: "7.0.0", Flags: PubSub | Loading | Stale | Fast | MayReplicate,
		Summary:    "Send a message to a shard channel's subscribers",
		Complexity: "O(N), N subscribers of the channel",
		Finders:    []KeyFinder{keysAt(1, 0, 1, KeyNotKey)},
		Args:       []Arg{str("shardchannel"), str("message")},
	},
	{
		Name: "ssubscribe", Arity: -2, Since: "7.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive what is published to shard channels",
		Complexity: "O(N), N shard channels",
		Finders:    []KeyFinder{keysAt(1, -1, 1, KeyNotKey)},
		Args:       []Arg{str("shardchannel").multiple()},
	},
	{
		Name: "subscribe", Arity: -2, Since: "2.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive what is published to channels",
		Complexity: "O(N), N channels",
		Args:       []Arg{str("channel").multiple()},
	},
	{
		Name: "sunsubscribe", Arity: -1, Since: "7.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive no more of shard channels",
		Complexity: "O(N), N shard channels",
		Finders:    []KeyFinder{keysAt(1, -1, 1, KeyNotKey)},
		Args:       []Arg{str("shardchannel").optional().multiple()},
	},
	{
		Name: "unsubscribe", Arity: -1, Since: "2.0.0", Flags: PubSub | NoScript | Loading | Stale,
		Summary:    "Receive no more of channels",
		Complexity: "O(N), N channels",
		Args:       []Arg{str("channel").optional().multiple()},
	},
}
