package engine

// Limits are the directives that decide about a value's encoding, with Redis' names and defaults.
type Limits struct {
	HashEntries, HashValue int64 // hash-max-listpack-entries, hash-max-listpack-value
	SetIntset              int64 // set-max-intset-entries
	ZSetEntries, ZSetValue int64 // zset-max-listpack-entries, zset-max-listpack-value
	HLLSparseBytes         int64 // hll-sparse-max-bytes
}

// DefaultLimits are those of a Redis without a configuration file.
func DefaultLimits() Limits {
	return Limits{HashEntries: 512, HashValue: 64, SetIntset: 512, ZSetEntries: 128, ZSetValue: 64, HLLSparseBytes: 3000}
}
