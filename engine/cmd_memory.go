package engine

import "replogd/engine/keys"

const (
	// memorySamples is how many elements MEMORY USAGE looks at unless it is told, as in Redis.
	memorySamples = 5
	// rowOverhead is what a row takes beside key and value in a memtable or a file: sequence number, kind and lengths.
	rowOverhead = 12
)

// cmdMemoryUsage is MEMORY USAGE key [SAMPLES n]. It answers the bytes of the key's rows as they are in memory or in a file before
// compression, those of a collection estimated from some of its elements. Redis answers what its own structures take.
func cmdMemoryUsage(c *call) error {
	samples := int64(memorySamples)
	for i := 3; i < len(c.args); i++ {
		if !isWord(c.args[i], "SAMPLES") || i+1 == len(c.args) {
			c.w.Error(errSyntax)
			return nil
		}
		i++
		var ok bool
		if samples, ok = c.argInt(i); !ok {
			return nil
		}
		if samples < 0 {
			c.w.Error(errSyntax)
			return nil
		}
		if samples == 0 {
			samples = maxInt64
		}
	}
	return c.onView(func() error {
		k, err := c.open(c.db, c.args[2])
		if err != nil {
			return err
		}
		if !k.ok {
			c.w.Null()
			return nil
		}
		size := int64(len(k.row) + len(k.Value) + keys.MaxHeadOverhead + rowOverhead)
		if k.ExpireMs != 0 {
			size += int64(len(k.row) + rowOverhead)
		}
		if k.Collection() {
			for _, tag := range keys.TagsOf(k.Type) {
				n, err := c.tableSize(tag, &k.Head, samples)
				if err != nil {
					return err
				}
				size += n
			}
		}
		c.w.Int(size)
		return nil
	})
}

// tableSize estimates what the rows of a collection in one table take. Rows of consumer groups are not counted by the head: they are all
// looked at.
func (c *call) tableSize(tag byte, h *keys.Head, samples int64) (size int64, err error) {
	var seen, bytes int64
	err = c.eachRow(tag, h.UID, func(row, value []byte) (bool, error) {
		seen++
		bytes += int64(len(row) + len(value) + rowOverhead)
		return tag == keys.TagGroup || seen < samples, nil
	})
	if err != nil || seen == 0 || tag == keys.TagGroup || seen == h.Count {
		return bytes, err
	}
	return int64(float64(bytes) / float64(seen) * float64(h.Count)), nil
}
