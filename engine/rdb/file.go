package rdb

import "fmt"

// Opcodes of a file.
const (
	opLibrary  = 245
	opAux      = 250
	opResizeDB = 251
	opExpireMs = 252
	opSelectDB = 254
	opEOF      = 255
)

const (
	// fileVersion is what a file says: that of Redis 5, so that it and all later ones load it. What only a later one knows stands in the types.
	fileVersion = 9
	// libraryVersion is that of Redis 7.0, which brought libraries of functions.
	libraryVersion = 10
)

// Header begins a file, which holds libraries of functions or does not.
func (w *Writer) Header(libraries bool) {
	version := fileVersion
	if libraries {
		version = libraryVersion
	}
	w.Raw(fmt.Appendf(nil, "REDIS%04d", version))
}

// Library writes the code of a library of functions; before the first database.
func (w *Writer) Library(code []byte) {
	w.Byte(opLibrary)
	w.String(code)
}

// Aux writes something about the file.
func (w *Writer) Aux(name, value string) {
	w.Byte(opAux)
	w.String([]byte(name))
	w.String([]byte(value))
}

// SelectDB begins a database.
func (w *Writer) SelectDB(db int, keys, expires uint64) {
	w.Byte(opSelectDB)
	w.Len(uint64(db)) //nolint:gosec // not negative
	w.Byte(opResizeDB)
	w.Len(keys)
	w.Len(expires)
}

// ExpireMs says when the next key expires.
func (w *Writer) ExpireMs(ms int64) {
	w.Byte(opExpireMs)
	w.Uint64(uint64(ms)) //nolint:gosec // as Redis reads it
}

// End ends a file and passes on all of it.
func (w *Writer) End() error {
	w.Byte(opEOF)
	w.Uint64(w.Sum())
	return w.Flush()
}
