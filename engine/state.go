package engine

import (
	"encoding/binary"
	"fmt"

	"replogd/engine/keys"
)

// stateFormat is the first byte of the state row. An unknown one is a newer version's.
const stateFormat = 1

// stateRow is the one system row: it is part of every batch, so it says exactly which prefix of the log the rows hold.
var stateRow = keys.System("state")

// state is what the state row holds: the keyspace's position in the log, and what is counted instead of looked up.
//
// Encoding: format byte, then unsigned varints: applied, streamDB, nextUID, nextDB, number of databases, and for each database
// id, keys, expires.
type state struct {
	applied  uint64 // the rows reflect the log up to this offset
	streamDB int    // database the stream has selected at applied
	nextUID  uint64 // next collection id; never reused
	nextDB   uint32 // next internal database number; never reused
	dbs      []dbState
}

// dbState is one logical database. Its rows carry the internal number id, which changes hands when SWAPDB swaps two databases
// and is replaced by a fresh one when the database is flushed: both touch no row but this.
type dbState struct {
	id      uint32
	keys    int64
	expires int64
}

// newState is the state of an empty keyspace at offset applied.
func newState(applied uint64, databases int) state {
	s := state{applied: applied, nextUID: 1}
	s.growTo(databases)
	return s
}

// growTo adds databases up to count; it never takes any away, as they may hold keys.
func (s *state) growTo(count int) {
	for len(s.dbs) < count {
		s.dbs = append(s.dbs, dbState{id: s.nextDB})
		s.nextDB++
	}
}

// copyTo makes dst equal to s without sharing memory, reusing dst's.
func (s *state) copyTo(dst *state) {
	dbs := append(dst.dbs[:0], s.dbs...)
	*dst = *s
	dst.dbs = dbs
}

func (s *state) appendTo(dst []byte) []byte {
	dst = append(dst, stateFormat)
	dst = binary.AppendUvarint(dst, s.applied)
	dst = binary.AppendUvarint(dst, uint64(s.streamDB))
	dst = binary.AppendUvarint(dst, s.nextUID)
	dst = binary.AppendUvarint(dst, uint64(s.nextDB))
	dst = binary.AppendUvarint(dst, uint64(len(s.dbs)))
	for _, db := range s.dbs {
		dst = binary.AppendUvarint(dst, uint64(db.id))
		dst = binary.AppendUvarint(dst, uint64(db.keys))
		dst = binary.AppendUvarint(dst, uint64(db.expires))
	}
	return dst
}

func parseState(row []byte) (state, error) {
	if len(row) == 0 {
		return state{}, fmt.Errorf("%w: empty state row", ErrCorrupt)
	}
	if row[0] != stateFormat {
		return state{}, fmt.Errorf("keyspace format %d is not known to this version (it knows %d): use the version that wrote it", row[0], stateFormat)
	}
	rest, bad := row[1:], false
	next := func() uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			bad, rest = true, nil
			return 0
		}
		rest = rest[n:]
		return v
	}
	s := state{applied: next(), streamDB: int(next()), nextUID: next(), nextDB: uint32(next())}
	count := next()
	for range count {
		if bad || len(s.dbs) >= maxDatabases {
			break
		}
		s.dbs = append(s.dbs, dbState{id: uint32(next()), keys: int64(next()), expires: int64(next())})
	}
	if bad || len(rest) != 0 || uint64(len(s.dbs)) != count {
		return state{}, fmt.Errorf("%w: state row %x", ErrCorrupt, row)
	}
	return s, nil
}
