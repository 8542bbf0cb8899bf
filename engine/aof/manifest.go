package aof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	manifestSuffix = ".manifest"

	// maxLine is Redis' bound of a manifest's line.
	maxLine = 1024
	// maxFiles bounds a manifest: Redis gives up rewriting long before.
	maxFiles = 100_000
)

// Manifest names the files of an append-only directory, in the order in which they are read.
type Manifest struct {
	Base string   // "" if there is none
	Incr []string // oldest first
}

// Files is all of them.
func (m *Manifest) Files() []string {
	if m.Base == "" {
		return m.Incr
	}
	return append([]string{m.Base}, m.Incr...)
}

// Find reads the one manifest in dir.
func Find(dir string) (*Manifest, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*"+manifestSuffix))
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for a manifest in %s: %w", dir, err)
	case len(found) == 0:
		return nil, fmt.Errorf("%s holds no *%s: name the directory that appenddirname names (appendonlydir)", dir, manifestSuffix)
	case len(found) > 1:
		return nil, fmt.Errorf("%s holds %d manifests: leave the one of the server that is meant", dir, len(found))
	}
	f, err := os.Open(found[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // opened for reading
	m, err := ReadManifest(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", found[0], err)
	}
	return m, nil
}

// ReadManifest parses a manifest.
func ReadManifest(r io.Reader) (*Manifest, error) {
	m := &Manifest{}
	last := int64(0)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, maxLine), maxLine)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		seq, err := m.take(line, last)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		last = seq
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if m.Base == "" && len(m.Incr) == 0 {
		return nil, errors.New("it names no file")
	}
	return m, nil
}

// take adds one line's file. last is the number of the youngest increment so far.
func (m *Manifest) take(line string, last int64) (seq int64, err error) {
	words, err := splitLine(line)
	if err != nil {
		return last, err
	}
	fields := map[string]string{}
	for ; len(words) >= 2; words = words[2:] {
		fields[words[0]] = words[1]
	}
	name := fields["file"]
	n, err := strconv.ParseInt(fields["seq"], 10, 64)
	switch {
	case len(words) != 0 || err != nil || n < 1 || name == "":
		return last, fmt.Errorf("%q is not \"file <name> seq <n> type <b|i|h>\"", line)
	case strings.ContainsAny(name, "/\\") || name == "." || name == "..":
		return last, fmt.Errorf("file %q is not in the directory", name)
	case len(m.Incr) >= maxFiles:
		return last, fmt.Errorf("more than %d files", maxFiles)
	}
	switch fields["type"] {
	case "b":
		if m.Base != "" {
			return last, errors.New("a second base")
		}
		m.Base = name
	case "i":
		if n <= last {
			return last, fmt.Errorf("file %q comes out of order", name)
		}
		m.Incr, last = append(m.Incr, name), n
	case "h":
	default:
		return last, fmt.Errorf("type %q is not known", fields["type"])
	}
	return last, nil
}

// splitLine cuts a line into words; one in double quotes may hold spaces and C's escapes.
func splitLine(line string) (words []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("%q: unbalanced quotes", line)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted, err)
		}
		words, line = append(words, word), line[len(quoted):]
	}
}
