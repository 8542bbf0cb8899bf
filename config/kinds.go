package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a parsed setting. text is what CONFIG GET shows; which of the others is filled depends on the kind.
type value struct {
	text   string
	n      int64         // integer, octal, boolean (0/1), memory (saturated to int64)
	d      time.Duration // duration
	words  []string      // lists; for save and the repeated kinds one element per occurrence
	limits OutputLimits
	addr   *Addr
}

// kind is the type of a directive's value.
type kind struct {
	// multi: the value is several words; when it comes as one argument (--replicaof "host port", CONFIG SET, the
	// environment) it is split at spaces.
	multi bool
	// repeats: each occurrence adds to the one before (save, rename-command); merges: it replaces a part (one class of
	// client-output-buffer-limit). Otherwise the last occurrence counts alone.
	repeats, merges bool
	// parse reads the arguments of one occurrence on top of prev (which only repeats and merges look at).
	parse func(d *directive, args []string, prev value) (value, error)
	// lines is the inverse, for CONFIG REWRITE: the text after the directive's name, one element per line. No line
	// means that absence is the way to say it.
	lines func(d *directive, v value) []string
	// allowed describes the accepted values, for the remedy of a bad one; "" when the error says it all.
	allowed func(d *directive) string
}

// asText is lines for kinds whose CONFIG GET form is also their form in a file.
func asText(_ *directive, v value) []string { return []string{v.text} }

// asQuoted is lines for free text.
func asQuoted(_ *directive, v value) []string { return []string{quoteArg(v.text)} }

var boolean = &kind{
	parse: func(_ *directive, args []string, _ value) (value, error) {
		b, err := parseBool(args[0])
		if err != nil {
			return value{}, err
		}
		v := value{text: formatBool(b)}
		if b {
			v.n = 1
		}
		return v, nil
	},
	lines: asText,
}

var integer = &kind{
	parse: func(d *directive, args []string, _ value) (value, error) {
		n, err := parseInt(args[0])
		if err != nil {
			return value{}, err
		}
		if err := checkRange(n, d.min, d.max); err != nil {
			return value{}, err
		}
		if d.clampMax != 0 {
			n = min(max(n, d.clampMin), d.clampMax)
		}
		return value{text: strconv.FormatInt(n, 10), n: n}, nil
	},
	lines:   asText,
	allowed: func(d *directive) string { return fmt.Sprintf("allowed: whole numbers from %d to %d", d.min, d.max) },
}

var octal = &kind{
	parse: func(d *directive, args []string, _ value) (value, error) {
		n, err := parseOctal(args[0])
		if err != nil {
			return value{}, err
		}
		if n < d.min || n > d.max {
			return value{}, fmt.Errorf("argument must be between %o and %o inclusive", d.min, d.max)
		}
		return value{text: strconv.FormatInt(n, 8), n: n}, nil
	},
	lines:   asText,
	allowed: func(d *directive) string { return fmt.Sprintf("allowed: octal file modes from %o to %o", d.min, d.max) },
}

// memory is a size in bytes. max == unlimited also takes what Redis' unsigned sizes do, up to 2^64-1.
var memory = &kind{
	parse: func(d *directive, args []string, _ value) (value, error) {
		u, err := parseMemory(args[0])
		if err != nil {
			return value{}, err
		}
		n := int64(math.MaxInt64)
		if u <= math.MaxInt64 {
			n = int64(u)
		} else if d.max != unlimited {
			return value{}, checkRange(-1, d.min, d.max)
		}
		if d.max != unlimited {
			if err := checkRange(n, d.min, d.max); err != nil {
				return value{}, err
			}
		}
		if d.clampMax != 0 {
			n = min(max(n, d.clampMin), d.clampMax)
			u = uint64(n)
		}
		return value{text: strconv.FormatUint(u, 10), n: n}, nil
	},
	lines: func(_ *directive, v value) []string {
		u, err := strconv.ParseUint(v.text, 10, 64)
		if err != nil {
			panic("BUG: memory value " + v.text)
		}
		return []string{formatMemory(u)}
	},
	allowed: func(d *directive) string {
		const units = "bytes, or with a unit: 1k = 1000, 1kb = 1024, likewise m, mb, g, gb"
		if d.max == unlimited || d.max == math.MaxInt64 {
			return fmt.Sprintf("allowed: at least %s, in %s", formatMemory(uint64(d.min)), units)
		}
		return fmt.Sprintf("allowed: %s to %s, in %s", formatMemory(uint64(d.min)), formatMemory(uint64(d.max)), units)
	},
}

// memoryOrPercent is maxmemory-clients: a size, or a share such as 5%.
var memoryOrPercent = &kind{
	parse: func(d *directive, args []string, prev value) (value, error) {
		share, isShare := strings.CutSuffix(args[0], "%")
		if !isShare {
			v, err := memory.parse(d, args, prev)
			if errors.Is(err, errNotMemory) {
				err = errNotPercent
			}
			return v, err
		}
		n, err := parseInt(share)
		switch {
		case err != nil || n < 0:
			return value{}, errNotPercent
		case n > 100:
			return value{}, errors.New("percentage argument must be less or equal to 100")
		}
		return value{text: args[0]}, nil
	},
	lines:   asText,
	allowed: func(*directive) string { return "allowed: bytes, or 0% to 100%" },
}

// duration is the period of an own directive: seconds, or 90s, 30m, 12h, 7d.
var duration = &kind{
	parse: func(d *directive, args []string, _ value) (value, error) {
		t, err := parseDuration(args[0])
		if err != nil {
			return value{}, err
		}
		return value{text: formatDuration(t), d: t}, nil
	},
	lines: asText,
}

// enum is one word of a list, whatever its case.
var enum = &kind{
	parse: func(d *directive, args []string, _ value) (value, error) {
		for _, w := range d.words {
			if strings.EqualFold(w, args[0]) {
				return value{text: w}, nil
			}
		}
		return value{}, oneOf(d)
	},
	lines: asText,
}

// flags is a set of words of a list, shown in the list's order (shutdown-on-sigterm).
var flags = &kind{
	multi: true,
	parse: func(d *directive, args []string, _ value) (value, error) {
		given := make(map[string]bool, len(args))
		for _, a := range args {
			a = strings.ToLower(a)
			if !slices.Contains(d.words, a) {
				return value{}, oneOf(d)
			}
			given[a] = true
		}
		if given["save"] && given["nosave"] {
			return value{}, errors.New("shutdown options SAVE and NOSAVE can't be used simultaneously")
		}
		var v value
		for _, w := range d.words[1:] {
			if given[w] {
				v.words = append(v.words, w)
			}
		}
		v.text = strings.Join(v.words, " ")
		if v.text == "" {
			v.text = d.words[0] // "default": none of the others
		}
		return v, nil
	},
	lines: asText,
}

func oneOf(d *directive) error {
	return fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(d.words, ", "))
}

// text is free text; the directive's check looks at it further.
var text = &kind{
	parse: func(_ *directive, args []string, _ value) (value, error) { return value{text: args[0]}, nil },
	lines: asQuoted,
}

// list is any number of words.
var list = &kind{
	multi: true,
	parse: func(_ *directive, args []string, _ value) (value, error) {
		args = strings.Fields(strings.Join(args, " ")) // no word has blanks in it, however it was quoted
		return value{text: strings.Join(args, " "), words: args}, nil
	},
	lines: func(_ *directive, v value) []string {
		if len(v.words) == 0 {
			return []string{`""`}
		}
		return []string{quoteArgs(v.words)}
	},
}

// notify is notify-keyspace-events.
var notify = &kind{
	parse: func(_ *directive, args []string, _ value) (value, error) {
		s, err := parseNotify(args[0])
		return value{text: s}, err
	},
	lines: asQuoted,
}

// percentiles is latency-tracking-info-percentiles.
var percentiles = &kind{
	multi: true,
	parse: func(d *directive, args []string, _ value) (value, error) {
		var v value
		for _, a := range args {
			if a == "" && len(args) == 1 {
				break
			}
			f, err := strconv.ParseFloat(a, 64)
			if err != nil {
				return value{}, fmt.Errorf("Invalid %s parameters", d.name) //nolint:staticcheck // Redis' text
			}
			if !(f >= 0 && f <= 100) {
				return value{}, fmt.Errorf("%s parameters should sit between [0.0,100.0]", d.name)
			}
			v.words = append(v.words, strconv.FormatFloat(f, 'f', -1, 64))
		}
		v.text = strings.Join(v.words, " ")
		return v, nil
	},
	lines: func(_ *directive, v value) []string {
		if v.text == "" {
			return []string{`""`}
		}
		return []string{v.text}
	},
}

const oomScoreMax = 2000

// oomScores is oom-score-adj-values: three numbers.
var oomScores = &kind{
	multi: true,
	parse: func(_ *directive, args []string, _ value) (value, error) {
		if len(args) != 3 {
			return value{}, errArgCount
		}
		for _, a := range args {
			if n, err := parseInt(a); err != nil || n < -oomScoreMax || n > oomScoreMax {
				return value{}, fmt.Errorf("Invalid oom-score-adj-values, elements must be between -%d and %d.", oomScoreMax, oomScoreMax) //nolint:staticcheck // Redis' text
			}
		}
		return value{text: strings.Join(args, " "), words: args}, nil
	},
	lines: asText,
}

// savePoints is save: pairs of seconds and changes; "" removes those before it.
var savePoints = &kind{
	multi:   true,
	repeats: true,
	parse: func(_ *directive, args []string, prev value) (value, error) {
		if len(args) == 0 || (len(args) == 1 && args[0] == "") {
			return value{}, nil
		}
		bad := errors.New("Invalid save parameters") //nolint:staticcheck // Redis' text
		if len(args)%2 != 0 {
			return value{}, bad
		}
		for i, a := range args {
			n, err := parseInt(a)
			if err != nil || n < 0 || n > math.MaxInt32 || (i%2 == 0 && n < 1) {
				return value{}, bad
			}
		}
		words := append(slices.Clone(prev.words), args...)
		return value{text: strings.Join(words, " "), words: words}, nil
	},
	lines: func(_ *directive, v value) []string {
		if len(v.words) == 0 {
			return []string{`""`}
		}
		var out []string
		for pair := range slices.Chunk(v.words, 2) {
			out = append(out, strings.Join(pair, " "))
		}
		return out
	},
	allowed: func(*directive) string { return `allowed: pairs of seconds and changes, or ""` },
}

// address is replicaof: host and port, or "no one".
var address = &kind{
	multi: true,
	parse: func(_ *directive, args []string, _ value) (value, error) {
		if len(args) == 1 && args[0] == "" {
			return value{}, nil
		}
		if len(args) != 2 {
			return value{}, errArgCount
		}
		if strings.EqualFold(args[0], "no") && strings.EqualFold(args[1], "one") {
			return value{}, nil
		}
		port, err := parseInt(args[1])
		if err != nil || port < 0 || port > maxPort {
			return value{}, errors.New("Invalid master port") //nolint:staticcheck // Redis' text
		}
		return addressValue(&Addr{Host: args[0], Port: int(port)}), nil
	},
	lines: func(_ *directive, v value) []string {
		if v.addr == nil {
			return nil
		}
		return []string{quoteArgs([]string{v.addr.Host, strconv.Itoa(v.addr.Port)})}
	},
	allowed: func(*directive) string { return "allowed: a host and a port, such as 127.0.0.1 6379" },
}

func addressValue(a *Addr) value {
	if a == nil {
		return value{}
	}
	return value{text: fmt.Sprintf("%s %d", a.Host, a.Port), addr: a}
}

// lineOf keeps every occurrence with exactly arity words (0 = at least one): rename-command, user, loadmodule.
func lineOf(arity int) *kind {
	return &kind{
		repeats: true,
		multi:   true,
		parse: func(_ *directive, args []string, prev value) (value, error) {
			if (arity > 0 && len(args) != arity) || len(args) == 0 {
				return value{}, errArgCount
			}
			words := append(slices.Clone(prev.words), quoteArgs(args))
			return value{text: strings.Join(words, " "), words: words}, nil
		},
		lines: func(_ *directive, v value) []string { return v.words },
	}
}
