package command

import "replogd/engine/resp"

// AppendDocs writes one entry of COMMAND DOCS: the name, then the map that
// documents it. The caller begins the map of entries with w.Map(n).
func AppendDocs(w *resp.Writer, s *Spec) {
	w.BulkString(s.Name)
	texts := []struct{ name, value string }{
		{"summary", s.Summary},
		{"since", s.Since},
		{"group", s.Group},
		{"complexity", s.Complexity},
	}
	more := []struct{ name, value string }{
		{"deprecated_since", s.DeprecatedSince},
		{"replaced_by", s.ReplacedBy},
	}
	pairs := 0
	for _, t := range append(texts, more...) {
		if t.value != "" {
			pairs++
		}
	}
	for _, n := range []int{len(s.DocFlags), len(s.Args), len(s.Subcommands)} {
		if n > 0 {
			pairs++
		}
	}
	w.Map(pairs)
	for _, t := range texts {
		if t.value != "" {
			field(w, t.name, t.value)
		}
	}
	if len(s.DocFlags) > 0 {
		w.BulkString("doc_flags")
		AppendStatuses(w, s.DocFlags)
	}
	for _, t := range more {
		if t.value != "" {
			field(w, t.name, t.value)
		}
	}
	if len(s.Args) > 0 {
		w.BulkString("arguments")
		appendArgs(w, s.Args)
	}
	if len(s.Subcommands) > 0 {
		w.BulkString("subcommands")
		w.Map(len(s.Subcommands))
		for _, sub := range s.Subcommands {
			AppendDocs(w, sub)
		}
	}
}

// appendArgs writes a list of arguments.
func appendArgs(w *resp.Writer, args []Arg) {
	w.Array(len(args))
	for i := range args {
		appendArg(w, &args[i])
	}
}

func appendArg(w *resp.Writer, a *Arg) {
	flags := a.flagNames()
	pairs := 2
	for _, there := range []bool{
		a.KeySpec >= 0, a.Token != "", a.Since != "", a.DeprecatedSince != "", len(flags) > 0, len(a.Args) > 0,
	} {
		if there {
			pairs++
		}
	}
	w.Map(pairs)
	field(w, "name", a.Name)
	field(w, "type", a.Type)
	if a.KeySpec >= 0 {
		intField(w, "key_spec_index", a.KeySpec)
	}
	if a.Token != "" {
		field(w, "token", a.Token)
	}
	if a.Since != "" {
		field(w, "since", a.Since)
	}
	if a.DeprecatedSince != "" {
		field(w, "deprecated_since", a.DeprecatedSince)
	}
	if len(flags) > 0 {
		w.BulkString("flags")
		AppendStatuses(w, flags)
	}
	if len(a.Args) > 0 {
		w.BulkString("arguments")
		appendArgs(w, a.Args)
	}
}
