package engine

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis' DEBUG DIGEST is defined with it; nothing is protected by it
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replogd/engine/keys"
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
	e.seq.Lock()
	snapshot := ds.db.NewSnapshot()
	ids := *ds.dbIDs.Load()
	e.seq.Unlock()
	defer closeQuietly(snapshot)
	var total digest
	for db, id := range ids {
		if err := digestDB(ctx, snapshot, db, id, &total); err != nil {
			return [20]byte{}, fmt.Errorf("digest database %d: %w", db, err)
		}
	}
	return total, nil
}

func digestDB(ctx context.Context, r pebble.Reader, db int, id uint32, total *digest) error {
	lower, upper := keys.DBBounds(keys.TagKey, id, id)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer closeQuietly(it)
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n == 0 {
			total.mix(binary.BigEndian.AppendUint32(nil, uint32(db)))
		}
		n++
		if n%digestCheckEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		_, _, key, err := keys.ParseKey(it.Key())
		if err != nil {
			return corruptRow(it.Key(), err)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		h, err := keys.ParseHead(value)
		if err != nil {
			return corruptRow(it.Key(), err)
		}
		one := digestKey(key, &h)
		total.xor(one[:])
	}
	return it.Error()
}

func digestKey(key []byte, h *keys.Head) (d digest) {
	d.mix(key)
	d.mix(binary.BigEndian.AppendUint32(nil, uint32(h.Type)))
	d.mix(h.Value)
	if h.ExpireMs != 0 {
		d.xor([]byte("!!expire!!"))
	}
	return d
}
