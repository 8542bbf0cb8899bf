package keys

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Table tags: the first byte of every row. Retired numbers are never used again.
const (
	TagSystem  byte = 0x00
	TagKey     byte = 0x10
	TagReclaim byte = 0x30
	TagExpiry  byte = 0x40
	TagLibrary byte = 0x50
)

// Sizes of the fixed parts of rows.
const (
	keyPrefixLen    = 1 + 4 + 2 + 6 // tag, database, slot, hash
	expiryPrefixLen = 1 + 4 + 8     // tag, database, milliseconds
	reclaimRowLen   = 1 + 4
)

// ErrMalformed is returned for bytes that are no row of the expected table. It means damage or a newer format, never absence.
var ErrMalformed = errors.New("keys: malformed row")

// Pos is a key's place in the order of a database's keys: slot in the high 16 bits, then 48 bits of the key's hash. Several keys
// may share one. SCAN cursors are positions, which is what makes them survive restarts and hold on every replica.
type Pos uint64

// PosOf returns the place of key.
func PosOf(key []byte) Pos {
	return Pos(uint64(Slot(key))<<48 | xxhash.Sum64(key)>>16)
}

// AppendKey appends the key row of (db, key). db is an internal database number.
func AppendKey(dst []byte, db uint32, key []byte) []byte {
	dst = append(dst, TagKey)
	dst = binary.BigEndian.AppendUint32(dst, db)
	dst = binary.BigEndian.AppendUint64(dst, uint64(PosOf(key)))
	return append(dst, key...)
}

// AppendKeyPos appends the lower bound of the key rows of db at or after p.
func AppendKeyPos(dst []byte, db uint32, p Pos) []byte {
	dst = append(dst, TagKey)
	dst = binary.BigEndian.AppendUint32(dst, db)
	return binary.BigEndian.AppendUint64(dst, uint64(p))
}

// ParseKey takes a key row apart. key aliases row.
func ParseKey(row []byte) (db uint32, p Pos, key []byte, err error) {
	if len(row) < keyPrefixLen || row[0] != TagKey {
		return 0, 0, nil, fmt.Errorf("%w: key row %x", ErrMalformed, row)
	}
	return binary.BigEndian.Uint32(row[1:]), Pos(binary.BigEndian.Uint64(row[5:])), row[keyPrefixLen:], nil
}

// KeyOf returns the user key within a row made by AppendKey.
func KeyOf(row []byte) []byte { return row[keyPrefixLen:] }

// HashOf returns well mixed bits of a row, for in-memory tables: of a key row its position, of others a hash.
func HashOf(row []byte) uint64 {
	if row[0] == TagKey {
		return binary.BigEndian.Uint64(row[5:])
	}
	return xxhash.Sum64(row)
}

// DBOf returns the internal number of a key row's database.
func DBOf(row []byte) uint32 { return binary.BigEndian.Uint32(row[1:]) }

// DBBounds returns the half-open range of the rows of tag (TagKey or TagExpiry) that databases first..last own.
func DBBounds(tag byte, first, last uint32) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint32([]byte{tag}, first)
	if last == ^uint32(0) {
		return lower, []byte{tag + 1}
	}
	return lower, binary.BigEndian.AppendUint32([]byte{tag}, last+1)
}

// AppendExpiry appends the expiry-index row of a key that expires at ms.
func AppendExpiry(dst []byte, db uint32, ms int64, key []byte) []byte {
	dst = append(dst, TagExpiry)
	dst = binary.BigEndian.AppendUint32(dst, db)
	dst = binary.BigEndian.AppendUint64(dst, uint64(ms))
	return append(dst, key...)
}

// ParseExpiry takes an expiry-index row apart. key aliases row.
func ParseExpiry(row []byte) (db uint32, ms int64, key []byte, err error) {
	if len(row) < expiryPrefixLen || row[0] != TagExpiry {
		return 0, 0, nil, fmt.Errorf("%w: expiry row %x", ErrMalformed, row)
	}
	return binary.BigEndian.Uint32(row[1:]), int64(binary.BigEndian.Uint64(row[5:])), row[expiryPrefixLen:], nil
}

// AppendReclaim appends the reclaim-queue row of an internal database that nothing refers to any more.
func AppendReclaim(dst []byte, db uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, TagReclaim), db)
}

// ParseReclaim takes a reclaim-queue row apart.
func ParseReclaim(row []byte) (db uint32, err error) {
	if len(row) != reclaimRowLen || row[0] != TagReclaim {
		return 0, fmt.Errorf("%w: reclaim row %x", ErrMalformed, row)
	}
	return binary.BigEndian.Uint32(row[1:]), nil
}

// System returns the system row of that name.
func System(name string) []byte { return append([]byte{TagSystem}, name...) }

// Library is the row of a library of functions.
func Library(name string) []byte { return append([]byte{TagLibrary}, name...) }

// LibraryBounds returns the half-open range of the libraries' rows.
func LibraryBounds() (lower, upper []byte) { return []byte{TagLibrary}, []byte{TagLibrary + 1} }
