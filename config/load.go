package config

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/viper"
)

const (
	confFormat = "conf"
	// keyDelimiter keeps viper from splitting keys: no directive contains it.
	keyDelimiter = "\x00"
)

func init() {
	// viper refuses formats that are not in this global list, whatever codecs it was given.
	if !slices.Contains(viper.SupportedExts, confFormat) {
		viper.SupportedExts = append(viper.SupportedExts, confFormat)
	}
}

// Setting is a directive as CONFIG GET shows it.
type Setting struct{ Name, Value string }

// settings is everything Manager publishes at once. Immutable.
type settings struct {
	config *Config
	values []value // by directive.index
	given  []bool  // not the default
}

// Manager owns the configuration of a running server. All methods are safe for concurrent use.
type Manager struct {
	file     string // absolute; "" if there is none to rewrite
	format   string
	warnings []string
	fs       fileSystem // CONFIG REWRITE's

	current atomic.Pointer[settings]

	// setting serialises Set and SetReplicaOf. It is held while the callbacks of OnChange run, against the house
	// rule: two Sets whose callbacks interleave could leave the parts of the server with different configurations.
	// A callback must not call Set or SetReplicaOf. Readers never take it.
	setting sync.Mutex
	// rewriting serialises Rewrite, file operations included: two writers must not overtake each other.
	rewriting sync.Mutex

	mu struct {
		sync.Mutex
		onChange []func(old, new *Config) error
	}
}

// Load reads the configuration. args is the command line without the program's name: an optional file ("-" is
// standard input) and --directive value pairs. environ holds "name=value" strings. Precedence: command line,
// environment, file, default. Every entry is checked, also one that a stronger source hides.
//
// The error is an *Error. Nothing is printed, no file is changed, no directory is made.
func Load(args, environ []string) (*Manager, error) { return load(args, environ, os.Stdin) }

func load(args, environ []string, stdin io.Reader) (*Manager, error) {
	file, flags, err := parseArgs(args)
	if err != nil {
		return nil, err
	}
	m := &Manager{fs: osFiles{}}
	r := &reader{}
	if err := m.readFile(r, file, stdin); err != nil {
		return nil, err
	}
	env, warnings, err := parseEnv(environ)
	if err != nil {
		return nil, err
	}
	s, err := resolve(r.entries, env, flags)
	if err != nil {
		return nil, err
	}
	m.warnings = append(warnings, collectWarnings(s, slices.Concat(r.entries, env, flags))...)
	m.current.Store(s)
	return m, nil
}

func (m *Manager) readFile(r *reader, file string, stdin io.Reader) error {
	switch file {
	case "":
		return nil
	case "-":
		data, err := io.ReadAll(io.LimitReader(stdin, maxFileBytes))
		if err != nil {
			return &Error{File: fromStdin, Problem: "cannot read the configuration", Err: err}
		}
		return r.decode(fromStdin, data)
	}
	path, err := realPath(file)
	if err != nil {
		return &Error{
			File: file, Problem: "cannot open the configuration file", Err: err,
			Remedy: "name an existing file first on the command line, or none for the defaults",
		}
	}
	m.file, m.format = path, formatOf(path)
	return r.read(path)
}

// resolve layers the entries of the three sources over the defaults with viper and parses what comes out on top.
func resolve(file, env, flags []entry) (*settings, error) {
	defaults, err := defaultValues()
	if err != nil {
		return nil, err
	}
	for _, source := range [][]entry{file, env, flags} {
		if err := checkEntries(source, defaults); err != nil {
			return nil, err
		}
	}
	layers := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	for _, source := range []map[string]any{byLayerKey(file), byLayerKey(env)} {
		if err := layers.MergeConfigMap(source); err != nil { // a later map replaces an earlier one's keys
			return nil, &Error{Problem: "cannot merge the configuration", Err: err}
		}
	}
	for key, entries := range byLayerKey(flags) {
		layers.Set(key, entries)
	}
	s := &settings{values: make([]value, len(directives)), given: make([]bool, len(directives))}
	for _, d := range directives {
		v, entries := d.initial(defaults[d.index]), topEntries(layers, d)
		for _, e := range entries {
			if v, err = d.parse(e.args, v); err != nil {
				return nil, e.fail(err.Error(), d.allowed(), nil)
			}
		}
		s.given[d.index] = len(entries) > 0
		if len(entries) == 0 {
			v = defaults[d.index]
		}
		s.values[d.index] = v
	}
	s.build()
	if err := s.validate(); err != nil {
		err.File, err.Line, err.Text = locate(err.Directive, file, env, flags)
		return nil, err
	}
	return s, nil
}

// initial is what the first occurrence is parsed on top of: the default where occurrences replace parts of it, nothing
// otherwise (the first save line replaces the default ones).
func (d *directive) initial(current value) value {
	if d.kind.merges {
		return current
	}
	return value{}
}

func defaultValues() ([]value, error) {
	values := make([]value, len(directives))
	for _, d := range directives {
		if d.def == "" {
			continue // the zero value: no text, no address
		}
		v, err := d.parse([]string{d.def}, value{})
		if err != nil {
			// Only dir can fail: its default depends on the working directory.
			return nil, &Error{Text: d.name + " " + d.def, Directive: d.name, Problem: err.Error(), Remedy: "give " + d.name + " another value"}
		}
		values[d.index] = v
	}
	return values, nil
}

// checkEntries parses every entry of one source, in order, so that the first mistake is the one reported.
func checkEntries(entries []entry, defaults []value) error {
	for _, e := range entries {
		if _, err := e.d.parse(e.args, e.d.initial(defaults[e.d.index])); err != nil {
			return e.fail(err.Error(), e.d.allowed(), nil)
		}
	}
	return nil
}

// byLayerKey groups entries by the key under which a source replaces a weaker one's: the directive, or for directives
// that merge the part they set, so that a flag for one client class leaves the file's other classes alone.
func byLayerKey(entries []entry) map[string]any {
	m := make(map[string]any)
	add := func(key string, e entry) {
		list, _ := m[key].([]entry)
		m[key] = append(list, e)
	}
	for _, e := range entries {
		if !e.d.kind.merges {
			add(e.d.name, e)
			continue
		}
		words := e.args
		if len(words) == 1 {
			words = strings.Fields(words[0])
		}
		for group := range slices.Chunk(words, outputLimitFields) {
			part := e
			part.args = group
			add(e.d.name+" "+mergeClass(group[0]), part)
		}
	}
	return m
}

// mergeClasses are the parts of client-output-buffer-limit.
var mergeClasses = []string{"normal", "replica", "pubsub"}

func mergeClass(name string) string {
	if name = strings.ToLower(name); name == "slave" {
		return "replica"
	}
	return name
}

// topEntries returns the occurrences of d in the strongest source that has any.
func topEntries(layers *viper.Viper, d *directive) []entry {
	keys := []string{d.name}
	if d.kind.merges {
		keys = nil
		for _, c := range mergeClasses {
			keys = append(keys, d.name+" "+c)
		}
	}
	var all []entry
	for _, key := range keys {
		entries, _ := layers.Get(key).([]entry)
		all = append(all, entries...)
	}
	return all
}

// build makes the typed struct from the values.
func (s *settings) build() {
	s.deriveMaxSize()
	c := &Config{}
	for _, d := range directives {
		if d.bind != nil {
			d.bind(c, s.values[d.index])
		}
	}
	c.DirGiven = s.given[lookup("dir").index]
	s.config = c
}

// deriveMaxSize raises the default of repl-backlog-max-size to twice repl-backlog-size, so that who asks for a large
// backlog need not raise both.
func (s *settings) deriveMaxSize() {
	limit, size := lookup("repl-backlog-max-size"), lookup("repl-backlog-size")
	if s.given[limit.index] {
		return
	}
	least, err := parseMemory(defaultReplBacklogMax)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	n := s.values[size.index].n
	if n > math.MaxInt64/2 {
		n = math.MaxInt64 / 2
	}
	n = max(2*n, int64(least))
	s.values[limit.index] = value{text: fmt.Sprint(n), n: n}
}

// validate checks what no single directive can.
func (s *settings) validate() *Error {
	c := s.config
	if c.ReplBacklogMaxSize != 0 && c.ReplBacklogMaxSize < c.ReplBacklogSize {
		return &Error{
			Directive: "repl-backlog-max-size",
			Problem:   fmt.Sprintf("repl-backlog-max-size (%d) is below repl-backlog-size (%d)", c.ReplBacklogMaxSize, c.ReplBacklogSize),
			Remedy:    "raise it, lower repl-backlog-size, or set 0 for no cap",
		}
	}
	return nil
}

// locate finds where a directive was given, the strongest source first.
func locate(name string, sources ...[]entry) (file string, line int, text string) {
	for _, source := range slices.Backward(sources) {
		for _, e := range slices.Backward(source) {
			if e.d.name == name {
				return e.source, e.line, e.text
			}
		}
	}
	return "", 0, ""
}

// collectWarnings makes one warning per directive that was given and has no effect, at its first place.
func collectWarnings(s *settings, entries []entry) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range entries {
		why := e.d.warning(s.values[e.d.index])
		if why == "" || seen[e.d.name] {
			continue
		}
		seen[e.d.name] = true
		out = append(out, fmt.Sprintf("%s has no effect (%s): %s", e.d.name, e.place(), why))
	}
	if c := s.config; c.ReplTimeout <= c.ReplPingReplicaPeriod {
		out = append(out, fmt.Sprintf("repl-timeout (%v) is not longer than repl-ping-replica-period (%v): idle replication links will time out",
			c.ReplTimeout, c.ReplPingReplicaPeriod))
	}
	return out
}

// Current returns the configuration in force. It is lock-free and the result is never changed.
func (m *Manager) Current() *Config { return m.current.Load().config }

// Warnings returns one sentence per directive that was accepted and has no effect, in the order of the sources.
func (m *Manager) Warnings() []string { return slices.Clone(m.warnings) }

// File returns the absolute name of the configuration file, "" if there is none (or it was standard input).
func (m *Manager) File() string { return m.file }

// Settings returns every directive that CONFIG GET shows, aliases included. The caller owns the slice.
func (m *Manager) Settings() []Setting {
	s := m.current.Load()
	out := make([]Setting, 0, len(byName))
	for _, d := range directives {
		if d.hidden {
			continue
		}
		v := s.values[d.index].text
		out = append(out, Setting{d.name, v})
		for _, alias := range d.aliases {
			out = append(out, Setting{alias, v})
		}
	}
	return out
}
