// Package resp is the Redis serialization protocol as replogd uses it: for
// client connections, replica links, and the replay of the log. It is the only
// importer of redcon, and the only place where bytes of a peer become commands.
//
// # What it promises
//
//   - Linear work. A command of any shape costs O(its bytes), however the bytes
//     arrive: every scanner keeps its place in a partial frame.
//   - Bounded memory. A number sent by a peer is checked against a limit before
//     it is used, and nothing is allocated in proportion to it: only bytes that
//     have arrived cost memory.
//   - The frames that reach redcon.ReadNextCommand are complete and validated.
//     Signs, overflows, leading zeros, bare line feeds and the Tile38 and telnet
//     kinds, which it would accept or panic on, never get there.
//   - Redis 7.0.15's error texts, tolerances and number formats; the tests
//     compare them with a running redis-server when one is installed.
//
// # Formats
//
// A command is an array of bulk strings, lengths in decimal without sign or
// leading zero:
//
//	*<argc>CRLF  then argc times  $<length>CRLF <bytes> CRLF
//
// From clients (Parser), as Redis does it:
//
//   - an argc of 0 or less is an empty command and is swallowed;
//   - the byte after the CR of a length line and the two bytes after a bulk
//     string are skipped without a look at them;
//   - a length line has at most MaxInline bytes before its CR;
//   - a NUL in a length line or in an inline line hides its end, so the line can
//     only run into its limit;
//   - anything that does not begin with '*' is an inline command: a line ended
//     by LF or CRLF, split at white space, with "..." (escapes \n \r \t \b \a
//     \xHH and \<any>) and '...' (escape \') quoting; a closing quote must be
//     followed by white space or the end.
//
// In a replication stream (UnitScanner) the form is strict: arrays with at least
// one argument, each line and each bulk string ended by exactly CRLF. Anything
// else means that the stream is damaged or out of step.
//
// Replies (Writer) in RESP2 and RESP3:
//
//	            RESP2                  RESP3
//	Simple      +text                  +text
//	Error       -CODE text             -CODE text
//	Int         :n                     :n
//	Bulk        $len bytes             $len bytes
//	Null        $-1                    _
//	NullArray   *-1                    _
//	Array       *n                     *n
//	Map         *2n                    %n
//	Set         *n                     ~n
//	Push        *n                     >n
//	Double      $len %.17g             ,%.17g
//	BigNumber   $len digits            (digits
//	Bool        :1 :0                  #t #f
//	Verbatim    $len text              =len+4 fmt:text
//
// # Ownership
//
// Scanners return slices that alias the bytes they were given (or their own
// buffer); each doc string says until when they are valid. Nothing in this
// package starts goroutines, and no type is safe for concurrent use.
package resp
