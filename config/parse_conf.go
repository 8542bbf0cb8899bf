package config

import (
	"bytes"
	"errors"
	"strings"
)

// errQuotes is Redis' text.
var errQuotes = errors.New("Unbalanced quotes in configuration line") //nolint:staticcheck // Redis' text

// confLine is one line of a file in redis.conf syntax.
type confLine struct {
	number int      // 1-based
	text   string   // without surrounding blanks
	words  []string // nil for blank lines and comments
	err    error    // the line cannot be split
}

// parseConf splits a file in redis.conf syntax into its lines. It never fails: a line that cannot be split carries its
// error, so that CONFIG REWRITE can keep lines it does not understand.
func parseConf(data []byte) []confLine {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark some editors write
	raw := strings.Split(string(data), "\n")
	lines := make([]confLine, len(raw))
	for i, s := range raw {
		s = strings.Trim(s, " \t\r")
		lines[i] = confLine{number: i + 1, text: s}
		if s == "" || s[0] == '#' {
			continue
		}
		lines[i].words, lines[i].err = splitArgs(s)
	}
	return lines
}

// splitArgs splits a line into words by Redis' rules. In double quotes \n \r \t \b \a, \xHH and a backslash before any
// other byte are escapes; in single quotes only \' is. A closing quote must be followed by a blank or the end.
func splitArgs(s string) ([]string, error) {
	var words []string
	for {
		for s != "" && isBlank(s[0]) {
			s = s[1:]
		}
		if s == "" {
			return words, nil
		}
		word, rest, err := splitWord(s)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), rest
	}
}

// splitWord cuts the first word off s, which does not begin with a blank. Quotes may begin inside a word.
func splitWord(s string) (word, rest string, err error) {
	var b strings.Builder
	for s != "" && !isBlank(s[0]) {
		if s[0] == '"' || s[0] == '\'' {
			quoted, after, ok := splitQuoted(s)
			if !ok || (after != "" && !isBlank(after[0])) {
				return "", "", errQuotes
			}
			b.WriteString(quoted)
			return b.String(), after, nil
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String(), s, nil
}

// splitQuoted reads the quoted string at the start of s.
func splitQuoted(s string) (word, rest string, ok bool) {
	quote := s[0]
	s = s[1:]
	var b strings.Builder
	for s != "" {
		switch {
		case s[0] == quote:
			return b.String(), s[1:], true
		case s[0] != '\\' || len(s) == 1:
			b.WriteByte(s[0])
			s = s[1:]
		case quote == '\'':
			if s[1] == '\'' {
				s = s[1:]
			}
			b.WriteByte(s[0])
			s = s[1:]
		case s[1] == 'x' && len(s) >= 4 && isHex(s[2]) && isHex(s[3]):
			b.WriteByte(unhex(s[2])<<4 | unhex(s[3]))
			s = s[4:]
		default:
			b.WriteByte(unescape(s[1]))
			s = s[2:]
		}
	}
	return "", "", false
}

func isBlank(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') }

func isHex(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

func unescape(c byte) byte {
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

// quoteArg writes s so that splitArgs reads it back as one word; plain words stay as they are.
func quoteArg(s string) string {
	plain := s != "" && s[0] != '#'
	for i := 0; plain && i < len(s); i++ {
		c := s[i]
		plain = c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\'
	}
	if plain {
		return s
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c) // UTF-8 stays readable
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteArgs(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quoteArg(a)
	}
	return strings.Join(quoted, " ")
}
