package command

// replicationCommands are the commands of and about replication. Redis counts them
// to the group "server".
var replicationCommands = []*Spec{
	{
		Name: "failover", Arity: -1, Since: "6.2.0", Flags: Admin | NoScript | Stale,
		Summary:    "Hand the role of the master over to a replica, without losing a write",
		Complexity: "O(1)",
		Args: []Arg{
			block("target", str("host"), integer("port"), token("FORCE").optional()).after("TO").optional(),
			token("ABORT").optional(),
			integer("milliseconds").after("TIMEOUT").optional(),
		},
	},
	{
		Name: "psync", Arity: -3, Since: "2.8.0", Flags: Admin | NoScript | NoAsyncLoading | NoMulti,
		Summary: "Ask for the replication stream from an offset; for replicas",
		Args:    []Arg{str("replicationid"), integer("offset")},
	},
	{
		Name: "replconf", Arity: -1, Since: "3.0.0", Flags: Admin | NoScript | Loading | Stale | AllowBusy,
		Summary:    "Messages between a replica and its master",
		Complexity: "O(1)",
		DocFlags:   []string{"syscmd"},
	},
	{
		Name: "replicaof", Arity: 3, Since: "5.0.0", Flags: Admin | NoScript | Stale | NoAsyncLoading,
		Summary:    "Follow a master, or become one",
		Complexity: "O(1)",
		Args: []Arg{
			oneOf("args", block("host-port", str("host"), integer("port")), block("no-one", token("NO"), token("ONE"))),
		},
	},
	{
		Name: "role", Arity: 1, Since: "2.8.12", Flags: NoScript | Loading | Stale | Fast,
		Categories: []string{"@admin", "@dangerous"},
		Summary:    "Return the place in replication: master or replica, offset, peers",
		Complexity: "O(1)",
	},
	{
		Name: "slaveof", Arity: 3, Since: "1.0.0", Flags: Admin | NoScript | Stale | NoAsyncLoading,
		Summary:    "Follow a master, or become one",
		Complexity: "O(1)",
		DocFlags:   []string{"deprecated"}, DeprecatedSince: "5.0.0",
		ReplacedBy: "`REPLICAOF`",
		Args: []Arg{
			oneOf("args", block("host-port", str("host"), integer("port")), block("no-one", token("NO"), token("ONE"))),
		},
	},
	{
		Name: "sync", Arity: 1, Since: "1.0.0", Flags: Admin | NoScript | NoAsyncLoading | NoMulti,
		Summary: "Ask for a full copy and the stream behind it; for replicas",
	},
}
