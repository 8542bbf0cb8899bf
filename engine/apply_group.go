package engine

import (
	"bytes"

	"replogd/engine/command"
	"replogd/engine/resp"
)

const (
	// groupCommands is about how many commands the applier reads from the stream before it executes the first: their rows are touched together
	// (touch.go).
	groupCommands = touchRows

	// maxKeptGroup is up to how many arguments a group's memory is kept for the next.
	maxKeptGroup = 64 * groupCommands
)

// unitGroup holds the next units of a stream. Their commands alias the scanner's memory.
type unitGroup struct {
	reqs  []Request // Cmd nil: no command that writes to the keyspace
	args  [][]byte
	units []groupedUnit
	next  int // of units, the one that is executed next
	err   error
}

// groupedUnit is one of them: the commands behind those of the unit before it, up to end.
type groupedUnit struct {
	end   int
	bytes int
}

// fill reads units until there are some commands. What is wrong with the stream behind them is kept in err.
func (g *unitGroup) fill(scanner *resp.UnitScanner) {
	if cap(g.args) > maxKeptGroup {
		g.reqs, g.args = nil, nil
	}
	clear(g.reqs)
	g.reqs, g.args, g.units, g.next = g.reqs[:0], g.args[:0], g.units[:0], 0
	for len(g.reqs) < groupCommands && len(g.units) < groupCommands && g.err == nil {
		unit, ok, err := scanner.Next()
		if g.err = err; !ok || err != nil {
			return
		}
		for _, args := range unit.Commands {
			from := len(g.args)
			g.args = append(g.args, args...)
			kept := g.args[from:len(g.args):len(g.args)]
			g.reqs = append(g.reqs, Request{Cmd: streamCommand(kept), Args: kept})
		}
		g.units = append(g.units, groupedUnit{end: len(g.reqs), bytes: len(unit.Raw)})
	}
}

// take returns the commands of the next unit and its length in the stream; ok is false when there is none.
func (g *unitGroup) take() (reqs []Request, bytes int, ok bool) {
	if g.next == len(g.units) {
		return nil, 0, false
	}
	from := 0
	if g.next > 0 {
		from = g.units[g.next-1].end
	}
	unit := g.units[g.next]
	g.next++
	return g.reqs[from:unit.end], unit.bytes, true
}

// streamCommand finds the keyspace command that a command of a stream is; nil: it is none that writes.
func streamCommand(args [][]byte) *Command {
	cmd := Lookup(args[0])
	if cmd == nil && len(args) > 1 { // a subcommand: XGROUP CREATE
		cmd = Lookup(bytes.Join(args[:2], []byte{'|'}))
	}
	if cmd == nil || !cmd.write && !cmd.Spec.Flags.Has(command.MayReplicate) {
		return nil
	}
	return cmd
}
