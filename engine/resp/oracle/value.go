package oracle

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"replogd/engine/resp"
)

// Value is a reply in RESP2 or RESP3, kept apart by its type byte.
type Value struct {
	Kind  byte
	Text  string  // of everything that has no elements
	Elems []Value // of * ~ > and %, whose keys and values alternate
}

// Get returns the value of a key in a map, or in an array of pairs in turn.
func (v Value) Get(key string) (Value, bool) {
	for i := 0; i+1 < len(v.Elems); i += 2 {
		if v.Elems[i].Text == key {
			return v.Elems[i+1], true
		}
	}
	return Value{}, false
}

// ReadValue reads one reply from a server that is trusted: lengths are believed.
func ReadValue(r *bufio.Reader) (Value, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return Value{}, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return Value{}, fmt.Errorf("read reply: empty line")
	}
	v := Value{Kind: line[0], Text: line[1:]}
	var elems int
	switch v.Kind {
	case '+', '-', ':', ',', '#', '_', '(':
		return v, nil
	case '$', '=', '*', '~', '>', '%':
		n, err := strconv.Atoi(v.Text)
		if err != nil {
			return Value{}, fmt.Errorf("read reply: %w", err)
		}
		if n < 0 {
			return v, nil
		}
		if v.Kind == '$' || v.Kind == '=' {
			body := make([]byte, n+2)
			_, err := io.ReadFull(r, body)
			v.Text = string(body[:n])
			return v, err
		}
		v.Text, elems = "", n
		if v.Kind == '%' {
			elems *= 2
		}
	default:
		return Value{}, fmt.Errorf("read reply: unknown type %q", line)
	}
	v.Elems = make([]Value, elems)
	for i := range v.Elems {
		if v.Elems[i], err = ReadValue(r); err != nil {
			return Value{}, err
		}
	}
	return v, nil
}

// ParseValue reads the one reply that w holds.
func ParseValue(tb testing.TB, w *resp.Writer) Value {
	tb.Helper()
	r := bufio.NewReader(strings.NewReader(string(w.Bytes())))
	v, err := ReadValue(r)
	if err == nil {
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			err = fmt.Errorf("%d bytes behind the reply", len(rest))
		}
	}
	if err != nil {
		tb.Fatalf("%v in %q", err, w.Bytes())
	}
	return v
}

// Value sends a command and reads its reply in whatever protocol the connection
// speaks.
func (c *Client) Value(args ...string) Value {
	c.tb.Helper()
	c.Send(resp.AppendCommandStrings(nil, args...))
	v, err := ReadValue(c.r)
	if err != nil {
		c.tb.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return v
}
