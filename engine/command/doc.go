// Package command is the table of the commands that replogd knows: arity, flags,
// keys, ACL categories and documentation of each. Dispatch, COMMAND, ACLs, the rules
// for stale and loading servers and the routing of keys read it; what a command
// does is elsewhere.
//
// # What it promises
//
//   - Arity, flags, key specifications, categories, tips, group, version and
//     arguments are those of Redis 7.0.15: the tests compare every entry with
//     COMMAND INFO and COMMAND DOCS of a running redis-server. Summaries and
//     complexities are this project's. A container lists the subcommands that
//     exist here. CLIENT SETINFO is Redis 7.2's.
//   - The table is built when the program starts and never changes after that, so
//     everything in it may be read from any goroutine. Nothing may write to it.
//   - Lookup does not allocate and does not care for letter case.
//
// # Adding a command
//
// A group has a file with one list. An entry states what is special about the
// command; prepare fills in what follows from it: the group, the categories that
// flags imply (Write: @write; ReadOnly: @read; Admin: @admin and @dangerous;
// PubSub: @pubsub; Blocking: @blocking; Fast: @fast, otherwise @slow), and the
// (first, last, step) triple of the keys.
package command
