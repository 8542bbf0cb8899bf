package server

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// infoSection is one part of INFO. Names, order and formats of fields are those of Redis 7.0.15; fields that would have nothing
// behind them here are left out rather than made up.
type infoSection struct {
	name      string
	title     string
	byDefault bool // shown without arguments
	write     func(s *Server, w *infoWriter)
}

// infoSections in the order of Redis, then replogd's own.
var infoSections = []infoSection{
	{"server", "Server", true, infoServer},
	{"clients", "Clients", true, infoClients},
	{"memory", "Memory", true, infoMemory},
	{"persistence", "Persistence", true, infoPersistence},
	{"stats", "Stats", true, infoStats},
	{"replication", "Replication", true, infoReplication},
	{"cpu", "CPU", true, infoCPU},
	{"modules", "Modules", true, func(*Server, *infoWriter) {}},
	{"commandstats", "Commandstats", false, infoCommandStats},
	{"errorstats", "Errorstats", true, infoErrorStats},
	{"cluster", "Cluster", true, func(_ *Server, w *infoWriter) { w.num("cluster_enabled", 0) }},
	{"keyspace", "Keyspace", true, infoKeyspace},
	{"storage", "Storage", true, infoStorage},
	{"backlog", "Backlog", true, infoBacklog},
}

// infoWriter collects "name:value" lines.
type infoWriter struct {
	bytes.Buffer
	now time.Time
}

func (w *infoWriter) line(name, format string, args ...any) {
	w.WriteString(name)
	w.WriteByte(':')
	fmt.Fprintf(w, format, args...)
	w.WriteString("\r\n")
}

func (w *infoWriter) text(name, value string) { w.line(name, "%s", value) }

func (w *infoWriter) num(name string, value int64) { w.line(name, "%d", value) }

func (w *infoWriter) count(name string, value uint64) { w.line(name, "%d", value) }

func (w *infoWriter) flag(name string, value bool) {
	n := int64(0)
	if value {
		n = 1
	}
	w.num(name, n)
}

// size writes a number of bytes and its form for people.
func (w *infoWriter) size(name string, value uint64) {
	w.count(name, value)
	w.text(name+"_human", humanBytes(value))
}

func cmdInfo(c *conn, args [][]byte) {
	c.publishCommands()
	c.w.Verbatim("txt", c.srv.info(args[1:]))
}

// info is the reply of INFO for the given sections (names in any case, "all", "everything", "default"; none: default).
func (s *Server) info(asked [][]byte) string {
	all, def := false, len(asked) == 0
	names := map[string]bool{}
	for _, a := range asked {
		switch name := strings.ToLower(string(a)); name {
		case "all", "everything":
			all = true
		case "default":
			def = true
		default:
			names[name] = true
		}
	}
	w := &infoWriter{now: time.Now()}
	for _, section := range infoSections {
		shown := all || names[section.name] || (def && section.byDefault)
		if !shown {
			continue
		}
		if w.Len() > 0 {
			w.WriteString("\r\n")
		}
		w.WriteString("# " + section.title + "\r\n")
		section.write(s, w)
	}
	return w.String()
}

// humanBytes writes a size as Redis does: 895.05K.
func humanBytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	v := float64(n) / 1024
	for _, unit := range []string{"K", "M", "G", "T"} {
		if v < 1024 || unit == "T" {
			return fmt.Sprintf("%.2f%s", v, unit)
		}
		v /= 1024
	}
	return ""
}

func okOr(failed bool) string {
	if failed {
		return "err"
	}
	return "ok"
}
