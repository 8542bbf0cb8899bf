package resp

// UnitScanner cuts a replication stream into units: the bytes that must be
// applied together. A unit is one command, or MULTI to EXEC, with the SELECT
// commands directly before it. Bytes are fed in any portions; the cuts do not
// depend on them.
//
// The stream is arrays of bulk strings in their strict form and nothing else: no
// inline commands, no empty commands, no bare line feeds (a master sends those
// only before the stream begins). After an error every call of Next fails: where
// the next unit begins is unknown.
//
// # Offsets
//
// If the first byte fed has offset o (that is, the stream had o bytes before
// it), a unit covers [start, start+len(Raw)), where start is o plus the lengths of
// all units returned before; at any time start = o + bytes fed - Buffered().
// Applying a unit moves the applied offset to the end of it and to no point
// within it: neither behind a SELECT nor between MULTI and EXEC. A trailing SELECT
// stays in Buffered until what it belongs to has come.
type UnitScanner struct {
	maxUnit int
	buf     []byte // fed bytes; buf[start:] has not been returned
	start   int    // first byte of the current unit
	at      int    // bytes of the current unit in whole commands
	frame   frame  // the command at start+at
	cmds    int    // whole commands of the unit, MULTI and EXEC included
	args    int    // and their arguments
	multi   bool   // between MULTI and EXEC
	special bool   // the unit may be a Noop, or hold a GETACK
	rawOnly bool   // see NewUnitCutter
	err     *ProtocolError

	flat     [][]byte   // reused backing of Unit.Commands' arguments
	commands [][][]byte // reused backing of Unit.Commands
}

// Unit is the bytes that must be applied together. Raw and the bytes of Commands
// alias the scanner's memory and are valid until the next call of Feed; the slices
// of Commands until the next call of Next.
type Unit struct {
	// Raw is the exact bytes of the stream: SELECTs, MULTI and EXEC included.
	Raw []byte
	// Commands are the commands in order, without MULTI and EXEC, with SELECT. An
	// empty transaction has none, nor has a unit of NewUnitCutter.
	Commands [][][]byte
	// Noop is set when the unit is one PING, REPLCONF GETACK, PUBLISH or SPUBLISH
	// and nothing else: it changes no key. A unit with a SELECT is never a Noop: it
	// changes the stream's database.
	Noop bool
	// GetAck is set when the unit holds a REPLCONF GETACK.
	GetAck bool
}

// NewUnitScanner returns a scanner for units of up to maxUnit bytes, SELECT,
// MULTI and EXEC included. A longer one is an error as soon as a length in it
// shows it, so the scanner holds at most maxUnit bytes beyond what one Feed adds.
func NewUnitScanner(maxUnit int) *UnitScanner {
	u := &UnitScanner{maxUnit: maxUnit}
	u.frame.reset()
	return u
}

// NewUnitCutter returns a scanner for who wants to know where units end and not
// what they say: it leaves out Commands, which takes a third of the time.
func NewUnitCutter(maxUnit int) *UnitScanner {
	u := NewUnitScanner(maxUnit)
	u.rawOnly = true
	return u
}

// Feed adds the next bytes of the stream. p is copied. Every unit returned before
// becomes invalid.
func (u *UnitScanner) Feed(p []byte) {
	live := len(u.buf) - u.start
	need := live + len(p)
	switch {
	case cap(u.buf) > maxKeptUnit && need <= maxKeptUnit:
		// A large unit has passed. The slices of slices would keep its memory alive.
		u.flat, u.commands = nil, nil
		u.move(make([]byte, live, maxKeptUnit))
	case len(u.buf)+len(p) <= cap(u.buf):
	case need <= cap(u.buf) && live <= u.start:
		u.move(u.buf[:live])
	default:
		u.move(make([]byte, live, 2*live+len(p)))
	}
	u.buf = append(u.buf, p...)
}

// move copies the live bytes to the beginning of dst. Every call is paid for by
// bytes fed since the last one: it frees as much as it copies, or doubles the room.
func (u *UnitScanner) move(dst []byte) {
	copy(dst, u.buf[u.start:])
	u.buf, u.start = dst, 0
}

// Buffered returns the number of bytes fed and not yet returned in a unit: after
// Next has returned ok == false, those of the incomplete unit.
func (u *UnitScanner) Buffered() int { return len(u.buf) - u.start }

// Next returns the next unit. ok is false when no whole unit is buffered. An
// error is a *ProtocolError and stays: inline or empty command, broken frame,
// unit over the limit, MULTI within MULTI, EXEC without MULTI, DISCARD.
func (u *UnitScanner) Next() (unit Unit, ok bool, err error) {
	if u.err != nil {
		return Unit{}, false, u.err
	}
	for {
		whole, ends, perr := u.command()
		if perr != nil {
			u.err = perr
			return Unit{}, false, perr
		}
		if !whole {
			return Unit{}, false, nil
		}
		if ends {
			return u.take(), true, nil
		}
	}
}

// command scans the command at start+at. whole: it is complete and now part of
// the unit. ends: the unit is complete with it.
func (u *UnitScanner) command() (whole, ends bool, err *ProtocolError) {
	buf := u.buf[u.start+u.at:]
	if len(buf) == 0 {
		return false, false, nil
	}
	if buf[0] != '*' {
		return false, false, errStreamInline
	}
	rules := frameRules{
		Limits:   Limits{MaxArgs: DefaultMaxArgs, MaxBulk: int64(u.maxUnit), MaxInline: maxStreamLine},
		strict:   true,
		maxFrame: u.maxUnit - u.at,
	}
	done, err := u.frame.scan(buf, &rules)
	if err != nil || !done {
		return false, false, err
	}
	name := buf[u.frame.name : u.frame.name+u.frame.nameLen]
	size := u.frame.pos
	if size > rules.maxFrame {
		return false, false, errStreamTooBig
	}
	switch {
	case foldEqual(name, "multi"):
		if u.multi {
			return false, false, errStreamNested
		}
		u.multi = true
	case foldEqual(name, "exec"):
		if !u.multi {
			return false, false, errStreamNoMulti
		}
		u.multi, ends = false, true
	case foldEqual(name, "discard"):
		return false, false, errStreamDiscard
	case foldEqual(name, "select"):
	default:
		ends = !u.multi
		u.special = u.special || foldEqual(name, "replconf") || isNoop(name)
	}
	u.cmds++
	u.args += u.frame.argc
	u.at += size
	u.frame.reset()
	return true, ends, nil
}

// take cuts off the unit that command has completed.
func (u *UnitScanner) take() Unit {
	unit := Unit{Raw: u.buf[u.start : u.start+u.at : u.start+u.at]}
	if !u.rawOnly || u.special {
		u.split(&unit)
	}
	if u.rawOnly {
		unit.Commands = nil
	}
	u.start += u.at
	u.at, u.cmds, u.args, u.special = 0, 0, 0, false
	return unit
}

// split finds out what the unit that command has completed says.
func (u *UnitScanner) split(unit *Unit) {
	raw := unit.Raw
	if cap(u.flat) < u.args || cap(u.flat) > maxKeptUnitArgs {
		u.flat = make([][]byte, 0, u.args)
	}
	if cap(u.commands) < u.cmds || cap(u.commands) > maxKeptUnitCommands {
		u.commands = make([][][]byte, 0, u.cmds)
	}
	flat, commands := u.flat[:0], u.commands[:0]
	total := u.cmds
	for len(raw) > 0 {
		var args [][]byte
		args, raw = readCommand(raw, flat[len(flat):])
		flat = flat[:len(flat)+len(args)]
		name := args[0]
		getAck := isGetAck(args)
		unit.GetAck = unit.GetAck || getAck
		unit.Noop = total == 1 && (getAck || isNoop(name))
		if !foldEqual(name, "multi") && !foldEqual(name, "exec") {
			commands = append(commands, args[:len(args):len(args)])
		}
	}
	unit.Commands = commands
}

// isNoop says whether a command changes no key, if it is all of a unit.
func isNoop(name []byte) bool {
	return foldEqual(name, "ping") || foldEqual(name, "publish") || foldEqual(name, "spublish")
}

// isGetAck reports whether args are REPLCONF GETACK.
func isGetAck(args [][]byte) bool {
	return len(args) >= 2 && foldEqual(args[0], "replconf") && foldEqual(args[1], "getack")
}

// foldEqual compares a command name with a lower-case one, ASCII only.
func foldEqual(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
