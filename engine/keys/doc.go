// Package keys encodes and decodes the rows of the keyspace: bytes only, no store. The layout is specified in the comment of
// package engine; every function here is one line of that table. Decoders accept exactly what the encoders write: anything else
// is ErrMalformed, never guessed at.
package keys
