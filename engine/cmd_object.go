package engine

import (
	"replogd/engine/keys"
	"replogd/engine/resp"
)

// encodingNames are what OBJECT ENCODING answers, by type and encoding. Strings are decided by their bytes.
var encodingNames = map[keys.Type][]string{
	keys.TypeList: {keys.EncodingQuicklist: "quicklist"},
	keys.TypeSet:  {keys.EncodingIntset: "intset", keys.EncodingSetHash: "hashtable"},
	keys.TypeZSet: {keys.EncodingListpack: "listpack", keys.EncodingSkiplist: "skiplist"},
	keys.TypeHash: {keys.EncodingListpack: "listpack", keys.EncodingHashtable: "hashtable"},

	keys.TypeStream: {keys.EncodingStreamTree: "stream"},
}

const (
	maxEmbstr  = 44 // bytes of a string that Redis keeps in one piece with its header
	maxIntText = 20 // bytes of a string that Redis looks at for an integer
)

// encodingName is Redis' name for how it would keep the value.
func encodingName(h *keys.Head) string {
	if h.Type != keys.TypeString {
		return encodingNames[h.Type][h.Encoding]
	}
	if h.Encoding == keys.EncodingRaw {
		return "raw"
	}
	if len(h.Value) <= maxIntText {
		if _, ok := resp.ParseInt(h.Value); ok {
			return "int"
		}
	}
	if len(h.Value) <= maxEmbstr {
		return "embstr"
	}
	return "raw"
}

// object answers something about an existing key, or null.
func (c *call) object(answer func(k *keyRef)) error {
	k, err := c.open(c.db, c.args[2])
	if err != nil {
		return err
	}
	if !k.ok {
		c.w.Null()
		return nil
	}
	answer(&k)
	return nil
}

// cmdObjectEncoding is OBJECT ENCODING key.
func cmdObjectEncoding(c *call) error {
	return c.object(func(k *keyRef) { c.w.BulkString(encodingName(&k.Head)) })
}

// cmdObjectRefCount is OBJECT REFCOUNT key: nothing is shared but Redis' small integers, as clients see it.
func cmdObjectRefCount(c *call) error {
	return c.object(func(k *keyRef) {
		if k.Type == keys.TypeString && k.Encoding == keys.EncodingAuto {
			if n, ok := resp.ParseInt(k.Value); ok && n >= 0 && n < sharedIntegers {
				c.w.Int(maxInt32)
				return
			}
		}
		c.w.Int(1)
	})
}

const (
	sharedIntegers = 10000 // Redis has one object for each integer below
	maxInt32       = 1<<31 - 1
)

// cmdObjectIdleTime is OBJECT IDLETIME key. No access times are kept: every key counts as just used.
func cmdObjectIdleTime(c *call) error {
	return c.object(func(*keyRef) { c.w.Int(0) })
}

// cmdObjectFreq is OBJECT FREQ key: there is no LFU policy to keep frequencies for.
func cmdObjectFreq(c *call) error {
	return c.object(func(*keyRef) {
		c.w.Error("ERR An LFU maxmemory policy is not selected, access frequency not tracked. " +
			"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
	})
}
