package command_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"replogd/engine/command"
	"replogd/engine/resp"
	"replogd/engine/resp/oracle"
)

// newerThanOracle are the entries that the oracle's version does not have.
var newerThanOracle = []string{"client|setinfo"}

// each calls f for every command and subcommand.
func each(specs []*command.Spec, f func(*command.Spec)) {
	for _, s := range specs {
		f(s)
		each(s.Subcommands, f)
	}
}

// keepOurs sorts the subcommands in an element of COMMAND INFO and drops those
// that are not in both tables. Their order says nothing: Redis has a hash table.
func keepOurs(info oracle.Value) oracle.Value {
	subs := &info.Elems[9]
	subs.Elems = slices.DeleteFunc(slices.Clone(subs.Elems), func(v oracle.Value) bool {
		name := v.Elems[0].Text
		return command.LookupFull([]byte(name)) == nil || slices.Contains(newerThanOracle, name)
	})
	slices.SortFunc(subs.Elems, func(a, b oracle.Value) int {
		return strings.Compare(a.Elems[0].Text, b.Elems[0].Text)
	})
	return info
}

// TestInfoIsRedis compares every entry with COMMAND INFO, field by field, in both
// protocols.
func TestInfoIsRedis(t *testing.T) {
	server := oracle.Start(t)
	for _, proto := range []string{"2", "3"} {
		c := server.Dial(t)
		c.Value("HELLO", proto)
		each(command.All(), func(s *command.Spec) {
			t.Run(s.Name+"/"+proto, func(t *testing.T) {
				if slices.Contains(newerThanOracle, s.Name) {
					t.Skip("the oracle is older than this command")
				}
				w := resp.Writer{Proto: int(proto[0] - '0')}
				command.AppendInfo(&w, s)
				want := c.Value("COMMAND", "INFO", s.Name)
				require.Len(t, want.Elems, 1)
				require.Equal(t, keepOurs(want.Elems[0]), keepOurs(oracle.ParseValue(t, &w)))
			})
		})
	}
}

// facts removes from an entry of COMMAND DOCS what this project says in its own
// words, and the history, which is not kept.
func facts(doc oracle.Value) oracle.Value {
	var out []oracle.Value
	for i := 0; i < len(doc.Elems); i += 2 {
		switch key, value := doc.Elems[i], doc.Elems[i+1]; key.Text {
		case "summary", "complexity", "history", "subcommands":
		default:
			out = append(out, key, value)
		}
	}
	doc.Elems = out
	return doc
}

// TestDocsAreRedis compares every entry with COMMAND DOCS: group, version, flags,
// arguments, and the order of the fields.
func TestDocsAreRedis(t *testing.T) {
	server := oracle.Start(t)
	for _, proto := range []string{"2", "3"} {
		c := server.Dial(t)
		c.Value("HELLO", proto)
		each(command.All(), func(s *command.Spec) {
			t.Run(s.Name+"/"+proto, func(t *testing.T) {
				if slices.Contains(newerThanOracle, s.Name) {
					t.Skip("the oracle is older than this command")
				}
				w := resp.Writer{Proto: int(proto[0] - '0')}
				w.Map(1)
				command.AppendDocs(&w, s)
				got := oracle.ParseValue(t, &w)
				want := c.Value("COMMAND", "DOCS", s.Name)
				require.Equal(t, want.Kind, got.Kind)
				require.Equal(t, want.Elems[0], got.Elems[0])
				require.Equal(t, facts(want.Elems[1]), facts(got.Elems[1]))
				subs, has := got.Elems[1].Get("subcommands")
				require.Equal(t, len(s.Subcommands) > 0, has)
				if has {
					theirs, _ := want.Elems[1].Get("subcommands")
					require.Equal(t, theirs.Kind, subs.Kind)
				}
			})
		})
	}
}

// TestFlagOrderIsRedis holds the order of names against every command that Redis
// has, not only those that exist here.
func TestFlagOrderIsRedis(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	flags := map[string]command.Flags{}
	for bit := command.Flags(1); bit != 0; bit <<= 1 {
		for _, name := range bit.Names() {
			flags[name] = bit
		}
	}
	var check func(info oracle.Value)
	check = func(info oracle.Value) {
		var set command.Flags
		names := []string{}
		for _, f := range info.Elems[2].Elems {
			require.Contains(t, flags, f.Text, info.Elems[0].Text)
			set |= flags[f.Text]
			names = append(names, f.Text)
		}
		require.Equal(t, names, set.Names(), info.Elems[0].Text)
		for _, sub := range info.Elems[9].Elems {
			check(sub)
		}
	}
	for _, info := range c.Value("COMMAND").Elems {
		check(info)
	}
}

// TestGetKeysIsRedis compares keys, their flags and the errors with COMMAND GETKEYS
// and GETKEYSANDFLAGS.
func TestGetKeysIsRedis(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	for _, line := range []string{
		"get k", "GET k", "get a b", "set k v", "set k v get", "set k v EX 3 GeT", "set k", "set k v gets",
		"mget a", "mget a b c", "mset a 1 b 2", "mset a 1 b", "mset a 1", "mset a", "msetnx a 1 b 2 c", "lcs a b", "lcs a b LEN",
		"del a b c", "exists a a", "rename a b", "rename a", "copy a b DB 1", "getex k PERSIST", "touch x y", "unlink x",
		"ping x", "keys *", "scan 0", "select 1", "wait 1 1", "client list", "config get x", "info all",
		"replicaof a b", "flushall async", "expire a", "expire a 1 NX", "strlen a", "append a b", "move a 1", "type a",
		"sort a", "sort a by w_* get # store d", "sort a store d store e", "sort a limit 0 store d", "sort a store", "sort_ro a by x",
		"xread streams a b 1 2", "xreadgroup group g c streams a >", "lmpop 2 a b left", "zunionstore d 2 a b", "zinter 2 a b", "sintercard 1 a",
		"xgroup create s g 0", "object encoding a", "bitop and d a b", "zrangestore d s 0 1", "smove a b c",
	} {
		t.Run(line, func(t *testing.T) {
			words := strings.Fields(line)
			args := make([][]byte, len(words))
			for i, w := range words {
				args[i] = []byte(w)
			}
			spec := command.Lookup(args[0])
			require.NotNil(t, spec)
			if sub := subOf(spec, args); sub != nil {
				spec = sub
			}
			var w, wf resp.Writer
			if uses, err := spec.KeyUses(args); err != nil {
				w.Error(err.Error())
				wf.Error(err.Error())
			} else {
				keys, err := spec.GetKeys(args)
				require.NoError(t, err)
				w.Array(len(keys))
				wf.Array(len(keys))
				for i, u := range uses {
					w.Bulk(keys[i])
					wf.Array(2)
					wf.Bulk(keys[i])
					command.AppendStatuses(&wf, u.Flags.Names())
				}
			}
			require.Equal(t, c.Value(append([]string{"COMMAND", "GETKEYS"}, words...)...), oracle.ParseValue(t, &w))
			require.Equal(t, c.Value(append([]string{"COMMAND", "GETKEYSANDFLAGS"}, words...)...), oracle.ParseValue(t, &wf))
		})
	}
}

func subOf(s *command.Spec, args [][]byte) *command.Spec {
	if len(args) < 2 {
		return nil
	}
	return s.Subcommand(args[1])
}

// TestFindersReadAsRedis checks the forms of key specifications that commands of
// later data types need, on specs put together here as Redis has them.
func TestFindersReadAsRedis(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	specs := map[string]*command.Spec{
		"xread": {Name: "xread", Arity: -4, Finders: []command.KeyFinder{{
			Flags: command.KeyRO | command.KeyAccess, Keyword: "STREAMS", Index: 1, Last: -1, Step: 1, Limit: 2,
		}}},
		"zunionstore": {Name: "zunionstore", Arity: -4, Finders: []command.KeyFinder{
			{Flags: command.KeyOW | command.KeyUpdate, Index: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Index: 2, CountKeys: true, FirstKey: 1, Step: 1},
		}},
		"eval": {Name: "eval", Arity: -3, Flags: command.NoMandatoryKeys, Finders: []command.KeyFinder{{
			Flags: command.KeyRW | command.KeyAccess | command.KeyUpdate, Index: 2, CountKeys: true, FirstKey: 1, Step: 1,
		}}},
	}
	for _, line := range []string{
		"xread streams a b 1 2", "xread count 2 STREAMS a 1", "xread count 2 nothing a 1", "xread block 1 streams", "xread streams a 1 2",
		"xread a b streams", "zunionstore d 2 a b", "zunionstore d 2 a b weights 1 2", "zunionstore d 3 a b", "zunionstore d x a b",
		"zunionstore d 0 a b", "zunionstore d -1 a", "zunionstore d 99999999999999999999 a",
		"eval s 0", "eval s 1 k a", "eval s 2 k", "eval s x k", "eval s",
	} {
		t.Run(line, func(t *testing.T) {
			words := strings.Fields(line)
			args := make([][]byte, len(words))
			for i, w := range words {
				args[i] = []byte(w)
			}
			var w resp.Writer
			if keys, err := specs[words[0]].GetKeys(args); err != nil {
				w.Error(err.Error())
			} else {
				w.Array(len(keys))
				for _, k := range keys {
					w.Bulk(k)
				}
			}
			require.Equal(t, c.Value(append([]string{"COMMAND", "GETKEYS"}, words...)...), oracle.ParseValue(t, &w))
		})
	}
}

func TestInfoOfAnUnknownCommand(t *testing.T) {
	c := oracle.Start(t).Dial(t)
	for _, proto := range []string{"2", "3"} {
		c.Value("HELLO", proto)
		w := resp.Writer{Proto: int(proto[0] - '0')}
		w.Array(1)
		w.Null()
		require.Equal(t, c.Value("COMMAND", "INFO", "nosuch"), oracle.ParseValue(t, &w))
	}
}
