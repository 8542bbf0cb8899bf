package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// redisHz is how often per second Redis' cron runs by default; the housekeeper here has the same period.
const redisHz = int64(time.Second / cronPeriod)

func infoServer(s *Server, w *infoWriter) {
	up := int64(w.now.Sub(s.started).Seconds())
	w.text("redis_version", CompatVersion)
	w.text("redis_git_sha1", buildRevision())
	w.text("redis_mode", "standalone")
	w.text("os", osName())
	w.num("arch_bits", strconv.IntSize)
	w.text("monotonic_clock", "Go runtime")
	w.text("multiplexing_api", "Go netpoller")
	w.text("process_id", strconv.Itoa(os.Getpid()))
	w.text("process_supervised", supervisor(s.cfg.Current().Supervised))
	w.text("run_id", s.runID)
	w.num("tcp_port", int64(s.infoPort()))
	w.num("server_time_usec", w.now.UnixMicro())
	w.num("uptime_in_seconds", up)
	w.num("uptime_in_days", up/86400)
	w.num("hz", redisHz)
	w.num("configured_hz", int64(s.cfg.Current().HZ))
	w.text("executable", s.executable)
	w.text("config_file", s.cfg.File())
	w.num("io_threads_active", 0)
	w.text("replogd_version", s.version)
	w.text("go_version", runtime.Version())
}

// infoPort is the port clients reach: the real one when it was chosen by the system.
func (s *Server) infoPort() int {
	if port := s.ListenPort(); port != 0 {
		return port
	}
	return s.cfg.Current().Port
}

func supervisor(configured string) string {
	if configured == "auto" || configured == "systemd" {
		if os.Getenv("NOTIFY_SOCKET") != "" {
			return "systemd"
		}
	}
	return "no"
}

// buildRevision is the first 8 hex digits of the commit this binary was built from, zeros when that was not recorded.
func buildRevision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" && len(kv.Value) >= 8 {
				return kv.Value[:8]
			}
		}
	}
	return "00000000"
}
