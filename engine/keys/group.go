package keys

import (
	"encoding/binary"
	"fmt"
)

// Kinds of rows of consumer groups, behind table and uid. A group has a number within its stream, never used again there.
const (
	groupRow    = 'G' // name: a group
	consumerRow = 'C' // group, name: a consumer
	pendingRow  = 'P' // group, id: an entry that was delivered and not acknowledged
	ownedRow    = 'Q' // group, length of name, name, id: the same in the order of consumers; no value
)

// Group is the value of a group's row.
type Group struct {
	Number      uint64
	Last        StreamID // of the last entry delivered
	EntriesRead int64    // entries up to Last, in the stream's life; -1: unknown
	Pending     uint64   // rows of pending entries
}

// Consumer is the value of a consumer's row.
type Consumer struct {
	SeenMs  int64 // when it last asked for something, milliseconds since 1970
	Pending uint64
}

// Pending is the value of a pending entry's row.
type Pending struct {
	DeliveredMs int64 // milliseconds since 1970
	Count       uint64
	Consumer    []byte // aliases the row it was parsed from
}

// AppendGroup appends the row of a group. An empty name gives the lower bound of all groups.
func AppendGroup(dst []byte, uid uint64, name []byte) []byte {
	return append(append(AppendElements(dst, TagGroup, uid), groupRow), name...)
}

// GroupName is the name in a row made by AppendGroup.
func GroupName(row []byte) []byte { return row[elemPrefix+1:] }

func appendGroupPart(dst []byte, uid uint64, kind byte, group uint64) []byte {
	return binary.BigEndian.AppendUint64(append(AppendElements(dst, TagGroup, uid), kind), group)
}

// AppendConsumer appends the row of a group's consumer. An empty name gives the lower bound of all.
func AppendConsumer(dst []byte, uid, group uint64, name []byte) []byte {
	return append(appendGroupPart(dst, uid, consumerRow, group), name...)
}

// ConsumerName is the name in a row made by AppendConsumer.
func ConsumerName(row []byte) []byte { return row[elemPrefix+1+8:] }

// AppendPending appends the row of a group's pending entry.
func AppendPending(dst []byte, uid, group uint64, id StreamID) []byte {
	return AppendStreamID(appendGroupPart(dst, uid, pendingRow, group), id)
}

// AppendOwned appends the row of a consumer's pending entry.
func AppendOwned(dst []byte, uid, group uint64, consumer []byte, id StreamID) []byte {
	dst = appendGroupPart(dst, uid, ownedRow, group)
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(consumer))), consumer...)
	return AppendStreamID(dst, id)
}

// PendingID is the id at the end of a row made by AppendPending or AppendOwned.
func PendingID(row []byte) (StreamID, error) {
	if len(row) < elemPrefix+1+8+16 || row[0] != TagGroup || row[elemPrefix] != pendingRow && row[elemPrefix] != ownedRow {
		return StreamID{}, fmt.Errorf("%w: pending row %x", ErrMalformed, row)
	}
	return parseStreamID(row[len(row)-16:]), nil
}

// AppendGroupValue appends the value of a group's row.
func AppendGroupValue(dst []byte, g Group) []byte {
	dst = AppendStreamID(binary.BigEndian.AppendUint64(dst, g.Number), g.Last)
	dst = binary.BigEndian.AppendUint64(dst, uint64(g.EntriesRead))
	return binary.BigEndian.AppendUint64(dst, g.Pending)
}

// ParseGroupValue reads what AppendGroupValue wrote.
func ParseGroupValue(b []byte) (Group, error) {
	if len(b) != 8+16+8+8 {
		return Group{}, fmt.Errorf("%w: group of %d bytes", ErrMalformed, len(b))
	}
	return Group{
		Number: binary.BigEndian.Uint64(b), Last: parseStreamID(b[8:]),
		EntriesRead: int64(binary.BigEndian.Uint64(b[24:])), Pending: binary.BigEndian.Uint64(b[32:]),
	}, nil
}

// AppendConsumerValue appends the value of a consumer's row.
func AppendConsumerValue(dst []byte, c Consumer) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(c.SeenMs)), c.Pending)
}

// ParseConsumerValue reads what AppendConsumerValue wrote.
func ParseConsumerValue(b []byte) (Consumer, error) {
	if len(b) != 16 {
		return Consumer{}, fmt.Errorf("%w: consumer of %d bytes", ErrMalformed, len(b))
	}
	return Consumer{SeenMs: int64(binary.BigEndian.Uint64(b)), Pending: binary.BigEndian.Uint64(b[8:])}, nil
}

// AppendPendingValue appends the value of a pending entry's row.
func AppendPendingValue(dst []byte, p Pending) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.DeliveredMs))
	return append(binary.BigEndian.AppendUint64(dst, p.Count), p.Consumer...)
}

// ParsePendingValue reads what AppendPendingValue wrote.
func ParsePendingValue(b []byte) (Pending, error) {
	if len(b) < 16 {
		return Pending{}, fmt.Errorf("%w: pending entry of %d bytes", ErrMalformed, len(b))
	}
	return Pending{DeliveredMs: int64(binary.BigEndian.Uint64(b)), Count: binary.BigEndian.Uint64(b[8:]), Consumer: b[16:]}, nil
}
