package engine

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis' DEBUG DIGEST is defined with it; nothing is protected by it
	"encoding/binary"
	"fmt"

	"replogd/engine/keys"
	"replogd/engine/resp"
)

// digest is Redis' 160-bit digest of a data set: independent of order, equal for equal data.
type digest [sha1.Size]byte

// xor mixes the hash of p in so that the order of calls does not matter.
func (d *digest) xor(p []byte) {
	for i, b := range sha1.Sum(p) { //nolint:gosec // see above
		d[i] ^= b
	}
}

// mix mixes the hash of p in so that the order of calls matters.
func (d *digest) mix(p []byte) {
	d.xor(p)
	*d = sha1.Sum(d[:]) //nolint:gosec // see above
}

// digestCheckEvery is after how many keys the digest asks whether anybody still wants it.
const digestCheckEvery = 1024

// Digest computes what DEBUG DIGEST of Redis 7.0.15 answers for the same data, from one consistent view. It reads every key.
func (e *Engine) Digest(ctx context.Context) ([20]byte, error) {
	ds := e.acquire()
	defer ds.release()
	v := ds.viewOnce()
	defer v.close()
	var total digest
	for db, id := range v.dbIDs {
		if err := digestDB(ctx, v, db, id, &total); err != nil {
			return [20]byte{}, fmt.Errorf("digest database %d: %w", db, err)
		}
	}
	return total, nil
}

func digestDB(ctx context.Context, v *view, db int, id uint32, total *digest) error {
	lower, upper := keys.DBBounds(keys.TagKey, id, id)
	it, err := v.iter(lower, upper)
	if err != nil {
		return err
	}
	defer func() { _ = it.close() }() // what went wrong is returned below
	n := 0
	for ok := it.first(); ok; ok = it.next() {
		if n == 0 {
			total.mix(binary.BigEndian.AppendUint32(nil, uint32(db)))
		}
		n++
		if n%digestCheckEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, _, key, err := keys.ParseKey(it.key())
		if err != nil {
			return corruptRow(it.key(), err)
		}
		value, err := it.value()
		if err != nil {
			return err
		}
		h, err := keys.ParseHead(value)
		if err != nil {
			return corruptRow(it.key(), err)
		}
		one, err := digestKey(v, key, &h)
		if err != nil {
			return err
		}
		total.xor(one[:])
	}
	return it.err()
}

// digestKey is the digest of one key: its name, its type, what it holds, and whether it expires.
func digestKey(v *view, key []byte, h *keys.Head) (d digest, err error) {
	d.mix(key)
	d.mix(binary.BigEndian.AppendUint32(nil, uint32(h.Type)))
	switch h.Type {
	case keys.TypeString:
		d.mix(h.Value)
	case keys.TypeList:
		err = v.eachRow(keys.TagList, h.UID, func(_, value []byte) error {
			d.mix(value)
			return nil
		})
	case keys.TypeStream:
		err = v.eachRow(keys.TagEntry, h.UID, d.entry)
	default:
		err = v.eachRow(keys.TagField, h.UID, func(row, value []byte) error { return d.element(h.Type, row, value) })
	}
	if h.ExpireMs != 0 {
		d.xor([]byte("!!expire!!"))
	}
	return d, err
}

// element adds a member or field, whose order does not matter.
func (d *digest) element(t keys.Type, row, value []byte) error {
	_, field, err := keys.ParseField(row)
	if err != nil {
		return corruptRow(row, err)
	}
	var one digest
	switch t {
	case keys.TypeSet:
		d.xor(field)
		return nil
	case keys.TypeHash:
		one.mix(field)
		one.mix(value)
	case keys.TypeZSet:
		score, err := keys.ParseBits(value)
		if err != nil {
			return corruptRow(row, err)
		}
		one.mix(field)
		one.mix(resp.AppendDouble(nil, score))
	case keys.TypeString, keys.TypeList, keys.TypeStream: // their elements are in order
	}
	d.xor(one[:])
	return nil
}

// entry adds a stream's entry.
func (d *digest) entry(row, value []byte) error {
	id, err := keys.ParseEntry(row)
	if err != nil {
		return corruptRow(row, err)
	}
	fields, err := keys.ParseFields(value)
	if err != nil {
		return corruptRow(row, err)
	}
	d.mix(fmt.Appendf(nil, "%d.%d", id.Ms, id.Seq))
	for _, f := range fields {
		d.mix(f)
	}
	return nil
}

// eachRow calls fn with every row of a collection in a table, in order.
func (v *view) eachRow(tag byte, uid uint64, fn func(row, value []byte) error) error {
	lower, upper := keys.UIDBounds(tag, uid, uid)
	return v.rows(uid, lower, upper, fn)
}
