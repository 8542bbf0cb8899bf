package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// rewriteMarker stands above the lines that CONFIG REWRITE appends.
const rewriteMarker = "# Added by CONFIG REWRITE"

// ErrNoFile is Rewrite's error, in Redis' words, when there is no file to rewrite.
var ErrNoFile = errors.New("ERR The server is running without a config file")

// Rewrite is CONFIG REWRITE: it makes the configuration file say what is in force now. Comments, order, includes, and
// lines it does not understand stay; a changed directive is replaced where it stands; one that the file does not
// contain is appended under a marker when it differs from what the file (with its includes) and the defaults give.
// The error's text is a complete error reply.
//
// The new contents go to a temporary file in the same directory, which is fsynced and renamed over the old one, then
// the directory is fsynced. A crash before the rename leaves the old file (and perhaps the temporary one, which the
// next Rewrite replaces), after it the new one, whole; until the directory is fsynced a power cut may bring the old one back.
func (m *Manager) Rewrite() error {
	m.rewriting.Lock()
	defer m.rewriting.Unlock()

	if m.file == "" {
		return ErrNoFile
	}
	if m.format != confFormat {
		return fmt.Errorf("ERR Rewriting config file: %s is %s, and CONFIG REWRITE writes redis.conf syntax only; change it by hand", m.file, strings.ToUpper(m.format))
	}
	s := m.current.Load()
	old, err := m.fs.ReadFile(m.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ERR Rewriting config file: %w", err)
	}
	content, err := s.rewritten(m.file, old)
	if err != nil {
		return fmt.Errorf("ERR Rewriting config file: %w", err)
	}
	if content == string(old) {
		return nil
	}
	if err := replaceFile(m.fs, m.file, []byte(content)); err != nil {
		return fmt.Errorf("ERR Rewriting config file: %w", err)
	}
	return nil
}

// rewritten returns the new contents. It is right by construction: whatever the edits in place achieve, every
// directive whose value would still be another one after a restart is appended.
func (s *settings) rewritten(path string, old []byte) (string, error) {
	defaults, err := defaultValues()
	if err != nil {
		return "", err
	}
	content := s.editInPlace(old, defaults)
	var extra strings.Builder
	for _, d := range s.differing(path, content, defaults) {
		for _, l := range s.forced(d) {
			fmt.Fprintf(&extra, "%s %s\n", d.name, l)
		}
	}
	if extra.Len() == 0 {
		return content, nil
	}
	if content != "" && !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	if !slices.ContainsFunc(parseConf([]byte(content)), func(l confLine) bool { return l.text == rewriteMarker }) {
		content += "\n" + rewriteMarker + "\n"
	}
	content += extra.String()
	if left := s.differing(path, content, defaults); len(left) > 0 {
		return "", fmt.Errorf("the file cannot be made to say %s %s", left[0].name, s.values[left[0].index].text)
	}
	return content, nil
}

// editInPlace replaces the lines of directives that the file gives another value than the one in force.
func (s *settings) editInPlace(old []byte, defaults []value) string {
	parsed := parseConf(old)
	raw := strings.Split(string(old), "\n")
	places := map[*directive][]int{}
	for i, l := range parsed {
		if len(l.words) == 0 {
			continue
		}
		if d := lookup(l.words[0]); d != nil && !d.hidden {
			places[d] = append(places[d], i)
		}
	}
	replaced := map[int][]string{} // line index -> what takes its place
	for d, at := range places {
		v := d.initial(defaults[d.index])
		var err error
		for _, i := range at {
			if v, err = d.parse(parsed[i].words[1:], v); err != nil {
				break
			}
		}
		if err == nil && v.text == s.values[d.index].text {
			continue
		}
		lines := s.changedLines(d, defaults)
		for n, i := range at {
			var here []string
			switch {
			case n == len(at)-1: // the last place takes all that is left
				here = lines[min(n, len(lines)):]
			case n < len(lines):
				here = lines[n : n+1]
			}
			replaced[i] = withName(parsed[i].words[0], here, strings.HasSuffix(raw[i], "\r"))
		}
	}
	var out []string
	for i, l := range raw {
		if lines, ok := replaced[i]; ok {
			out = append(out, lines...)
			continue
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

// withName puts the directive's name as the file spells it before each line.
func withName(name string, lines []string, carriageReturn bool) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = name + " " + l
		if carriageReturn {
			out[i] += "\r"
		}
	}
	return out
}

// changedLines are the lines of a directive in place; parts that equal the default are left out where parts merge.
func (s *settings) changedLines(d *directive, defaults []value) []string {
	lines := d.kind.lines(d, s.values[d.index])
	if !d.kind.merges {
		return lines
	}
	usual := d.kind.lines(d, defaults[d.index])
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return slices.Contains(usual, l) })
}

// forced are the lines that set a directive whatever comes before them.
func (s *settings) forced(d *directive) []string {
	lines := d.kind.lines(d, s.values[d.index])
	switch {
	case d.kind == address && len(lines) == 0:
		return []string{"no one"}
	case d.kind.repeats && lines[0] != `""`:
		return append([]string{`""`}, lines...) // forget the occurrences of included files
	}
	return lines
}

// differing lists the directives that a start with this file alone would give another value than the one in force.
func (s *settings) differing(path, content string, defaults []value) []*directive {
	r := &reader{lenient: true, stack: []string{path}}
	_ = r.conf(path, []byte(content)) // lenient: no error
	then := &settings{values: make([]value, len(directives)), given: make([]bool, len(directives))}
	for _, d := range directives {
		then.values[d.index] = d.initial(defaults[d.index])
	}
	for _, e := range r.entries {
		if v, err := e.d.parse(e.args, then.values[e.d.index]); err == nil {
			then.values[e.d.index], then.given[e.d.index] = v, true
		}
	}
	for i, given := range then.given {
		if !given {
			then.values[i] = defaults[i]
		}
	}
	then.deriveMaxSize()
	var out []*directive
	for _, d := range directives {
		if !d.hidden && then.values[d.index].text != s.values[d.index].text {
			out = append(out, d)
		}
	}
	return out
}
