// Package wal is a segmented write-ahead log whose payload bytes are the replication stream. It knows offsets, records and
// files; it knows nothing of what the bytes mean.
//
// # Offsets
//
// An offset is the number of stream bytes before a point. A record with payload p that starts at offset s covers [s, s+len(p));
// the next record starts where it ends. Headers do not count: reading the payloads one after another gives the stream.
//
//	Start <= Synced <= Written <= End
//
// Append moves End (memory), the writer moves Written (handed to the operating system: survives kill -9), an fsync moves
// Synced (survives power loss). Nothing is reported Written or Synced that is not, and after a failure nothing is reported.
//
// # Who writes
//
// Append only encodes into a buffer. Whoever waits for an offset and finds no write in progress swaps the buffer and writes it
// for all that wait, without a lock; the next group collects meanwhile. Under SyncAlways it fsyncs right after, in the
// other policies an fsync overlaps the writing of later groups. See Log.wait for why no waiter is forgotten.
//
// # Files
//
// A log is a directory of segments, <start offset, 20 decimal digits>.log. Files named *.log.tmp are unfinished creations and
// are removed by Open; other names are ignored, except *.log with a wrong name, which Open refuses. A record never spans
// segments; one that is larger than Options.SegmentSize has a segment of its own. All numbers are little-endian; all
// checksums are CRC-32C (Castagnoli polynomial, as crc32.MakeTable(crc32.Castagnoli) computes it).
//
// Segment header, 128 bytes:
//
//	offset size field
//	0      8    magic: "RPLGWAL\n"
//	8      2    format version: 1
//	10     2    header size: 128
//	12     4    flags: 0
//	16     8    generation of the dataset
//	24     8    start offset; equals the file's name
//	32     8    creation, Unix milliseconds
//	40     8    salt, random
//	48     4    epoch of every record in the segment
//	52     4    reserved: 0
//	56     40   history id that the epoch stands for
//	96     28   reserved: 0
//	124    4    checksum of bytes 0 to 123
//
// Record, following each other without gaps from byte 128 on:
//
//	offset size field
//	0      4    marker: D1 9E 52 4C
//	4      4    checksum of bytes 8 to 47, seeded
//	8      4    checksum of the payload, seeded
//	12     4    payload length, 1 to 2^30; 0 for a mark
//	16     8    start offset
//	24     8    synced: the offset known to be fsynced when the record was written; at most its start offset
//	32     8    wall clock of the Append, Unix milliseconds
//	40     4    epoch
//	44     1    kind: 1 data, 2 no-op, 3 mark
//	45     1    format version: 1
//	46     2    flags: 0
//	48     n    payload
//
// "Seeded" checksums begin with the 8 bytes of the segment's salt, then the bytes named. So no bytes from another segment, or
// from an earlier use of the same disk blocks, are ever taken for a record of this one. The header has a checksum of its own, which covers
// the payload's: a length is trusted, and memory allocated for it, only after that has been verified.
//
// A mark has no payload and moves no offset. Close writes one after its fsync and fsyncs again: it proves that the last
// record had been safe.
//
// After the last record come zeros to the end of the file. When the segment is complete its footer is written so that it ends
// with the file: index entries, then the trailer.
//
//	index entry   0  8  start offset of a record
//	              8  8  its position in the file
//
//	trailer       0  4  marker: D2 9E 54 58
//	              4  2  format version: 1
//	              6  2  flags: 0
//	              8  4  number of index entries
//	              12 4  reserved: 0
//	              16 8  file position after the last record
//	              24 8  stream offset there
//	              32 8  wall clock of the first record
//	              40 8  wall clock of the last record
//	              48 8  number of records
//	              56 4  checksum of the index entries, seeded
//	              60 4  checksum of bytes 0 to 59 of the trailer, seeded
//
// There is an entry for the first record and for every record that begins at least 64 KiB after the last one with an entry. The footer only saves
// time: without a valid one the records are read instead.
//
// Versions. An unknown version of a segment header, or in a record whose checksum is right, is ErrVersion: the data is not damaged and
// nothing is cut. Unknown kinds and flags count as a later version. Numbers are never given a second meaning.
//
// # Damage
//
// Only the last segment can have been in the making when the machine stopped, because the one before it is fsynced, footer
// included, before the next one's name exists. From this follows what a record means that does not validate (wrong marker, checksum,
// start offset or epoch, or cut short):
//
//   - zeros to the end of the file follow: the clean end of the log;
//   - it is in the last segment, and no later header there with a valid checksum has synced > its start offset: a torn tail, which Open
//     overwrites with zeros, fsyncs and reports in Recovery. Nothing in it was ever reported Synced;
//   - such a header follows: the place had been fsynced, and is a *CorruptionError. Open refuses and changes nothing;
//   - it is in an earlier segment: a *CorruptionError when a Reader gets there, or when Open finds that segments do not follow each other.
//
// The last record before the end can have nothing after it that proves it: unless the log was closed (see mark), damage to it cannot be told
// from a torn write. Whoever knows how far the log must reach compares that with End.
//
// A file without a valid segment header is removed when it is the last one and holds nothing but zeros after the header's place, since
// it is an unfinished creation; otherwise it is a *CorruptionError.
//
// # What a crash leaves
//
//   - In a group's write: some of its bytes. Open cuts at the first record that is not whole. Waiters had not been told.
//   - In an fsync: as before; what comes back may be more than Synced, never less.
//   - At the end of a segment: the footer, written or not; then the next segment's *.log.tmp, or its name with a whole header. Each is
//     a log that Open continues.
//   - In Open's cut of a torn tail: a torn tail at the same place.
//   - In DropBefore: each file is removed for good before the next; the segments left follow each other.
//   - In Reset: the old log until the new segment's name is durable; then the new one, and Open with the new generation removes
//     what is left of the old.
//
// # Failures
//
// A write that fails for want of space (ENOSPC, EDQUOT) is tried again at the same place with growing delay; meanwhile Append
// refuses and waiters wait. Any other failed write, and any failed fsync, is final (ErrFailed): after a failed fsync the operating system may
// have dropped the bytes and would report success the next time.
//
// # Assumptions about the disk
//
// fdatasync makes the bytes of a file, and the file size needed to read them, durable; fsync of a directory does so for its entries; rename is
// atomic. A torn write may leave any mixture of old and new bytes in the blocks being written, and leaves all other blocks alone. Files grow by writing zeros ahead
// under SyncAlways (see writer.extend for the measurement) and by appending otherwise.
package wal
