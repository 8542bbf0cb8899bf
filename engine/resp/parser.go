package resp

// Parser finds the commands in a connection's read buffer. It keeps its place in
// a partial frame, so a command costs O(bytes) in however many reads it arrives.
// The zero value is ready for use.
type Parser struct {
	frame   frame
	started bool // frame belongs to a command in progress
	inline  bool // which is an inline command
	large   bool // the last buf was large: args must not keep it alive
	seen    int  // length of buf in the last incomplete call
	args    [][]byte
	text    []byte // unescaped inline arguments
}

// Next finds the first complete command in buf.
//
//   - n == 0, err == nil: incomplete. Call again with the same bytes and more
//     behind them; they may have moved in memory.
//   - n > 0: buf[:n] is used up. args is the command, name first; args == nil
//     means an empty command (an empty line, *0, *-1), to be skipped.
//   - err != nil is a *ProtocolError: send it and close. Commands before it in
//     the buffer have been returned by earlier calls.
//
// args alias buf (inline arguments alias the Parser) and are valid until the next
// call of Next or until buf changes. The slice of slices is reused by Next; a
// command with more than 4096 arguments is given memory of its own, and one in a
// buffer of more than 64 KiB leaves nothing behind that would keep it alive.
//
// lim may differ from call to call: it is applied as lengths are read, so after
// an AUTH the commands behind it in the same buffer have the new limits only if
// Next has not been called for them before.
func (p *Parser) Next(buf []byte, lim Limits) (args [][]byte, n int, err error) {
	if p.large {
		p.args = nil
	}
	p.large = len(buf) > largeBuffer
	if len(buf) == 0 {
		return nil, 0, nil
	}
	if !p.started {
		p.frame.reset()
		p.started = true
		p.inline = buf[0] != '*'
	} else if len(buf) < p.seen {
		panic("BUG: resp: Parser.Next called with fewer bytes than before")
	}
	p.seen = len(buf)
	if p.inline {
		return p.nextInline(buf, lim.withDefaults().MaxInline)
	}
	rules := frameRules{Limits: lim.withDefaults()}
	done, perr := p.frame.scan(buf, &rules)
	if perr != nil {
		p.Reset()
		return nil, 0, perr
	}
	if !done {
		return nil, 0, nil
	}
	p.started, p.seen = false, 0
	n = p.frame.pos
	if p.frame.argc == 0 {
		return nil, n, nil
	}
	return p.frame.split(buf[:n], p.slots(p.frame.argc)), n, nil
}

// slots returns an empty slice with room for argc arguments.
func (p *Parser) slots(argc int) [][]byte {
	if argc > maxKeptArgs {
		return make([][]byte, 0, argc)
	}
	if cap(p.args) < argc {
		p.args = make([][]byte, 0, max(argc, 8))
	}
	return p.args[:0]
}

// Need returns how many bytes the pending frame needs in all, as far as is known
// (0 = unknown), so that the caller can grow its buffer once. It is a number of
// the peer, bounded only by MaxBulk beyond what has arrived: a caller that grows by
// more than a share of what it holds spends memory on a promise.
func (p *Parser) Need() int {
	if !p.started || p.inline || p.frame.bulk < 0 {
		return 0
	}
	return p.frame.pos + int(p.frame.bulk) + 2
}

// Reset forgets a partial command, for a buffer that starts anew.
func (p *Parser) Reset() {
	p.started, p.inline, p.seen = false, false, 0
	p.frame.reset()
}
