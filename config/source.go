package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// Limits of configuration files.
const (
	maxFileBytes    = 16 << 20
	maxIncludeDepth = 16
	maxIncludeFiles = 1000 // in all, so that globs that include each other's neighbours end
)

// includeDirective is the one word of a file that is not a setting.
const includeDirective = "include"

// Sources that are not files, as Error.File names them.
const (
	fromArgs  = "command line"
	fromEnv   = "environment"
	fromStdin = "standard input"
)

// entry is one occurrence of a directive in some source.
type entry struct {
	d      *directive
	args   []string
	source string // file name, fromArgs, fromEnv
	line   int
	text   string // for errors and warnings
}

// fail words a problem with this entry; the values of secrets are masked.
func (e *entry) fail(problem, remedy string, cause error) *Error {
	text := e.text
	if e.d.secret {
		text = e.d.name + " ***"
	}
	return &Error{
		File: e.source, Line: e.line, Text: text, Directive: e.d.name,
		Problem: problem, Remedy: remedy, Err: cause,
	}
}

func (e *entry) place() string {
	if e.line > 0 {
		return fmt.Sprintf("%s:%d", e.source, e.line)
	}
	return e.source
}

// reader reads configuration files with what they include, in order.
type reader struct {
	stack   []string // files being read, outermost first: an include of one of them is a cycle
	files   int
	lenient bool // skip what is wrong instead of failing: CONFIG REWRITE keeps such lines as they are
	entries []entry
}

// read reads the file at path, an absolute name. Its extension says the format.
func (r *reader) read(path string) error {
	data, err := readLimited(path)
	if err != nil {
		return &Error{
			File: path, Problem: "cannot read the configuration file", Err: err,
			Remedy: "name an existing file first on the command line, or none for the defaults",
		}
	}
	return r.decode(path, data)
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxFileBytes)
	}
	return os.ReadFile(path)
}

// decode reads the contents of the file called path through viper, whose codecs (codecs below) append to r.entries.
func (r *reader) decode(path string, data []byte) error {
	if r.files++; r.files > maxIncludeFiles {
		return &Error{File: path, Problem: fmt.Sprintf("more than %d files are included", maxIncludeFiles)}
	}
	r.stack = append(r.stack, path)
	defer func() { r.stack = r.stack[:len(r.stack)-1] }()

	v := viper.NewWithOptions(viper.WithCodecRegistry(r.codecs(path)), viper.KeyDelimiter(keyDelimiter))
	v.SetConfigType(formatOf(path))
	err := v.ReadConfig(strings.NewReader(string(data)))
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{File: path, Problem: "cannot read the configuration file", Err: err}
}

func formatOf(path string) string {
	switch ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."); ext {
	case "yaml", "yml", "toml":
		return ext
	}
	return confFormat
}

// codec is a viper codec made of a function. Nothing is ever encoded: CONFIG REWRITE is our own.
type codec func(data []byte, into map[string]any) error

func (c codec) Decode(data []byte, into map[string]any) error { return c(data, into) }

func (codec) Encode(map[string]any) ([]byte, error) {
	return nil, errors.New("BUG: configuration is not written through viper")
}

// codecs gives viper the decoders for one file: ours for redis.conf syntax, and viper's own for YAML and TOML with a
// translation of what they yield. All append to r.entries and leave viper's map empty: it could not keep the order,
// the lines and the repetitions.
func (r *reader) codecs(path string) *viper.DefaultCodecRegistry {
	own, stock := viper.NewCodecRegistry(), viper.NewCodecRegistry()
	// RegisterCodec never fails.
	_ = own.RegisterCodec(confFormat, codec(func(data []byte, _ map[string]any) error { return r.conf(path, data) }))
	for _, format := range []string{"yaml", "yml", "toml"} {
		_ = own.RegisterCodec(format, codec(func(data []byte, _ map[string]any) error {
			decoder, err := stock.Decoder(format)
			if err != nil {
				return err
			}
			tree := map[string]any{}
			if err := decoder.Decode(data, tree); err != nil {
				return err
			}
			return r.tree(path, data, tree)
		}))
	}
	return own
}

// conf takes the lines of a file in redis.conf syntax.
func (r *reader) conf(path string, data []byte) error {
	for _, l := range parseConf(data) {
		if err := r.line(path, l); err != nil && !r.lenient {
			return err
		}
	}
	return nil
}

func (r *reader) line(path string, l confLine) error {
	if l.err != nil {
		text, _, _ := strings.Cut(l.text, " ") // the rest may be a password
		return &Error{File: path, Line: l.number, Text: text + " ...", Problem: l.err.Error(), Remedy: "close every quote and put a blank after it"}
	}
	if len(l.words) == 0 {
		return nil
	}
	name, args := strings.ToLower(l.words[0]), l.words[1:]
	if name == includeDirective {
		return r.include(path, l)
	}
	d := lookup(name)
	if d == nil {
		return unknown(path, l.number, l.text, name, "%s")
	}
	r.entries = append(r.entries, entry{d: d, args: args, source: path, line: l.number, text: l.text})
	return nil
}

func unknown(source string, line int, text, name, format string) *Error {
	return &Error{File: source, Line: line, Text: text, Problem: "unknown directive '" + name + "'", Remedy: didYouMean(name, format)}
}

// include reads the files named by an include line in place. A relative name is looked for beside the including file
// first and, as Redis does, in the working directory second. A pattern may match nothing, a plain name may not.
func (r *reader) include(path string, l confLine) error {
	bad := func(problem, remedy string, err error) error {
		return &Error{File: path, Line: l.number, Text: l.text, Directive: includeDirective, Problem: problem, Remedy: remedy, Err: err}
	}
	if len(l.words) != 2 {
		return bad(errArgCount.Error(), "write one include line per file or pattern", nil)
	}
	if len(r.stack) >= maxIncludeDepth {
		return bad(fmt.Sprintf("includes are nested more than %d deep", maxIncludeDepth), "", nil)
	}
	names, err := findIncluded(path, l.words[1])
	if err != nil {
		return bad("cannot find the included file", "check the name; relative names are looked for beside the including file", err)
	}
	for _, name := range names {
		if slices.Contains(r.stack, name) {
			return bad("the file includes itself through "+name, "remove one of the include lines", nil)
		}
		data, err := readLimited(name)
		if err != nil {
			return bad("cannot read the included file", "", err)
		}
		if err := r.decode(name, data); err != nil {
			return err
		}
	}
	return nil
}

// findIncluded resolves the name on an include line to absolute names without symbolic links.
func findIncluded(from, name string) ([]string, error) {
	bases := []string{""}
	if !filepath.IsAbs(name) {
		bases = []string{filepath.Dir(from), "."}
	}
	for _, base := range bases {
		matches, err := filepath.Glob(filepath.Join(base, name))
		if err != nil {
			return nil, err
		}
		if len(matches) == 0 {
			continue
		}
		for i, m := range matches {
			if matches[i], err = realPath(m); err != nil {
				return nil, err
			}
		}
		return matches, nil
	}
	if strings.ContainsAny(name, `*?[`) {
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
}

// realPath is the absolute name of an existing file, without symbolic links.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// tree takes the settings of a YAML or TOML file, in the order of the file.
func (r *reader) tree(path string, data []byte, tree map[string]any) error {
	lines := keyLines(data)
	keys := make([]string, 0, len(tree))
	for k := range tree {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := lines[strings.ToLower(keys[i])], lines[strings.ToLower(keys[j])]; a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	for _, key := range keys {
		name := strings.ToLower(key)
		line := lines[name]
		if name == includeDirective {
			return &Error{
				File: path, Line: line, Text: key, Directive: name, Problem: "include works in files of redis.conf syntax only",
				Remedy: "include this file from a .conf file instead",
			}
		}
		d := lookup(name)
		if d == nil {
			return unknown(path, line, key, name, "%s")
		}
		occurrences, err := occurrences(d, tree[key])
		if err != nil {
			e := entry{d: d, source: path, line: line, text: key}
			return e.fail(err.Error(), "write a word, a number, true, false, or a list of these", nil)
		}
		for _, args := range occurrences {
			r.entries = append(r.entries, entry{d: d, args: args, source: path, line: line, text: name + " " + quoteArgs(args)})
		}
	}
	return nil
}

// occurrences turns a YAML or TOML value into the arguments of one or more occurrences of d: a list is several of
// them where a directive repeats (save, client-output-buffer-limit), and the words of one otherwise (bind).
func occurrences(d *directive, v any) ([][]string, error) {
	items, isList := v.([]any)
	if !isList {
		s, err := scalar(v)
		return [][]string{{s}}, err
	}
	words := make([]string, len(items))
	var out [][]string
	for i, item := range items {
		s, err := scalar(item)
		if err != nil {
			return nil, err
		}
		words[i] = s
		out = append(out, []string{s})
	}
	if d.kind == savePoints && len(items) == 0 {
		return [][]string{{""}}, nil // "save: []" says that there are none
	}
	if d.kind.repeats || d.kind.merges {
		return out, nil
	}
	return [][]string{words}, nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return formatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("a value of type %T cannot be a setting", v)
}

// keyLines finds the lines on which keys of a YAML or TOML file stand, for errors. The parsers do not tell.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	for i, l := range strings.Split(string(data), "\n") {
		key, _, ok := strings.Cut(l, ":")
		if eq, _, isTOML := strings.Cut(l, "="); isTOML && (!ok || len(eq) < len(key)) {
			key, ok = eq, true
		}
		key = strings.ToLower(strings.Trim(key, " \t\"'"))
		if _, seen := lines[key]; ok && !seen {
			lines[key] = i + 1
		}
	}
	return lines
}
