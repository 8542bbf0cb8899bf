package memtable

// TouchRows is how many rows a Toucher takes at a time. What a processor's first cache holds is several times that.
const TouchRows = 32

// Toucher brings what a table has of several keys close to the processor, for look-ups soon. Each look-up waits for memory three times over,
// one after the other: for the index, the entry and the key. Here several keys wait together. Its zero value is ready; it has one user at a time.
type Toucher struct {
	found [TouchRows]touched
	count int
	sum   uint64 // what was read: it has to be used
}

type touched struct {
	hash  uint32
	table *hashed
	entry *entry
}

// Add names another key, at most TouchRows of them, to be looked up in t, and reads where the index leads to. The table must not be written until
// Touch is called.
func (c *Toucher) Add(t *Table, key []byte) {
	p := &t.parts[t.layout.part(key)]
	if p.hash == nil || len(p.hash.index) == 0 {
		return
	}
	f := &c.found[c.count]
	c.count++
	f.hash, f.table = hashOf(key), p.hash
	c.sum ^= p.hash.index[int(f.hash)&(len(p.hash.index)-1)]
}

// Touch reads a little of what the keys lead to, and forgets them.
func (c *Toucher) Touch() {
	found := c.found[:c.count]
	for i := range found {
		f := &found[i]
		if f.entry = f.table.mayBe(f.hash); f.entry != nil {
			c.sum ^= f.entry.row.hi
		}
	}
	for i := range found {
		if e := found[i].entry; e != nil && e.row.keyLen > 0 {
			c.sum ^= uint64(e.row.data[0])
		}
	}
	clear(found)
	c.count = 0
}

// mayBe returns the first entry of a key with that hash; nil: there is none.
func (h *hashed) mayBe(hash uint32) *entry {
	mask := len(h.index) - 1
	for i := int(hash) & mask; h.index[i] != 0; i = (i + 1) & mask {
		if w := h.index[i]; uint32(w>>32) == hash { //nolint:gosec // the upper half
			return h.entry(uint32(w) - 1) //nolint:gosec // the lower half
		}
	}
	return nil
}
