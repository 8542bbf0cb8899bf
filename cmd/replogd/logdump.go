package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replogd/engine/resp"
	"replogd/wal"
)

const logdumpUsage = `usage: replogd logdump DIR|SEGMENT [--from offset] [--full]

Prints one line per command of the log:

  start end epoch kind time "COMMAND" "argument" ...

start and end are stream offsets (bytes before and after the command; PSYNC asks for start+1), epoch the number of the history the
record belongs to, kind data or noop (PING, GETACK), time when it was appended, UTC. Quoting is redis-cli's.

  DIR            a data directory, or its wal directory; also of a running server
  SEGMENT        one segment file
  --from offset  leave out what ends at or before this offset
  --full         do not shorten long arguments
`

// maxDumpArg is how many bytes of an argument are shown without --full.
const maxDumpArg = 128

// errOutput stops the walk when nobody reads any more.
var errOutput = errors.New("write output")

// dumper prints the commands of a log.
type dumper struct {
	out  *bufio.Writer
	from uint64
	full bool

	parser resp.Parser
	line   []byte
}

func logdump(args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && isHelp(args[0]) {
		_, _ = io.WriteString(stdout, logdumpUsage) // nobody to tell
		return exitOK
	}
	d := &dumper{out: bufio.NewWriter(stdout)}
	path, err := d.options(args)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd logdump: %v\n%s", err, logdumpUsage)
		return exitUsage
	}
	segments, err := findSegments(path)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "replogd logdump: %v\n", err)
		return exitUsage
	}
	code := d.dump(segments, stderr)
	if err := d.out.Flush(); err != nil {
		return exitFailed // whoever read has gone
	}
	return code
}

// options reads the command line: one path, flags before or after it.
func (d *dumper) options(args []string) (path string, err error) {
	for i := 0; i < len(args); i++ {
		name, val, hasVal := strings.Cut(args[i], "=")
		switch {
		case name == "--full" && !hasVal:
			d.full = true
		case name == "--from":
			if !hasVal {
				if i++; i == len(args) {
					return "", errors.New("--from needs an offset")
				}
				val = args[i]
			}
			if d.from, err = strconv.ParseUint(val, 10, 64); err != nil {
				return "", fmt.Errorf("--from %s: not an offset", val)
			}
		case strings.HasPrefix(args[i], "-"):
			return "", fmt.Errorf("unknown option %s", args[i])
		case path != "":
			return "", fmt.Errorf("one directory or segment, not also %s", args[i])
		default:
			path = args[i]
		}
	}
	if path == "" {
		return "", errors.New("a directory or a segment is missing")
	}
	return path, nil
}

// findSegments lists the segment files that path stands for.
func findSegments(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	for _, dir := range []string{filepath.Join(path, "wal"), path} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		segments, err := wal.ListSegments(vfs.Default, dir)
		if err != nil || len(segments) > 0 {
			return segments, err
		}
	}
	return nil, fmt.Errorf("%s holds no log segments", path)
}

// dump prints the segments; damage is told on stderr at its place and does not end the walk.
func (d *dumper) dump(segments []string, stderr io.Writer) (code int) {
	for i, path := range segments {
		if i+1 < len(segments) && startOf(segments[i+1]) <= d.from {
			continue // all of it lies before
		}
		rep, err := wal.VerifySegment(vfs.Default, path, d.record)
		if errors.Is(err, errOutput) {
			return exitFailed
		}
		if ferr := d.out.Flush(); ferr != nil {
			return exitFailed
		}
		switch {
		case err != nil:
			_, _ = fmt.Fprintf(stderr, "replogd logdump: %v\n", err)
			code = exitFailed
			if !errors.Is(err, wal.ErrCorrupt) {
				code = exitUsage
			}
		case rep.Tail == wal.TailTorn && i+1 < len(segments):
			_, _ = fmt.Fprintf(stderr, "replogd logdump: %s: damaged: no record at file position %d (stream offset %d): %v\n", path, rep.EndPos, rep.Info.End, rep.TornCause)
			code = exitFailed
		case rep.Tail == wal.TailTorn:
			_, _ = fmt.Fprintf(stderr, "replogd logdump: %s: %d bytes at file position %d are no record (%v); the server cuts such a tail off the last segment\n",
				path, rep.TornBytes, rep.EndPos, rep.TornCause)
		}
	}
	return code
}

// startOf reads the start offset out of a segment's name; ListSegments has checked it.
func startOf(path string) uint64 {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	start, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return start
}

// dumpLimits let everything pass that a log can hold.
var dumpLimits = resp.Limits{MaxArgs: math.MaxInt32, MaxBulk: math.MaxInt32, MaxInline: math.MaxInt32}

// record prints the commands of one record.
func (d *dumper) record(r wal.Record) error {
	d.parser.Reset()
	rest, at := r.Payload, r.Start
	for len(rest) > 0 {
		args, n, err := d.parser.Next(rest, dumpLimits)
		if err != nil || n == 0 {
			return d.print(r, at, rest, nil) // not a command: shown as it is
		}
		if err := d.print(r, at, rest[:n], args); err != nil {
			return err
		}
		rest, at = rest[n:], at+uint64(n)
	}
	return nil
}

// print writes one line for the bytes raw at offset at; args is nil when they could not be parsed.
func (d *dumper) print(r wal.Record, at uint64, raw []byte, args [][]byte) error {
	end := at + uint64(len(raw))
	if end <= d.from {
		return nil
	}
	kind := "data"
	if r.Kind == wal.KindNoop {
		kind = "noop"
	}
	b := fmt.Appendf(d.line[:0], "%12d %12d %3d %s %s ", at, end, r.Epoch, kind, time.UnixMilli(r.TimeMs).UTC().Format("2006-01-02T15:04:05.000Z"))
	if args == nil {
		b = d.appendQuoted(append(b, "(not a command) "...), raw)
	}
	for i, a := range args {
		if i > 0 {
			b = append(b, ' ')
		}
		b = d.appendQuoted(b, a)
	}
	d.line = append(b, '\n')
	if _, err := d.out.Write(d.line); err != nil {
		return fmt.Errorf("%w: %w", errOutput, err)
	}
	return nil
}

// appendQuoted quotes as redis-cli does: printable ASCII as it is, the rest escaped.
func (d *dumper) appendQuoted(b, s []byte) []byte {
	size := len(s)
	if !d.full && size > maxDumpArg {
		s = s[:maxDumpArg]
	}
	b = append(b, '"')
	for _, c := range s {
		switch c {
		case '\\', '"':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case '\a':
			b = append(b, `\a`...)
		case '\b':
			b = append(b, `\b`...)
		default:
			if c < ' ' || c >= 0x7f {
				b = fmt.Appendf(b, `\x%02x`, c)
			} else {
				b = append(b, c)
			}
		}
	}
	b = append(b, '"')
	if len(s) < size {
		b = fmt.Appendf(b, "...(%d bytes)", size)
	}
	return b
}
