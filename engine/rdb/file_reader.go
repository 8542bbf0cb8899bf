package rdb

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// Opcodes that are only read.
const (
	opSlotInfo   = 244
	opFunction   = 246 // of a release candidate of 7.0
	opModuleAux  = 247
	opIdle       = 248
	opFreq       = 249
	opExpireSecs = 253
)

// firstChecked is the first version whose files end with a checksum.
const firstChecked = 5

// FileSink takes a file apart. An error ends the reading and is returned as it is.
type FileSink interface {
	// Aux is something about the file: repl-stream-db, for one.
	Aux(name, value string) error
	// Library is the code of a library of functions; it is valid during the call.
	Library(code []byte) error
	// SelectDB begins a database.
	SelectDB(db uint64) error
	// Key begins a key, whose value goes to the sink that it returns; expireMs is 0, or milliseconds since 1970. key is valid until EndKey.
	Key(key []byte, expireMs int64) (Sink, error)
	// EndKey ends it.
	EndKey() error
}

// maxAux is the longest value of Aux in bytes that is looked at.
const maxAux = 1 << 10

// File reads a whole RDB file, its checksum included (a file without one has zeros there). What this does not know, above all the data of
// modules, is an Error and not passed over.
func (r *Reader) File(s FileSink) error {
	version, err := r.header()
	if err != nil {
		return err
	}
	expireMs := int64(0)
	for {
		op, err := r.Byte()
		if err != nil {
			return err
		}
		switch op {
		case opEOF:
			return r.end(version)
		case opExpireMs, opExpireSecs:
			if expireMs, err = r.expiry(op); err != nil {
				return err
			}
		case opSelectDB, opResizeDB, opAux, opFreq, opIdle, opSlotInfo:
			if err := r.about(op, s); err != nil {
				return err
			}
		case opLibrary:
			code, err := r.String()
			if err == nil {
				err = s.Library(code)
			}
			if err != nil {
				return err
			}
		case opFunction:
			return r.bad("it holds functions in the form of a release candidate of Redis 7.0, which no version of it reads any more")
		case opModuleAux:
			return r.bad("it holds data of a module, which only that module can read")
		default:
			if err := r.key(Type(op), expireMs, s); err != nil {
				return err
			}
			expireMs = 0
		}
	}
}

func (r *Reader) header() (version int, err error) {
	head := r.text[:9]
	if err := r.Full(head); err != nil {
		return 0, err
	}
	digits, valkey := bytes.CutPrefix(head, []byte("VALKEY"))
	if !valkey {
		digits, _ = bytes.CutPrefix(head, []byte("REDIS"))
	}
	version, err = strconv.Atoi(string(digits))
	if err != nil || version < 1 || len(digits) == len(head) {
		return 0, r.bad("%q is not the beginning of an RDB file", head)
	}
	if !knownVersion(version) || valkey != (version >= ValkeyVersion) {
		return 0, r.bad("%q is of a version that is not known here: this reads up to %d of Redis, and %d of Valkey", head, MaxVersion, ValkeyVersion)
	}
	return version, nil
}

func (r *Reader) end(version int) error {
	if version < firstChecked {
		return nil
	}
	want := r.crc
	sum, err := r.Uint64()
	if err != nil {
		return err
	}
	if sum != want && sum != 0 { // 0: written with rdbchecksum no
		return r.bad("its checksum is %016x, its bytes give %016x", sum, want)
	}
	return nil
}

func (r *Reader) expiry(op byte) (ms int64, err error) {
	if op == opExpireMs {
		n, err := r.Uint64()
		return int64(n), err //nolint:gosec // as Redis reads it
	}
	b := r.text[:4]
	err = r.Full(b)
	return int64(int32(binary.LittleEndian.Uint32(b))) * 1000, err //nolint:gosec // as Redis reads it
}

// about reads what is neither a key nor the end.
func (r *Reader) about(op byte, s FileSink) error {
	switch op {
	case opSelectDB:
		db, err := r.Len()
		if err != nil {
			return err
		}
		return s.SelectDB(db)
	case opAux:
		b, err := r.String()
		if err != nil {
			return err
		}
		name := string(b[:min(len(b), maxAux)])
		if b, err = r.String(); err != nil {
			return err
		}
		return s.Aux(name, string(b[:min(len(b), maxAux)]))
	case opFreq:
		_, err := r.Byte()
		return err
	}
	lengths := map[byte]int{opResizeDB: 2, opIdle: 1, opSlotInfo: 3}[op]
	for range lengths {
		if _, err := r.Len(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) key(t Type, expireMs int64, s FileSink) error {
	if t >= lastType && t <= lastFieldExpiry {
		return r.bad("it holds a hash whose fields expire (HEXPIRE), which this version cannot keep: HPERSIST them there first")
	}
	if t >= lastType {
		return r.bad("unknown opcode or type %d", t)
	}
	b, err := r.String()
	if err != nil {
		return err
	}
	key := append([]byte(nil), b...)
	sink, err := s.Key(key, expireMs)
	if err != nil {
		return err
	}
	if err := r.Value(t, sink); err != nil {
		return err
	}
	return s.EndKey()
}
