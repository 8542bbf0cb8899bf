package main

import (
	"bytes"
	"math"
	"os"
	"strconv"
)

// pageCacheShare is the share of the memory, one in so many, that a keyspace's files may have and still be expected to stay in the system's
// page cache.
const pageCacheShare = 4

// memoryLimit is the memory that this process' control group may use (cgroup v2), the page cache of its files included; the largest number
// where there is no limit or the system does not tell.
func memoryLimit() uint64 {
	b, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return math.MaxUint64 // "max"
	}
	return n
}
