package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// These tests are the plan of the house, made to fail when the house no longer follows it. Each failure says what to do.

const (
	modulePath = "replogd"
	moduleRoot = "../.."

	maxFileLines     = 800 // soft limit 500
	maxFunctionLines = 100 // soft limit 60
)

// mayImport says which rooms a room's packages may import besides their own: arrows run downward only.
//
//	cmd -> server -> replica -> engine -> backlog -> wal
//
// config and bench stand beside the house: they import no room, and only those above may import them.
var mayImport = map[string][]string{
	"cmd":     {"server", "replica", "engine", "backlog", "wal", "config", "bench"},
	"server":  {"replica", "engine", "backlog", "wal", "config"},
	"replica": {"engine", "backlog", "wal"},
	"engine":  {"backlog", "wal"},
	"backlog": {"wal"},
	"wal":     {},
	"config":  {},
	"bench":   {},
}

// leafRoom's sub-packages (resp, keys, command, ...) stand below the room itself: they import at most each other, so that
// connections, links and log replay can share them without dragging the keyspace along.
const leafRoom = "engine"

// owners names the one place that may import a library, tests included. The longest matching path decides; owner "*" means anyone.
var owners = map[string]string{
	"github.com/spf13/viper":               "config",
	"go.etcd.io/bbolt":                     "backlog",
	"github.com/tidwall/redcon":            "engine/resp",
	"gonum.org/v1/plot":                    "bench",
	"github.com/cockroachdb/pebble":        "nobody (use github.com/cockroachdb/pebble/v2)",
	"github.com/cockroachdb/pebble/v2":     "engine",
	"github.com/cockroachdb/pebble/v2/vfs": "*",
}

// testOnly are libraries that must never be linked into a binary. bench drives servers as a user does and may use a client library.
var testOnly = map[string][]string{
	"testing":                                      nil,
	"github.com/stretchr/testify":                  nil,
	"github.com/cockroachdb/datadriven":            nil,
	"github.com/cockroachdb/pebble/v2/vfs/errorfs": nil,
	"go.uber.org/goleak":                           nil,
	"pgregory.net/rapid":                           nil,
	"github.com/google/go-cmp":                     nil,
	"github.com/redis/go-redis":                    {"bench"},
}

// topLevel is every visible name that may stand in the repository's root.
var topLevel = []string{
	"cmd", "engine", "wal", "backlog", "replica", "config", "bench", "server",
	"go.mod", "go.sum", "README.md", "BENCHMARKS.md", "CONTRIBUTING.md", "LICENSE", "Makefile",
}

func TestArrowsRunDownward(t *testing.T) {
	for _, p := range listPackages(t, "./...") {
		from := p.rel()
		allowed, known := mayImport[roomOf(from)]
		require.True(t, known, "package %s is in no known room: move it below one of the rooms, a new top-level folder is not wanted", p.ImportPath)

		for _, imported := range p.allImports() {
			to, own := strings.CutPrefix(imported, modulePath+"/")
			if !own {
				continue
			}
			switch {
			case isLeaf(from) && !isLeaf(to):
				t.Errorf("%s imports %s: a leaf of %s imports only leaves; hand in what it needs as a parameter or declare an interface in %s",
					from, to, roomOf(from), from)
			case roomOf(from) == roomOf(to):
			case !slices.Contains(allowed, roomOf(to)):
				t.Errorf("%s imports %s: room %q may import only %v; declare an interface in %s and let cmd/replogd pass the implementation",
					from, to, roomOf(from), allowed, from)
			}
		}
	}
}

func TestLibrariesHaveOneOwner(t *testing.T) {
	for _, p := range listPackages(t, "./...") {
		for _, imported := range p.allImports() {
			owner := ownerOf(imported)
			if owner == "*" || within(p.rel(), owner) {
				continue
			}
			t.Errorf("%s imports %s, which only %s may import: use what %s offers, or add there what is missing", p.rel(), imported, owner, owner)
		}
	}
}

func TestTestLibrariesStayOutOfBinaries(t *testing.T) {
	for _, p := range listPackages(t, "-deps", "./cmd/...") { // a package that only tests import may use what it likes
		if p.Standard || !within(p.ImportPath, modulePath) {
			continue
		}
		for _, imported := range p.Imports {
			for library, exempt := range testOnly {
				if !within(imported, library) || slices.ContainsFunc(exempt, func(room string) bool { return within(p.rel(), room) }) {
					continue
				}
				t.Errorf("%s imports %s and is linked into a binary: move that code into a _test.go file", p.rel(), imported)
			}
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	ignored := ignoredNames(t)
	entries, err := os.ReadDir(moduleRoot)
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || slices.Contains(topLevel, name) || slices.Contains(ignored, name) {
			continue
		}
		t.Errorf("%s stands in the repository's root: move it into a room, or hide it (.name) if it is a tool's file", name)
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	for _, p := range listPackages(t, "./...") {
		files := slices.Concat(p.GoFiles, p.TestGoFiles)
		if len(p.GoFiles) == 0 { // a package of tests only
			files = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		}
		if len(files) == 0 {
			continue
		}
		opening := "Package " + strings.TrimSuffix(p.Name, "_test") + " "
		if p.Name == "main" {
			opening = "Command " + filepath.Base(p.Dir) + " "
		}
		var docs []string
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			require.NoError(t, err)
			if doc := f.Doc.Text(); doc != "" {
				docs = append(docs, name)
				if !strings.HasPrefix(doc, opening) {
					t.Errorf("%s/%s: the package comment must begin with %q and go on to say what it is and what it promises", p.rel(), name, opening)
				}
			}
		}
		switch len(docs) {
		case 0:
			t.Errorf("%s has no package comment: add doc.go beginning with %q", p.rel(), opening)
		case 1:
		default:
			t.Errorf("%s has package comments in %v: keep one, in doc.go, and turn the others into comments below the package clause", p.rel(), docs)
		}
	}
}

func TestFilesAndFunctionsStayReadable(t *testing.T) {
	for _, p := range listPackages(t, "./...") {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles, p.IgnoredGoFiles) {
			path := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			require.NoError(t, err)
			if ast.IsGenerated(f) {
				continue
			}
			if lines := fset.Position(f.FileEnd).Line; lines > maxFileLines {
				t.Errorf("%s/%s has %d lines (limit %d): split it by job, one file per verb, never into a part 2", p.rel(), name, lines, maxFileLines)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue // a table of cases may be long
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				first, last := fset.Position(fn.Pos()), fset.Position(fn.End())
				if lines := last.Line - first.Line + 1; lines > maxFunctionLines {
					t.Errorf("%s/%s:%d: function %s has %d lines (limit %d): take its steps out into functions of their own",
						p.rel(), name, first.Line, fn.Name.Name, lines, maxFunctionLines)
				}
			}
		}
	}
}

// A comparison with redis-server that is quietly skipped compares nothing: .ci/run demands it through the environment.
func TestComparisonsCanBeDemanded(t *testing.T) {
	const variable = "REPLOGD_REQUIRE_REDIS"
	for _, p := range listPackages(t, "./...") {
		looksForRedis, heedsDemand := false, false
		files := slices.Concat(p.TestGoFiles, p.XTestGoFiles)
		if p.Name != "main" { // a program skips no tests; a package may be what tests skip by
			files = append(files, p.GoFiles...)
		}
		for _, name := range files {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			require.NoError(t, err)
			looksForRedis = looksForRedis || bytes.Contains(text, []byte("LookPath(\"redis-"))
			heedsDemand = heedsDemand || bytes.Contains(text, []byte(variable))
		}
		if looksForRedis && !heedsDemand {
			t.Errorf("%s skips tests where redis-server is missing, but not only then: when %s is set they must fail, see CONTRIBUTING.md", p.rel(), variable)
		}
	}
}

// goPackage is what `go list -json` says of one package of this module.
type goPackage struct {
	Dir            string
	Standard       bool
	ImportPath     string
	Name           string
	GoFiles        []string
	TestGoFiles    []string
	XTestGoFiles   []string
	IgnoredGoFiles []string
	Imports        []string
	TestImports    []string
	XTestImports   []string
}

func (p goPackage) rel() string { return strings.TrimPrefix(p.ImportPath, modulePath+"/") }

func (p goPackage) allImports() []string {
	all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
	slices.Sort(all)
	return slices.Compact(all)
}

// listPackages asks the go command, so that build constraints and the module's borders are those of a real build.
func listPackages(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	const fields = "Dir,ImportPath,Standard,Name,GoFiles,TestGoFiles,XTestGoFiles,IgnoredGoFiles,Imports,TestImports,XTestImports"
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=" + fields}, patterns...)...)
	cmd.Dir = moduleRoot
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go list %v: %s", patterns, stderr.String())

	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NotEmpty(t, packages)
	return packages
}

func roomOf(rel string) string {
	room, _, _ := strings.Cut(rel, "/")
	return room
}

func isLeaf(rel string) bool {
	return strings.HasPrefix(rel, leafRoom+"/")
}

// ownerOf returns the owner of an imported path: that of the longest library path it lies within, "*" if nobody owns it.
func ownerOf(imported string) string {
	owner, longest := "*", ""
	for library, o := range owners {
		if within(imported, library) && len(library) > len(longest) {
			owner, longest = o, library
		}
	}
	return owner
}

// within reports whether path is root or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// ignoredNames returns the names that .gitignore keeps out of the root ("/name" or "/name/"): a built binary, a server's data.
func ignoredNames(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(moduleRoot, ".gitignore"))
	require.NoError(t, err)
	defer f.Close()
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(strings.TrimSpace(s.Text()), "/"); ok {
			names = append(names, strings.TrimSuffix(name, "/"))
		}
	}
	return names
}
