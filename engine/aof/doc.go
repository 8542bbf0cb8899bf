// Package aof reads the append-only files of Redis, for those who come from there: the manifest of a directory of Redis 7, and the commands
// in a file, of any version that writes effects (5.0 and later). It writes none.
//
// # Manifest
//
// <appendfilename>.manifest, lines of words separated by spaces; empty lines and lines that begin with '#' say nothing:
//
//	file <name> seq <n> type <b|i|h>
//
// name may be quoted as in redis.conf, and is a name in the same directory. Type b is the base, an RDB or a file of commands, at most one;
// i is a file of commands behind it, in ascending order of n; h is history, which nobody needs.
//
// # File of commands
//
// Commands as arrays of bulk strings, one after another; between two of them a line "#TS:<seconds>\r\n", or any other that begins with '#',
// may stand. A file may begin with a whole RDB (the preamble of Redis 4 to 6, or the base of 7): it begins with "REDIS".
//
// A file can end within a command, or between MULTI and EXEC, when the server that wrote it died: ErrTruncated. Whatever else is wrong is an
// *Error with the place.
package aof
