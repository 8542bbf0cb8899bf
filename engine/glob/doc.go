// Package glob matches byte strings against Redis' glob-style patterns, as KEYS,
// SCAN, CONFIG GET and PSUBSCRIBE use them.
//
// # Patterns
//
//   - any number of bytes, also none (but see below)
//     ?        one byte
//     [...]    one byte out of a set: single bytes, ranges a-c, escapes \]
//     [^...]   one byte that is not in the set
//     \x       the byte x
//     x        any other byte: itself
//
// # Oddities of Redis that are kept
//
// Measured on 7.0.15:
//
//   - the empty string matches the empty pattern only: not even *;
//   - a set without ] runs to the end of the pattern;
//   - ] ends a set wherever it stands, so [] is a set that nothing is in;
//   - the bounds of a range may be in either order, and bytes are signed: those from
//     0x80 on are lower than the others;
//   - without letter case, bytes escaped in a set still keep theirs;
//   - a backslash at the end is itself.
//
// # Cost
//
// Match does not allocate and does not recurse. When a star's text fails it goes
// on from that star only, never from an earlier one: the earlier star would only
// find the same text later. So a match costs at most len(pattern) * len(s) steps,
// whatever the number of stars.
package glob
