package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Machine is what the figures were measured on.
type Machine struct {
	CPU       string  `json:"cpu"`
	Cores     int     `json:"cores"`
	MemoryMB  int64   `json:"memory_mb"`
	Kernel    string  `json:"kernel"`
	Dir       string  `json:"dir"`
	FsyncP50  float64 `json:"fsync_p50_ms"` // of a 4 KiB append
	FsyncP99  float64 `json:"fsync_p99_ms"`
	WriteMBps float64 `json:"write_mb_per_s"` // sequential, fsynced at the end
}

const (
	fsyncProbes    = 200
	fsyncBytes     = 4 << 10
	writeProbeSize = 256 << 20
	writeProbeStep = 1 << 20
)

// MeasureMachine measures the disk that dir lies on, which takes a second or two.
func MeasureMachine(dir string) (m Machine, err error) {
	m = Machine{CPU: cpuName(), Cores: runtime.NumCPU(), MemoryMB: procField("/proc/meminfo", "MemTotal") / 1024, Kernel: kernel(), Dir: dir}
	path := filepath.Join(dir, "probe")
	f, err := os.Create(path)
	if err != nil {
		return m, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { _ = os.Remove(path) }() // the directory goes too
	defer func() { _ = f.Close() }()
	h := newHistogram()
	block := make([]byte, fsyncBytes)
	for range fsyncProbes {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return m, fmt.Errorf("measure the disk: %w", err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return m, fmt.Errorf("measure the disk: %w", err)
		}
		if err := h.RecordValue(max(time.Since(began).Microseconds(), minLatency)); err != nil {
			return m, err
		}
	}
	m.FsyncP50, m.FsyncP99 = float64(h.ValueAtQuantile(50))/1000, float64(h.ValueAtQuantile(99))/1000
	step, began := make([]byte, writeProbeStep), time.Now()
	for range writeProbeSize / writeProbeStep {
		if _, err := f.Write(step); err != nil {
			return m, fmt.Errorf("measure the disk: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return m, fmt.Errorf("measure the disk: %w", err)
	}
	m.WriteMBps = writeProbeSize / 1e6 / time.Since(began).Seconds()
	return m, nil
}

// String is one line for people.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d MB, Linux %s; disk of %s: fsync of 4 KiB %.2f ms (p99 %.2f), %.0f MB/s sequential",
		m.CPU, m.Cores, m.MemoryMB, m.Kernel, m.Dir, m.FsyncP50, m.FsyncP99, m.WriteMBps)
}

func cpuName() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
