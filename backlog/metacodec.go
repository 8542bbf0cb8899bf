package backlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Layout of the values of meta.db; the package comment is the spec.
const (
	formatVersion = 1 // of the file as a whole
	valueVersion  = 1 // of each value's body

	sumLen = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errSum   = errors.New("checksum mismatch")
	errShort = errors.New("value is truncated")
	errLong  = errors.New("value has bytes left over")
)

// Roles as recorded.
type role uint8

const (
	roleNone role = iota // not taken yet in this run
	roleLeader
	roleFollower
)

func (r role) String() string {
	switch r {
	case roleLeader:
		return "leader"
	case roleFollower:
		return "follower"
	default:
		return "none"
	}
}

// Run states as recorded.
const (
	stateRunning = 1
	stateClean   = 2

	flagUnsafe   = 1 << 0
	flagLostTail = 1 << 1
	flagLed      = 1 << 2

	flagOwn = 1 << 0
)

// runRecord is what one run leaves for the next to judge by.
type runRecord struct {
	clean    bool
	role     role
	led      bool   // was leader at some time of the run
	unsafe   bool   // bytes may have left this process before they were fsynced, at some time of the run
	lostTail bool   // such a run as leader ended uncleanly, and no new history was begun since
	floor    uint64 // the log was fsynced up to here when the record was written; of a clean record: its end
}

// lostTailNext is what the next run must conclude about LostTailPossible.
func (r runRecord) lostTailNext() bool {
	return r.lostTail || (!r.clean && r.led && r.unsafe)
}

// generationRecord names the dataset generation and where its log began.
type generationRecord struct {
	gen, start uint64
}

// sealValue frames a body: version, body, CRC32C over key, version and body.
func sealValue(key string, body []byte) []byte {
	v := make([]byte, 0, 1+len(body)+sumLen)
	v = append(v, valueVersion)
	v = append(v, body...)
	return binary.LittleEndian.AppendUint32(v, valueSum(key, v))
}

func valueSum(key string, v []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, v)
}

// openValue checks a framed value and returns its body, which aliases v.
func openValue(key string, v []byte) ([]byte, error) {
	if len(v) < 1+sumLen {
		return nil, errShort
	}
	n := len(v) - sumLen
	if got, want := valueSum(key, v[:n]), binary.LittleEndian.Uint32(v[n:]); got != want {
		return nil, fmt.Errorf("%w: stored %08x, computed %08x", errSum, want, got)
	}
	if v[0] != valueVersion {
		return nil, fmt.Errorf("%w %d of value %q", ErrUnsupported, v[0], key)
	}
	return v[1:n], nil
}

// decoder reads a body with a sticky error; after an error all reads return zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) bytes(n int) []byte {
	if d.err == nil && n > len(d.b) {
		d.err = errShort
	}
	if d.err != nil {
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) u8() uint8 {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		d.err = errLong
	}
	return d.err
}

func encodeRun(r runRecord) []byte {
	state, flags := byte(stateRunning), byte(0)
	if r.clean {
		state = stateClean
	}
	if r.unsafe {
		flags |= flagUnsafe
	}
	if r.lostTail {
		flags |= flagLostTail
	}
	if r.led {
		flags |= flagLed
	}
	return binary.LittleEndian.AppendUint64([]byte{state, byte(r.role), flags}, r.floor)
}

func decodeRun(b []byte) (r runRecord, err error) {
	d := decoder{b: b}
	state, who, flags := d.u8(), d.u8(), d.u8()
	r.floor = d.u64()
	if err := d.done(); err != nil {
		return runRecord{}, err
	}
	if state != stateRunning && state != stateClean {
		return runRecord{}, fmt.Errorf("run state %d is unknown", state)
	}
	if who > uint8(roleFollower) || flags&^(flagUnsafe|flagLostTail|flagLed) != 0 {
		return runRecord{}, fmt.Errorf("role %d or flags %#x are unknown", who, flags)
	}
	r.clean, r.role = state == stateClean, role(who)
	r.unsafe, r.lostTail = flags&flagUnsafe != 0, flags&flagLostTail != 0
	r.led = flags&flagLed != 0
	return r, nil
}

func encodeGeneration(g generationRecord) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, g.gen), g.start)
}

func decodeGeneration(b []byte) (g generationRecord, err error) {
	d := decoder{b: b}
	g.gen, g.start = d.u64(), d.u64()
	if err := d.done(); err != nil {
		return generationRecord{}, err
	}
	if g.gen == 0 {
		return generationRecord{}, errors.New("generation 0 does not exist")
	}
	return g, nil
}

func encodeLineage(l *lineage) []byte {
	flags := byte(0)
	if l.own {
		flags |= flagOwn
	}
	b := []byte{flags}
	b = binary.LittleEndian.AppendUint32(b, l.next)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(l.hs))) // at most MaxHistories
	for i, h := range l.hs {
		b = binary.LittleEndian.AppendUint32(b, l.epochs[i])
		b = binary.LittleEndian.AppendUint64(b, h.Start)
		b = append(b, h.ID...)
	}
	return b
}

func decodeLineage(b []byte) (*lineage, error) {
	d := decoder{b: b}
	flags, next, n := d.u8(), d.u32(), int(d.u16())
	if d.err == nil && n*(4+8+IDLen) != len(d.b) {
		return nil, fmt.Errorf("%d histories in %d bytes", n, len(d.b))
	}
	l := &lineage{next: next, own: flags&flagOwn != 0}
	for range n {
		l.epochs = append(l.epochs, d.u32())
		start := d.u64()
		l.hs = append(l.hs, History{Start: start, ID: string(d.bytes(IDLen))})
	}
	if err := d.done(); err != nil {
		return nil, err
	}
	if flags&^flagOwn != 0 {
		return nil, fmt.Errorf("flags %#x are unknown", flags)
	}
	var err error
	if l.hs, err = checkHistories(l.hs); err != nil {
		return nil, err
	}
	for i, e := range l.epochs {
		if e == 0 || e >= next || (i > 0 && e <= l.epochs[i-1]) {
			return nil, fmt.Errorf("epoch %d of history %s breaks the order (next is %d)", e, l.hs[i].ID, next)
		}
	}
	return l, nil
}

func encodeReplica(r Replica) []byte {
	b := binary.LittleEndian.AppendUint64(nil, r.Ack)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.LastSeen.UnixMilli())) // two's complement, read back the same way
	return append(b, r.Addr...)
}

func decodeReplica(id string, b []byte) (Replica, error) {
	d := decoder{b: b}
	r := Replica{ID: id, Ack: d.u64(), LastSeen: time.UnixMilli(int64(d.u64()))}
	r.Addr = string(d.bytes(len(d.b)))
	if err := d.done(); err != nil {
		return Replica{}, err
	}
	if len(r.Addr) > maxReplicaAddr {
		return Replica{}, fmt.Errorf("address of %d bytes", len(r.Addr))
	}
	return r, nil
}
