package rdb

import "fmt"

// Opcodes of a file.
const (
	opAux      = 250
	opResizeDB = 251
	opExpireMs = 252
	opSelectDB = 254
	opEOF      = 255
)

// fileVersion is what a file says: that of Redis 5, so that it and all later ones load it. What only a later one knows stands in the types.
const fileVersion = 9

// Header begins a file.
func (w *Writer) Header() { w.Raw(fmt.Appendf(nil, "REDIS%04d", fileVersion)) }

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
