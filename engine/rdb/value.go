package rdb

import (
	"fmt"
	"math"
	"strconv"
)

// Type is the first byte of a value.
type Type byte

// The types that exist. Several of them are forms of one.
const (
	TypeString Type = iota
	TypeList
	TypeSet
	TypeZSetText
	TypeHash
	TypeZSet
	typeModule
	typeModule2
	_
	typeHashZipmap
	typeListZiplist
	typeSetIntset
	typeZSetZiplist
	typeHashZiplist
	typeListQuicklist
	TypeStream
	typeHashListpack
	typeZSetListpack
	typeListQuicklist2
	TypeStream2
	typeSetListpack
	typeStream3
	lastType
)

// lastFieldExpiry is the last of the types that Redis 7.4 (22 to 25) and Valkey 9 (22) have for hashes whose fields expire; others they write
// as before.
const lastFieldExpiry Type = 25

// Containers of a node of typeListQuicklist2.
const (
	nodePlain  = 1
	nodePacked = 2
)

// Sink takes a value apart. Slices are valid during a call only. An error ends the reading and is returned as it is.
type Sink interface {
	String(value []byte) error
	Element(value []byte) error // of a list, in order
	Member(member []byte) error // of a set
	Field(field, value []byte) error
	Score(member []byte, score float64) error
	StreamSink
}

// Value reads a value of type t into a sink. A collection has one element at least, or it is an Error; whether two are the same is the
// sink's to find out.
func (r *Reader) Value(t Type, s Sink) error {
	switch t {
	case TypeString:
		b, err := r.String()
		if err != nil {
			return err
		}
		return s.String(b)
	case TypeList, TypeSet, TypeZSetText, TypeHash, TypeZSet:
		return r.plain(t, s)
	case typeHashZipmap, typeListZiplist, typeSetIntset, typeZSetZiplist, typeHashZiplist, typeHashListpack, typeZSetListpack, typeSetListpack:
		b, err := r.String()
		if err != nil {
			return err
		}
		return r.packed(t, b, s)
	case typeListQuicklist, typeListQuicklist2:
		return r.quicklist(t, s)
	case TypeStream, TypeStream2, typeStream3:
		return r.stream(t, s)
	case typeModule, typeModule2:
		return r.bad("a module's value, which only that module can read")
	default:
		return r.bad("unknown type %d of a value", t)
	}
}

// plain reads a collection that is a row of strings.
func (r *Reader) plain(t Type, s Sink) error {
	n, err := r.Len()
	if err != nil {
		return err
	}
	if n == 0 {
		return r.bad("a collection without elements")
	}
	for ; n > 0; n-- {
		b, err := r.String()
		if err != nil {
			return err
		}
		switch t {
		case TypeList:
			err = s.Element(b)
		case TypeSet:
			err = s.Member(b)
		case TypeHash:
			err = r.field(append([]byte(nil), b...), s)
		default:
			err = r.score(append([]byte(nil), b...), t, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) field(field []byte, s Sink) error {
	value, err := r.String()
	if err != nil {
		return err
	}
	return s.Field(field, value)
}

func (r *Reader) score(member []byte, t Type, s Sink) (err error) {
	var score float64
	if t == TypeZSetText {
		score, err = r.textScore()
	} else {
		var bits uint64
		bits, err = r.Uint64()
		score = math.Float64frombits(bits)
	}
	if err != nil {
		return err
	}
	if math.IsNaN(score) {
		return r.bad("a score that is not a number")
	}
	return s.Score(member, score)
}

// quicklist reads a list in nodes.
func (r *Reader) quicklist(t Type, s Sink) error {
	n, err := r.Len()
	if err != nil {
		return err
	}
	if n == 0 {
		return r.bad("a list without nodes")
	}
	for ; n > 0; n-- {
		container := uint64(nodePacked)
		if t == typeListQuicklist2 {
			if container, err = r.Len(); err != nil {
				return err
			}
		}
		b, err := r.String()
		if err != nil {
			return err
		}
		switch container {
		case nodePlain:
			err = s.Element(b)
		case nodePacked:
			err = r.packed(t, b, s)
		default:
			err = r.bad("container %d of a list's node", container)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// packed hands the elements of a packed collection on.
func (r *Reader) packed(t Type, b []byte, s Sink) error {
	var err error
	count := 0
	switch t {
	case typeHashZipmap:
		err = eachPair(b, func(field, value []byte) error { count++; return s.Field(field, value) })
	case typeSetIntset:
		err = eachInt(b, func(digits []byte) error { count++; return s.Member(digits) })
	default:
		open := openListpack
		if t == typeListZiplist || t == typeListQuicklist || t == typeZSetZiplist || t == typeHashZiplist {
			open = openZiplist
		}
		var p *packed
		if p, err = open(b); err == nil {
			count, err = eachPacked(p, t, s)
		}
	}
	if err == nil && count == 0 {
		err = errPacked
	}
	if err == errPacked { //nolint:errorlint // only ever returned as it is, and a sink's error must pass
		return r.bad("a packed collection of %d bytes (type %d) does not hold together", len(b), t)
	}
	return err
}

func eachPacked(p *packed, t Type, s Sink) (count int, err error) {
	for ; err == nil && p.more(); count++ {
		var first, second []byte
		if first, err = p.element(); err != nil {
			return count, err
		}
		switch t {
		case typeListZiplist, typeListQuicklist, typeListQuicklist2:
			err = s.Element(first)
			continue
		case typeSetListpack:
			err = s.Member(first)
			continue
		default: // pairs
		}
		first = append([]byte(nil), first...) // an integer's digits go with the next element
		if second, err = p.element(); err != nil {
			return count, err
		}
		if t == typeHashZiplist || t == typeHashListpack {
			err = s.Field(first, second)
			continue
		}
		var score float64
		if score, err = packedScore(second); err == nil {
			err = s.Score(first, score)
		}
	}
	return count, err
}

func packedScore(b []byte) (float64, error) {
	score, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(score) {
		return 0, errPacked
	}
	return score, nil
}

func (t Type) String() string {
	switch t {
	case TypeString:
		return "string"
	case TypeList, typeListZiplist, typeListQuicklist, typeListQuicklist2:
		return "list"
	case TypeSet, typeSetIntset, typeSetListpack:
		return "set"
	case TypeZSetText, TypeZSet, typeZSetZiplist, typeZSetListpack:
		return "zset"
	case TypeHash, typeHashZipmap, typeHashZiplist, typeHashListpack:
		return "hash"
	case TypeStream, TypeStream2, typeStream3:
		return "stream"
	default:
		return fmt.Sprintf("type %d", byte(t))
	}
}
