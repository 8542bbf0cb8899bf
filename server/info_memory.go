package server

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"sync"
)

// memoryNumbers are the Go runtime's.
type memoryNumbers struct {
	objects  uint64 // heap objects, live or not yet swept
	mapped   uint64 // all the runtime has mapped
	released uint64 // of which given back to the system
}

func goMemory() memoryNumbers {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return memoryNumbers{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}

// residentBytes is the process' resident memory, ok=false where the system does not tell.
func residentBytes() (n uint64, ok bool) {
	b, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(b)
	if err != nil || len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize()), err == nil //nolint:gosec // a page has a positive size
}

// SystemMemory is the machine's memory in bytes, 0 where the system does not tell. It is read once.
func SystemMemory() uint64 { return systemMemory() }

var systemMemory = sync.OnceValue(func() uint64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 2 || string(fields[0]) != "MemTotal:" {
		return 0
	}
	kib, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
})

// infoMemory: used_memory is the Go heap's objects; caches that the keyspace holds outside of it are in # Storage, and all of it is
// in used_memory_rss.
func infoMemory(s *Server, w *infoWriter) {
	s.sampleMemory()
	m, peak := goMemory(), s.stats.peakMemory.Load()
	peak = max(peak, m.objects)
	w.size("used_memory", m.objects)
	if rss, ok := residentBytes(); ok {
		w.size("used_memory_rss", rss)
	}
	w.size("used_memory_peak", peak)
	w.line("used_memory_peak_perc", "%.2f%%", 100*float64(m.objects)/float64(max(peak, 1)))
	w.count("allocator_allocated", m.objects)
	w.count("allocator_active", m.mapped-m.released)
	if total := systemMemory(); total > 0 {
		w.size("total_system_memory", total)
	}
	w.num("maxmemory", 0)
	w.text("maxmemory_human", "0B")
	w.text("maxmemory_policy", "noeviction")
	normal, replicas := int64(0), int64(0)
	s.clients.each(func(c *conn) {
		if c.flags.Load()&flagReplica != 0 {
			replicas += c.memory()
		} else {
			normal += c.memory()
		}
	})
	w.num("mem_clients_slaves", replicas)
	w.num("mem_clients_normal", normal)
	w.text("mem_allocator", "go")
}
