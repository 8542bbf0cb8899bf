package replica

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"replogd/backlog"
	"replogd/engine"
)

// Limits of a checkpoint transfer. A receiver checks them before it allocates or creates anything.
const (
	maxChunkBytes      = 1 << 20
	minChunkBytes      = 4 << 10
	maxManifestBytes   = 32 << 20
	maxCheckpointFiles = 200_000
	maxFileBytes       = int64(1) << 42
	maxCheckpointBytes = int64(1) << 50
	maxSnapshotID      = 64
	maxStopReason      = 255
)

// Frame types of a file stream; the layout is in the package comment.
const (
	frameChunk = 'C'
	frameFile  = 'F'
	frameEnd   = 'E'
	frameStop  = 'S'

	chunkHeaderBytes = 9  // type, length, crc; of a stop frame too
	fileFrameBytes   = 17 // type, index, xxh64, crc
	endFrameBytes    = 13 // type, total, crc
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// manifest describes one checkpoint: all that the receiver needs to know before the first byte of a file.
type manifest struct {
	id        string
	replid    string // the last history's id: with offset the position the checkpoint stands at
	offset    uint64
	streamDB  int // database the stream has selected at offset; also inside the checkpoint
	histories []backlog.History
	files     []engine.CheckpointFile
}

func (m *manifest) totalBytes() int64 {
	var total int64
	for _, f := range m.files {
		total += f.Size
	}
	return total
}

// bytesBefore is the number of content bytes before byte pos of file index.
func (m *manifest) bytesBefore(index int, pos int64) int64 {
	for _, f := range m.files[:index] {
		pos += f.Size
	}
	return pos
}

func newManifest(c *engine.Checkpoint) *manifest {
	return &manifest{
		id: c.ID, replid: c.Histories[len(c.Histories)-1].ID, offset: c.Offset, streamDB: c.StreamDB,
		histories: c.Histories, files: c.Files,
	}
}

// appendManifest writes the text specified in the package comment.
func appendManifest(dst []byte, m *manifest) []byte {
	from := len(dst)
	dst = fmt.Appendf(dst, "replogd-checkpoint %d\nid %s\nreplid %s\noffset %d\nstream-db %d\n",
		nativeVersion, m.id, m.replid, m.offset, m.streamDB)
	dst = fmt.Appendf(dst, "histories %d\n", len(m.histories))
	dst = appendHistories(dst, m.histories)
	dst = fmt.Appendf(dst, "files %d\n", len(m.files))
	for _, f := range m.files {
		dst = fmt.Appendf(dst, "file %d %s\n", f.Size, f.Name)
	}
	return fmt.Appendf(dst, "crc32c %08x\n", crc32.Checksum(dst[from:], castagnoli))
}

// parseManifest is the strict inverse of appendManifest, with every name and size checked.
func parseManifest(text []byte) (*manifest, error) {
	const trailer = len("crc32c 00000000\n")
	if len(text) < trailer || len(text) > maxManifestBytes {
		return nil, protocolErrorf("manifest of %d bytes", len(text))
	}
	body := text[:len(text)-trailer]
	if want := fmt.Sprintf("crc32c %08x\n", crc32.Checksum(body, castagnoli)); string(text[len(body):]) != want {
		return nil, fmt.Errorf("%w: manifest checksum does not match", ErrTransfer)
	}
	lines, err := splitLines(body)
	if err != nil {
		return nil, err
	}
	p := manifestParser{lines: lines}
	m := p.parse()
	if p.err != nil {
		return nil, p.err
	}
	return m, nil
}

// manifestParser walks the lines; the first error sticks.
type manifestParser struct {
	lines []string
	err   error
}

func (p *manifestParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = protocolErrorf(format, args...)
	}
}

// field takes the next line, which must be "key value".
func (p *manifestParser) field(key string) string {
	if p.err != nil {
		return ""
	}
	if len(p.lines) == 0 {
		p.fail("manifest ends before %q", key)
		return ""
	}
	k, v, ok := strings.Cut(p.lines[0], " ")
	if !ok || k != key {
		p.fail("manifest has no %q where it belongs", key)
		return ""
	}
	p.lines = p.lines[1:]
	return v
}

func (p *manifestParser) number(key string, most uint64) uint64 {
	s := p.field(key)
	if p.err != nil {
		return 0
	}
	v, err := parseOffset(s)
	if err != nil || v > most {
		p.fail("manifest: bad %s %q", key, clip(s))
		return 0
	}
	return v
}

func (p *manifestParser) parse() *manifest {
	m := &manifest{}
	if v := p.field("replogd-checkpoint"); p.err == nil && v != strconv.Itoa(nativeVersion) {
		p.fail("checkpoint format %q is not known here", clip(v))
	}
	m.id = p.field("id")
	m.replid = p.field("replid")
	m.offset = p.number("offset", 1<<63-1)
	m.streamDB = int(p.number("stream-db", 1<<31-1)) // #nosec G115 -- bounded
	m.histories = p.histories(int(p.number("histories", maxHistories)))
	m.files = p.files(int(p.number("files", maxCheckpointFiles)))
	if p.err == nil && len(p.lines) != 0 {
		p.fail("manifest goes on after its files")
	}
	if p.err == nil && !validSnapshotID(m.id) {
		p.fail("bad checkpoint id %q", clip(m.id))
	}
	if p.err == nil && m.histories[len(m.histories)-1].ID != m.replid {
		p.fail("manifest: replid is not the last history's")
	}
	return m
}

func (p *manifestParser) histories(count int) []backlog.History {
	if p.err == nil && len(p.lines) < count {
		p.fail("manifest ends within its histories")
	}
	if p.err != nil {
		return nil
	}
	hs, err := parseHistories(p.lines[:count])
	if err != nil {
		p.err = err
		return nil
	}
	p.lines = p.lines[count:]
	return hs
}

func (p *manifestParser) files(count int) []engine.CheckpointFile {
	if p.err == nil && (count == 0 || len(p.lines) < count) {
		p.fail("manifest ends within its files")
	}
	if p.err != nil {
		return nil
	}
	files := make([]engine.CheckpointFile, 0, count)
	seen := make(map[string]struct{}, count)
	var total int64
	for range count {
		sizeText, name, ok := strings.Cut(p.field("file"), " ")
		size, err := parseOffset(sizeText)
		switch {
		case p.err != nil:
			return nil
		case !ok || err != nil || size > uint64(maxFileBytes):
			p.fail("manifest: bad file size %q", clip(sizeText))
			return nil
		case !engine.ValidCheckpointName(name):
			p.fail("manifest: file name %q is none of a checkpoint", clip(name))
			return nil
		}
		if _, dup := seen[name]; dup {
			p.fail("manifest: file %q twice", clip(name))
			return nil
		}
		seen[name] = struct{}{}
		if total += int64(size); total > maxCheckpointBytes { // #nosec G115 -- bounded above
			p.fail("manifest: checkpoint of more than %d bytes", maxCheckpointBytes)
			return nil
		}
		files = append(files, engine.CheckpointFile{Name: name, Size: int64(size)}) // #nosec G115 -- bounded above
	}
	return files
}

// validSnapshotID: what may become a directory name below incoming/.
func validSnapshotID(id string) bool {
	if id == "" || len(id) > maxSnapshotID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// putChunk fills the header of a chunk frame: buf is chunkHeaderBytes followed by the payload.
func putChunk(buf []byte) { putHeader(frameChunk, buf) }

func putHeader(kind byte, buf []byte) {
	payload := buf[chunkHeaderBytes:]
	buf[0] = kind
	binary.LittleEndian.PutUint32(buf[1:], uint32(len(payload))) // #nosec G115 -- at most maxChunkBytes
	crc := crc32.Update(crc32.Checksum(buf[:5], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(buf[5:], crc)
}

func appendFileFrame(dst []byte, index int, sum uint64) []byte {
	from := len(dst)
	dst = append(dst, frameFile)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(index)) // #nosec G115 -- at most maxCheckpointFiles
	dst = binary.LittleEndian.AppendUint64(dst, sum)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

func appendEndFrame(dst []byte, total uint64) []byte {
	from := len(dst)
	dst = append(dst, frameEnd)
	dst = binary.LittleEndian.AppendUint64(dst, total)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// appendStopFrame ends a transfer that cannot be completed; the reason is for the replica's log.
func appendStopFrame(dst []byte, reason string) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, chunkHeaderBytes)...)
	dst = append(dst, reason[:min(len(reason), maxStopReason)]...)
	putHeader(frameStop, dst[from:])
	return dst
}

// frame is one decoded frame. payload is valid until the next read.
type frame struct {
	kind    byte
	payload []byte // chunk, stop: the reason
	index   int    // file
	sum     uint64 // file: xxh64 of the whole file
	total   uint64 // end: content bytes of the checkpoint
}

// frameReader decodes frames, with one buffer of at most maxChunkBytes.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

// next reads a frame whose checksum matches. io.EOF only before a frame's first byte.
func (d *frameReader) next() (frame, error) {
	var head [fileFrameBytes]byte
	kind, err := d.r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	head[0] = kind
	switch kind {
	case frameChunk:
		return d.variable(head[:chunkHeaderBytes], maxChunkBytes)
	case frameStop:
		return d.variable(head[:chunkHeaderBytes], maxStopReason)
	case frameFile:
		h := head[:fileFrameBytes]
		if err := d.fixed(h); err != nil {
			return frame{}, err
		}
		index := binary.LittleEndian.Uint32(h[1:])
		if index >= maxCheckpointFiles {
			return frame{}, protocolErrorf("file index %d", index)
		}
		return frame{kind: kind, index: int(index), sum: binary.LittleEndian.Uint64(h[5:])}, nil
	case frameEnd:
		h := head[:endFrameBytes]
		if err := d.fixed(h); err != nil {
			return frame{}, err
		}
		return frame{kind: kind, total: binary.LittleEndian.Uint64(h[1:])}, nil
	}
	return frame{}, protocolErrorf("unknown frame type 0x%02x in a checkpoint transfer", kind)
}

// fixed reads the rest of a frame of fixed size and checks the CRC in its last four bytes.
func (d *frameReader) fixed(h []byte) error {
	if err := d.fill(h[1:]); err != nil {
		return err
	}
	n := len(h) - 4
	if crc32.Checksum(h[:n], castagnoli) != binary.LittleEndian.Uint32(h[n:]) {
		return fmt.Errorf("%w: checksum of frame %q", ErrTransfer, h[0])
	}
	return nil
}

// variable reads the rest of a frame whose header h gives the length of its payload, at most that many bytes.
func (d *frameReader) variable(h []byte, most uint32) (frame, error) {
	if err := d.fill(h[1:]); err != nil {
		return frame{}, err
	}
	n := binary.LittleEndian.Uint32(h[1:])
	if n == 0 || n > most {
		return frame{}, protocolErrorf("frame %q of %d bytes", h[0], n)
	}
	if cap(d.buf) < int(n) {
		d.buf = make([]byte, n)
	}
	payload := d.buf[:n]
	if err := d.fill(payload); err != nil {
		return frame{}, err
	}
	crc := crc32.Update(crc32.Checksum(h[:5], castagnoli), castagnoli, payload)
	if crc != binary.LittleEndian.Uint32(h[5:]) {
		return frame{}, fmt.Errorf("%w: checksum of frame %q", ErrTransfer, h[0])
	}
	return frame{kind: h[0], payload: payload}, nil
}

// fill reads len(p) bytes; an end within a frame is io.ErrUnexpectedEOF.
func (d *frameReader) fill(p []byte) error {
	_, err := io.ReadFull(d.r, p)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
