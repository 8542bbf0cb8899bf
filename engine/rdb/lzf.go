package rdb

// maxRatio is more than LZF can shrink anything: three bytes stand for 264 at most.
const maxRatio = 264

// decompress appends what LZF packed into src to dst; ok is false if that is not exactly size bytes.
//
// A byte below 32 is followed by that many bytes and one, as they are. Another one has a length in its upper three bits (7: plus a byte) and
// with the byte behind a distance in its lower five: length+2 bytes from distance+1 before.
func decompress(dst, src []byte, size int) (out []byte, ok bool) {
	base := len(dst)
	for i := 0; i < len(src); {
		control := int(src[i])
		i++
		if control < 32 {
			end := i + control + 1
			if end > len(src) || len(dst)-base+control+1 > size {
				return dst, false
			}
			dst = append(dst, src[i:end]...)
			i = end
			continue
		}
		length := control >> 5
		if length == 7 {
			if i >= len(src) {
				return dst, false
			}
			length += int(src[i])
			i++
		}
		if i >= len(src) {
			return dst, false
		}
		from := len(dst) - (control&31<<8 | int(src[i])) - 1
		i++
		length += 2
		if from < base || len(dst)-base+length > size {
			return dst, false
		}
		for range length { // may overlap with what it appends
			dst = append(dst, dst[from])
			from++
		}
	}
	return dst, len(dst)-base == size
}
