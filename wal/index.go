package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sort"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// indexEntry says that a record begins at file position pos and stream offset off.
type indexEntry struct {
	off uint64
	pos int64
}

// sparseIndex has one entry per indexInterval bytes of file, and always one for the first record. Entries ascend.
type sparseIndex []indexEntry

// add records a record's place if the last entry is far enough behind.
func (x sparseIndex) add(off uint64, pos int64) sparseIndex {
	if n := len(x); n > 0 && pos-x[n-1].pos < indexInterval {
		return x
	}
	return append(x, indexEntry{off: off, pos: pos})
}

// floor returns the last entry at or before off.
func (x sparseIndex) floor(off uint64) (indexEntry, bool) {
	i := sort.Search(len(x), func(i int) bool { return x[i].off > off })
	if i == 0 {
		return indexEntry{}, false
	}
	return x[i-1], true
}

// trailer ends a sealed segment; the index entries stand before it.
type trailer struct {
	entries uint32
	dataEnd int64  // file position after the last record
	end     uint64 // stream offset after the last record
	firstMs uint64
	lastMs  uint64
	records uint64
}

// footerSize is the number of bytes of the footer of n entries.
func footerSize(n int64) int64 { return n*indexEntrySize + trailerSize }

// encodeFooter returns index entries and trailer; t.entries is set from x.
func encodeFooter(x sparseIndex, t trailer, seed uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, footerSize(int64(len(x))))
	for _, e := range x {
		b = le.AppendUint64(b, e.off)
		b = le.AppendUint64(b, uint64(e.pos))
	}
	b = le.AppendUint32(b, trailerMarker)
	b = le.AppendUint16(b, formatVersion)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(x)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(t.dataEnd))
	b = le.AppendUint64(b, t.end)
	b = le.AppendUint64(b, t.firstMs)
	b = le.AppendUint64(b, t.lastMs)
	b = le.AppendUint64(b, t.records)
	b = le.AppendUint32(b, crc32.Update(seed, castagnoli, b[:len(x)*indexEntrySize]))
	return le.AppendUint32(b, crc32.Update(seed, castagnoli, b[len(x)*indexEntrySize:]))
}

// decodeTrailer decodes the last trailerSize bytes of a file of fileSize bytes. Besides errTrailer there is no outcome but
// success: the index can always be had by a scan.
func decodeTrailer(b []byte, fileSize int64, seed uint32) (trailer, uint32, error) {
	le := binary.LittleEndian
	if len(b) != trailerSize || le.Uint32(b) != trailerMarker ||
		le.Uint32(b[60:]) != crc32.Update(seed, castagnoli, b[:60]) ||
		le.Uint16(b[4:]) != formatVersion {
		return trailer{}, 0, errTrailer
	}
	t := trailer{
		entries: le.Uint32(b[8:]),
		dataEnd: int64(le.Uint64(b[16:])),
		end:     le.Uint64(b[24:]),
		firstMs: le.Uint64(b[32:]),
		lastMs:  le.Uint64(b[40:]),
		records: le.Uint64(b[48:]),
	}
	if t.dataEnd < segmentHeaderSize || t.dataEnd > fileSize-footerSize(int64(t.entries)) {
		return trailer{}, 0, errTrailer
	}
	return t, le.Uint32(b[56:]), nil
}

// readTrailer reads the trailer at the end of f.
func readTrailer(f vfs.File, size int64, seed uint32) (trailer, uint32, error) {
	if size < segmentHeaderSize+trailerSize {
		return trailer{}, 0, errTrailer
	}
	var b [trailerSize]byte
	if err := readFull(f, b[:], size-trailerSize); err != nil {
		if errors.Is(err, errShort) {
			return trailer{}, 0, errTrailer
		}
		return trailer{}, 0, err
	}
	return decodeTrailer(b[:], size, seed)
}

// readFooter reads trailer and index. errTrailer means that the index has to be had by a scan.
func readFooter(f vfs.File, size int64, seed uint32) (trailer, sparseIndex, error) {
	t, sum, err := readTrailer(f, size, seed)
	if err != nil {
		return trailer{}, nil, err
	}
	b := make([]byte, int(t.entries)*indexEntrySize)
	if err := readFull(f, b, size-footerSize(int64(t.entries))); err != nil {
		if errors.Is(err, errShort) {
			return trailer{}, nil, errTrailer
		}
		return trailer{}, nil, err
	}
	if crc32.Update(seed, castagnoli, b) != sum {
		return trailer{}, nil, errTrailer
	}
	x := make(sparseIndex, 0, t.entries)
	for ; len(b) > 0; b = b[indexEntrySize:] {
		x = append(x, indexEntry{
			off: binary.LittleEndian.Uint64(b),
			pos: int64(binary.LittleEndian.Uint64(b[8:])),
		})
	}
	return t, x, nil
}
