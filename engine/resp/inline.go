package resp

// nextInline is Next for a command whose first byte is not '*'.
func (p *Parser) nextInline(buf []byte, maxInline int) (args [][]byte, n int, err error) {
	end, found, over := p.frame.lineEnd(buf, '\n', maxInline)
	if over && !found {
		p.Reset()
		return nil, 0, errInlineTooBig
	}
	if !found {
		return nil, 0, nil
	}
	p.Reset()
	line := buf[:end]
	if end > 0 && buf[end-1] == '\r' {
		line = buf[:end-1]
	}
	args, ok := p.splitInline(line)
	if !ok {
		return nil, 0, errInlineQuotes
	}
	if len(args) == 0 {
		args = nil
	}
	return args, end + 1, nil
}

// splitInline cuts a line into arguments by Redis' quoting rules, which the
// package comment states. The arguments alias p.text, or fresh memory when they
// are larger than what a Parser keeps.
func (p *Parser) splitInline(line []byte) (args [][]byte, ok bool) {
	text := p.text[:0]
	if cap(text) < len(line) {
		text = make([]byte, 0, len(line)) // an argument is never longer than its source
		if len(line) <= maxKeptInline {
			p.text = text
		}
	}
	args = p.args[:0]
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			break
		}
		start := len(text)
		text, i, ok = appendInlineArg(text, line, i)
		if !ok {
			return nil, false
		}
		args = append(args, text[start:len(text):len(text)])
	}
	if cap(args) <= maxKeptArgs {
		p.args = args
	}
	return args, true
}

// appendInlineArg unescapes the argument at line[i], which is not white space.
// It returns the position behind it.
func appendInlineArg(dst, line []byte, i int) (out []byte, next int, ok bool) {
	for i < len(line) {
		switch c := line[i]; c {
		case '"', '\'':
			dst, i, ok = appendQuoted(dst, line, i+1, c)
			if !ok {
				return nil, 0, false
			}
			// A closing quote ends the argument: white space or nothing follows.
			if i < len(line) && !isSpace(line[i]) {
				return nil, 0, false
			}
			return dst, i, true
		// Vertical tab and form feed separate arguments but do not end one.
		case ' ', '\n', '\r', '\t':
			return dst, i, true
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, i, true
}

// appendQuoted unescapes up to the closing quote and returns the position behind
// it; ok is false when there is none.
func appendQuoted(dst, line []byte, i int, quote byte) (out []byte, next int, ok bool) {
	for i < len(line) {
		c := line[i]
		switch {
		case c == quote:
			return dst, i + 1, true
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			dst = append(dst, '\'')
			i += 2
		case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' &&
			hexValue(line[i+2]) >= 0 && hexValue(line[i+3]) >= 0:
			dst = append(dst, byte(hexValue(line[i+2])<<4|hexValue(line[i+3])))
			i += 4
		case c == '\\' && quote == '"' && i+1 < len(line):
			dst = append(dst, escaped(line[i+1]))
			i += 2
		default:
			dst = append(dst, c)
			i++
		}
	}
	return nil, 0, false
}

// escaped is the byte that a backslash before c stands for.
func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') }
