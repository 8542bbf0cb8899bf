package glob

// Match reports whether s matches pattern. nocase ignores the letter case of
// ASCII letters.
func Match(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	// starP is the position behind the last star met, starS where the text that the
	// pattern behind it stands for was last tried. -1: no star yet.
	p, i, starP, starS := 0, 0, -1, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			if p == len(pattern) {
				return true
			}
			starP, starS = p, i
			continue
		}
		if p < len(pattern) {
			if next, ok := one(pattern, p, s[i], nocase); ok {
				p, i = next, i+1
				continue
			}
		}
		if starP < 0 {
			return false
		}
		starS++
		p, i = starP, starS
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches the byte c with the pattern's element at p, which is not a star, and
// returns the position behind the element.
func one(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return set(pattern, p+1, c, nocase)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, same(pattern[p], c, nocase)
}

// set matches c with the set whose first byte is at p.
func set(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; ; p++ {
		left := len(pattern) - p
		switch {
		case left == 0:
			return p, ok != not
		case left >= 2 && pattern[p] == '\\':
			p++
			ok = ok || pattern[p] == c
		case pattern[p] == ']':
			return p + 1, ok != not
		case left >= 3 && pattern[p+1] == '-':
			ok = ok || inRange(pattern[p], pattern[p+2], c, nocase)
			p += 2
		default:
			ok = ok || same(pattern[p], c, nocase)
		}
	}
}

// inRange compares as C does where char is signed. The bounds are put in order
// before the letter case is taken away.
func inRange(from, to, c byte, nocase bool) bool {
	if int8(from) > int8(to) { // signed on purpose
		from, to = to, from
	}
	if nocase {
		from, to, c = lower(from), lower(to), lower(c)
	}
	return int8(c) >= int8(from) && int8(c) <= int8(to) // signed on purpose
}

func same(a, b byte, nocase bool) bool {
	return a == b || nocase && lower(a) == lower(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Prefix returns the bytes that every match of pattern begins with, with letter
// case, so that a search can begin there. whole means that the pattern has no
// special element: only the prefix itself matches. The prefix aliases pattern
// unless there are escapes in it.
func Prefix(pattern []byte) (prefix []byte, whole bool) {
	copied := false
	for p := 0; p < len(pattern); p++ {
		c := pattern[p]
		if c == '*' || c == '?' || c == '[' {
			return prefix, false
		}
		if c == '\\' && p+1 < len(pattern) {
			if !copied {
				prefix, copied = append([]byte(nil), prefix...), true
			}
			p++
			c = pattern[p]
		}
		if copied {
			prefix = append(prefix, c)
		} else {
			prefix = pattern[: p+1 : p+1]
		}
	}
	return prefix, true
}
