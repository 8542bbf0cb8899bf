package command

import (
	"bytes"
	"math"

	"replogd/engine/resp"
)

// KeyFlags say how a command uses a key.
type KeyFlags uint32

// The flags of a key. RO, RW, OW and RM are about the stored entry as a whole; one
// of them is always set. Access, Update, Insert and Delete are about the value.
const (
	KeyRO         KeyFlags = 1 << iota // reads, does not change
	KeyRW                              // reads and changes
	KeyOW                              // overwrites without a look at it
	KeyRM                              // removes
	KeyAccess                          // returns or copies the value, or parts of it
	KeyUpdate                          // changes the value
	KeyInsert                          // adds to it, changes nothing that is there
	KeyDelete                          // removes of it
	KeyNotKey                          // not a key, yet routed like one
	KeyIncomplete                      // the finder does not find all of them
	KeyVariable                        // the flags depend on other arguments
)

var keyFlagNames = []struct {
	flag KeyFlags
	name string
}{
	{KeyRO, "RO"},
	{KeyRW, "RW"},
	{KeyOW, "OW"},
	{KeyRM, "RM"},
	{KeyAccess, "access"},
	{KeyUpdate, "update"},
	{KeyInsert, "insert"},
	{KeyDelete, "delete"},
	{KeyNotKey, "not_key"},
	{KeyIncomplete, "incomplete"},
	{KeyVariable, "variable_flags"},
}

// Names returns the flags in the words and the order of COMMAND INFO.
func (f KeyFlags) Names() []string {
	names := []string{}
	for _, n := range keyFlagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// KeyFinder says where some of a command's keys are: where to begin, and which
// arguments from there are keys. It is Redis 7's key specification.
type KeyFinder struct {
	Notes string
	Flags KeyFlags

	// Unknown: no rule finds the keys; those that can be found are the business of the spec's keysFunc.
	Unknown bool

	// Index is the argument to begin at. With a Keyword the search goes for that
	// word from argument Index on (negative: backwards from the end) and begins
	// behind it.
	Index   int
	Keyword string

	// Without CountKeys the keys are every Step-th argument up to Last, which counts
	// from the beginning argument, or if negative from the end of the line, -1 being
	// the last argument; Limit > 1 then stops after the Limit-th part of the rest.
	Last, Step, Limit int
	// CountKeys: argument CountIndex (from the beginning argument) is the number of
	// keys, the first of which is argument FirstKey, and so on every Step-th.
	CountKeys            bool
	CountIndex, FirstKey int
}

// keysAt is the usual finder: from argument index on, every step-th up to last.
func keysAt(index, last, step int, flags KeyFlags) KeyFinder {
	return KeyFinder{Index: index, Last: last, Step: step, Flags: flags}
}

func (k KeyFinder) note(s string) KeyFinder {
	k.Notes = s
	return k
}

// triple is the classic form of the finders: the smallest range that covers those
// which begin at a fixed argument.
func triple(finders []KeyFinder) KeySpec {
	var t KeySpec
	for _, k := range finders {
		if k.Keyword != "" || k.CountKeys || k.Unknown {
			continue
		}
		last := k.Last
		if last >= 0 {
			last += k.Index
		}
		if t.First == 0 {
			t = KeySpec{First: k.Index, Last: last, Step: k.Step}
			continue
		}
		t.First = min(t.First, k.Index)
		if last < 0 || t.Last < 0 {
			t.Last = min(last, t.Last)
		} else {
			t.Last = max(last, t.Last)
		}
	}
	return t
}

// ReplyError is an error whose text is the reply to the client.
type ReplyError string

// Error returns the text with its code, as Writer.Error takes it.
func (e ReplyError) Error() string { return string(e) }

// The errors of GetKeys, in Redis' words.
const (
	ErrNoKeys      ReplyError = "ERR The command has no key arguments"
	ErrArity       ReplyError = "ERR Invalid number of arguments specified for command"
	ErrInvalidArgs ReplyError = "ERR Invalid arguments specified for command"
)

// KeyUse is one key in a command line.
type KeyUse struct {
	Arg   int // index of the argument
	Flags KeyFlags
}

// GetKeys returns the keys in a command line, names included in args. They alias
// args. Errors are those of COMMAND GETKEYS: ErrNoKeys, ErrArity, ErrInvalidArgs.
func (s *Spec) GetKeys(args [][]byte) ([][]byte, error) {
	uses, err := s.KeyUses(args)
	if err != nil {
		return nil, err
	}
	keys := make([][]byte, len(uses))
	for i, u := range uses {
		keys[i] = args[u.Arg]
	}
	return keys, nil
}

// KeyUses is GetKeys with the place and the use of each key.
func (s *Spec) KeyUses(args [][]byte) ([]KeyUse, error) {
	switch {
	case len(s.Finders) == 0 && s.keysFunc == nil:
		return nil, ErrNoKeys
	case !s.ArityOK(len(args)):
		return nil, ErrArity
	}
	var uses []KeyUse
	if s.keysFunc != nil {
		uses = s.keysFunc(args)
	} else {
		for i := range s.Finders {
			var ok bool
			if uses, ok = s.Finders[i].find(uses, args); !ok {
				uses = nil
				break
			}
		}
	}
	if len(uses) == 0 && !s.Flags.Has(NoMandatoryKeys) {
		return nil, ErrInvalidArgs
	}
	return uses, nil
}

// find appends the keys that k finds in args. ok is false when args do not fit.
func (k *KeyFinder) find(uses []KeyUse, args [][]byte) (out []KeyUse, ok bool) {
	first, ok := k.begin(args)
	if !ok || first >= len(args) {
		return uses, false
	}
	var last int
	switch {
	case k.CountKeys:
		if first+k.CountIndex >= len(args) {
			return uses, false
		}
		n, ok := resp.ParseInt(args[first+k.CountIndex])
		if !ok || n < 1 || n > math.MaxInt32 {
			return uses, false
		}
		first += k.FirstKey
		last = first + (int(n)-1)*k.Step
	case k.Last >= 0:
		last = first + k.Last
	case k.Limit <= 1:
		last = len(args) + k.Last
	default:
		last = first + (len(args)-first)/k.Limit + k.Last
	}
	if last >= len(args) || last < first {
		return uses, false
	}
	for i := first; i <= last; i += k.Step {
		uses = append(uses, KeyUse{Arg: i, Flags: k.Flags})
	}
	return uses, true
}

// begin returns the argument that k's keys are counted from.
func (k *KeyFinder) begin(args [][]byte) (first int, ok bool) {
	if k.Keyword == "" {
		return k.Index, true
	}
	from, end, step := k.Index, len(args)-1, 1
	if k.Index < 0 {
		from, end, step = len(args)+k.Index, 0, -1
	}
	for i := from; i > 0 && i < len(args) && i != end; i += step {
		if bytes.EqualFold(args[i], []byte(k.Keyword)) {
			return i + 1, true
		}
	}
	return 0, false
}

// sortKeys is SORT's: the key, and the last destination that STORE names. Keys that its patterns make are not found.
func sortKeys(args [][]byte) []KeyUse {
	uses := sortReadKeys(args)
	for i := 2; i < len(args); i++ {
		left := len(args) - i - 1
		switch {
		case bytes.EqualFold(args[i], []byte("limit")):
			i += 2
		case bytes.EqualFold(args[i], []byte("get")), bytes.EqualFold(args[i], []byte("by")):
			i++
		case bytes.EqualFold(args[i], []byte("store")) && left > 0:
			uses = append(uses[:1], KeyUse{Arg: i + 1, Flags: KeyOW | KeyUpdate})
		}
	}
	return uses
}

// sortReadKeys is SORT_RO's.
func sortReadKeys([][]byte) []KeyUse { return []KeyUse{{Arg: 1, Flags: KeyRO | KeyAccess}} }

// setKeys is SET's: with GET it reads the key, without it only overwrites.
func setKeys(args [][]byte) []KeyUse {
	for _, a := range args[3:] {
		if bytes.EqualFold(a, []byte("get")) {
			return []KeyUse{{Arg: 1, Flags: KeyRW | KeyAccess | KeyUpdate}}
		}
	}
	return []KeyUse{{Arg: 1, Flags: KeyOW | KeyUpdate}}
}
