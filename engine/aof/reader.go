package aof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	// maxArgs and maxBulk bound one command, as Redis bounds it.
	maxArgs = 1 << 20
	maxBulk = 512 << 20
	// maxNumber is the longest line "*<n>" or "$<n>".
	maxNumber = 32
	// firstBytes is how much of a bulk string is allocated before it has arrived.
	firstBytes = 1 << 20
)

// ErrTruncated says that the file ends within a command.
var ErrTruncated = errors.New("the file ends within a command")

// Error is damage, with its place.
type Error struct {
	Pos  int64 // of the command
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("command at byte %d: %s", e.Pos, e.What) }

// Reader reads the commands of a file.
type Reader struct {
	r       *bufio.Reader
	pos     int64 // bytes read
	command int64 // where the present command begins
}

// NewReader reads from r, whose next byte is byte pos of the file.
func NewReader(r *bufio.Reader, pos int64) *Reader { return &Reader{r: r, pos: pos} }

// Pos is where the last command ends, or where the one begins that Next has failed on.
func (r *Reader) Pos() int64 { return r.command }

// Next returns the next command; its slices are the caller's. io.EOF is the end behind a whole command, ErrTruncated one within, an *Error
// what Redis would not have written.
func (r *Reader) Next() (args [][]byte, err error) {
	if err := r.skipNotes(); err != nil {
		return nil, err
	}
	r.command = r.pos
	n, err := r.number('*', maxArgs)
	if err != nil {
		return nil, r.within(err)
	}
	if n < 1 {
		return nil, r.bad("an empty command")
	}
	args = make([][]byte, 0, min(n, 1024))
	for range n {
		arg, err := r.bulk()
		if err != nil {
			return nil, r.within(err)
		}
		args = append(args, arg)
	}
	r.command = r.pos
	return args, nil
}

// skipNotes passes over lines that begin with '#'. io.EOF: nothing follows.
func (r *Reader) skipNotes() error {
	for {
		head, err := r.r.Peek(1)
		if err != nil {
			return err
		}
		if head[0] != '#' {
			return nil
		}
		r.command = r.pos
		for more := true; more; {
			line, err := r.r.ReadSlice('\n')
			r.pos += int64(len(line))
			if more = errors.Is(err, bufio.ErrBufferFull); err != nil && !more {
				return r.within(err)
			}
		}
	}
}

// number reads a line of kind and a number from 0 to most.
func (r *Reader) number(kind byte, most int64) (int64, error) {
	line, err := r.r.ReadSlice('\n')
	r.pos += int64(len(line))
	if err != nil && !(errors.Is(err, io.EOF) && len(line) <= maxNumber) {
		return 0, r.bad("a line without an end")
	}
	if len(line) > 0 && line[0] != kind {
		return 0, r.bad("%q where %q is due", line[0], kind)
	}
	if err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	if len(line) < 4 || len(line) > maxNumber || line[len(line)-2] != '\r' {
		return 0, r.bad("bad length %.40q", line)
	}
	n, err := strconv.ParseInt(string(line[1:len(line)-2]), 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, r.bad("bad length %.40q", line)
	}
	return n, nil
}

func (r *Reader) bulk() ([]byte, error) {
	n, err := r.number('$', maxBulk)
	if err != nil {
		return nil, err
	}
	arg := make([]byte, 0, min(n, firstBytes))
	for int64(len(arg)) < n { // memory grows with what is there, not with what is announced
		from := len(arg)
		arg = append(arg, make([]byte, min(n-int64(from), max(int64(from), firstBytes)))...)
		k, err := io.ReadFull(r.r, arg[from:])
		r.pos += int64(k)
		if err != nil {
			return nil, err
		}
	}
	var end [2]byte
	k, err := io.ReadFull(r.r, end[:])
	r.pos += int64(k)
	if err != nil {
		return nil, err
	}
	if end != [2]byte{'\r', '\n'} {
		return nil, r.bad("a string that is longer than it says")
	}
	return arg, nil
}

// within tells the end of the file within a command from other errors.
func (r *Reader) within(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}

func (r *Reader) bad(format string, args ...any) error {
	return &Error{Pos: r.command, What: fmt.Sprintf(format, args...)}
}
