package config

import (
	"fmt"
	"strings"
)

// Error is a mistake in the configuration, told so that a person can mend it.
type Error struct {
	File      string // the file, "command line", "environment", or "" (CONFIG SET)
	Line      int    // 1-based; 0 when there is none
	Text      string // the offending line or argument; secrets are masked
	Directive string // canonical name; "" when the line names none
	Problem   string // what is wrong; for values Redis' words
	Remedy    string // what to do about it
	Err       error  // cause, may be nil
}

// Error is one line: place, text, problem and remedy.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.place())
		b.WriteString(": ")
	}
	if e.Text != "" {
		fmt.Fprintf(&b, "'%s': ", e.Text)
	}
	b.WriteString(e.Problem)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Remedy != "" {
		fmt.Fprintf(&b, " (%s)", e.Remedy)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) place() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return e.File
}

// setError is the error reply of CONFIG SET, complete with its code, in the words of Redis 7.0.15.
type setError struct {
	text string
	err  error
}

func (e *setError) Error() string { return e.text }
func (e *setError) Unwrap() error { return e.err }

func setFailed(argument, why string, cause error) error {
	return &setError{
		text: fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%s') - %s", argument, why),
		err:  cause,
	}
}
