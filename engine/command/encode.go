package command

import "replogd/engine/resp"

// AppendInfo writes one element of the replies of COMMAND and COMMAND INFO. A name
// that is not known is w.NullArray() in the latter.
func AppendInfo(w *resp.Writer, s *Spec) {
	w.Array(10)
	w.BulkString(s.Name)
	w.Int(int64(s.Arity))
	AppendStatuses(w, s.Flags.Names())
	w.Int(int64(s.Keys.First))
	w.Int(int64(s.Keys.Last))
	w.Int(int64(s.Keys.Step))
	AppendStatuses(w, s.Categories)
	w.Set(len(s.Tips))
	for _, t := range s.Tips {
		w.BulkString(t)
	}
	w.Set(len(s.Finders))
	for i := range s.Finders {
		appendFinder(w, &s.Finders[i])
	}
	if len(s.Subcommands) == 0 {
		w.Set(0)
		return
	}
	w.Array(len(s.Subcommands))
	for _, sub := range s.Subcommands {
		AppendInfo(w, sub)
	}
}

// AppendStatuses writes a set of simple strings: the form of flags everywhere in
// COMMAND's replies, GETKEYSANDFLAGS included (KeyFlags.Names).
func AppendStatuses(w *resp.Writer, names []string) {
	w.Set(len(names))
	for _, n := range names {
		w.Simple(n)
	}
}

// appendFinder writes one key specification.
func appendFinder(w *resp.Writer, k *KeyFinder) {
	if k.Notes != "" {
		w.Map(4)
		w.BulkString("notes")
		w.BulkString(k.Notes)
	} else {
		w.Map(3)
	}
	w.BulkString("flags")
	AppendStatuses(w, k.Flags.Names())

	if k.Unknown {
		for _, step := range []string{"begin_search", "find_keys"} {
			w.BulkString(step)
			w.Map(2)
			typeAndSpec(w, "unknown", 0)
		}
		return
	}
	w.BulkString("begin_search")
	w.Map(2)
	if k.Keyword != "" {
		typeAndSpec(w, "keyword", 2)
		field(w, "keyword", k.Keyword)
		intField(w, "startfrom", k.Index)
	} else {
		typeAndSpec(w, "index", 1)
		intField(w, "index", k.Index)
	}

	w.BulkString("find_keys")
	w.Map(2)
	if k.CountKeys {
		typeAndSpec(w, "keynum", 3)
		intField(w, "keynumidx", k.CountIndex)
		intField(w, "firstkey", k.FirstKey)
		intField(w, "keystep", k.Step)
		return
	}
	typeAndSpec(w, "range", 3)
	intField(w, "lastkey", k.Last)
	intField(w, "keystep", k.Step)
	intField(w, "limit", k.Limit)
}

func typeAndSpec(w *resp.Writer, kind string, fields int) {
	field(w, "type", kind)
	w.BulkString("spec")
	w.Map(fields)
}

func field(w *resp.Writer, name, value string) {
	w.BulkString(name)
	w.BulkString(value)
}

func intField(w *resp.Writer, name string, n int) {
	w.BulkString(name)
	w.Int(int64(n))
}
