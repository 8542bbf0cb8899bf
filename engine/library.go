package engine

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"replogd/engine/keys"
	"replogd/engine/rdb"
)

// Libraries of functions (FUNCTION LOAD) cannot be called here. They are kept all the same, each a row of its code: they come with a stock
// master's RDB and stream, and go with our RDB files to stock replicas and back to a stock master, so that a Redis whose data pass through
// here has lost nothing.

// maxLibraryName is the longest name that a code may give itself.
const maxLibraryName = 1 << 10

// libraryHead is the first line of a library's code, as Redis 7 demands it.
var libraryHead = regexp.MustCompile(`^#!\S+(?:[ \t]+\S+)*?[ \t]+[nN][aA][mM][eE]=([A-Za-z0-9_]+)[ \t\r]*(?:\n|$|[ \t])`)

// libraryName is what the code calls itself.
func libraryName(code []byte) (string, error) {
	line, _, _ := bytes.Cut(code[:min(len(code), maxLibraryName)], []byte{'\n'})
	m := libraryHead.FindSubmatch(line)
	if m == nil {
		return "", fmt.Errorf("a library of functions that does not begin with \"#!<engine> name=<name>\", but with %.40q", line)
	}
	return string(m[1]), nil
}

// libraries are the changes of one command of the stream.
type libraries struct{ c *call }

func (l libraries) load(code []byte) error {
	name, err := libraryName(code)
	if err != nil {
		return err
	}
	row := keys.Library(name)
	existed, err := l.exists(row)
	if err != nil {
		return err
	}
	l.c.setRow(row, code, existed)
	return nil
}

// exists looks past row cache and row filter, which know nothing of libraries.
func (l libraries) exists(row []byte) (bool, error) {
	if _, present, changed := l.c.tx.find(row); changed {
		return present, nil
	}
	if _, live, found := l.c.ds.mem.find(row); found {
		return live, nil
	}
	_, ok, err := readFiles(l.c.ds.db, row)
	return ok, err
}

func (l libraries) remove(name string) error {
	row := keys.Library(name)
	existed, err := l.exists(row)
	if err == nil && existed {
		l.c.deleteRow(row)
	}
	return err
}

func (l libraries) flush() error {
	lower, upper := keys.LibraryBounds()
	it, err := l.c.ds.iterLocked(l.c.tx, 0, lower, upper)
	if err != nil {
		return err
	}
	var rows [][]byte
	err = it.all(func(row, _ []byte) error {
		rows = append(rows, bytes.Clone(row))
		return nil
	})
	for _, row := range rows {
		l.c.deleteRow(row)
	}
	return err
}

// apply executes FUNCTION LOAD, DELETE, FLUSH and RESTORE, which have succeeded where they come from.
func (l libraries) apply(args [][]byte) error {
	if len(args) < 2 {
		return errors.New("wrong number of arguments")
	}
	switch sub := strings.ToLower(string(args[1])); {
	case sub == "load" && len(args) >= 3:
		return l.load(args[len(args)-1])
	case sub == "delete" && len(args) == 3:
		return l.remove(string(args[2]))
	case sub == "flush":
		return l.flush()
	case sub == "restore" && len(args) >= 3:
		if len(args) > 3 && isWord(args[3], "FLUSH") {
			if err := l.flush(); err != nil {
				return err
			}
		}
		return rdb.Libraries(args[2], l.load)
	}
	return errors.New("unknown subcommand")
}
