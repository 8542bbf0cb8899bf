package server

import (
	"strings"
	"time"

	"replogd/engine"
	"replogd/engine/glob"
)

// configCommands are CONFIG and its subcommands.
var configCommands = map[string]handler{
	"config|get":       cmdConfigGet,
	"config|set":       cmdConfigSet,
	"config|rewrite":   cmdConfigRewrite,
	"config|resetstat": cmdConfigResetStat,
	"config|help": help("CONFIG", []string{
		"GET <pattern>", "    Return parameters matching the glob-like <pattern> and their values.",
		"SET <directive> <value>", "    Set the configuration <directive> to <value>.",
		"RESETSTAT", "    Reset statistics reported by the INFO command.",
		"REWRITE", "    Rewrite the configuration file.",
	}),
}

// cmdConfigGet answers with every directive that one of the patterns matches. A pattern without wildcards is echoed in the letters
// it was given in, as Redis 7 does.
func cmdConfigGet(c *conn, args [][]byte) {
	var found []configPair
	seen := map[string]bool{}
	settings := c.srv.cfg.Settings()
	for _, s := range settings {
		for _, pattern := range args[2:] {
			if seen[s.Name] || !glob.Match(pattern, []byte(s.Name), true) {
				continue
			}
			seen[s.Name] = true
			name := s.Name
			if !strings.ContainsAny(string(pattern), "[*?") {
				name = string(pattern)
			}
			found = append(found, configPair{name, s.Value})
		}
	}
	c.w.Map(len(found))
	for _, f := range found {
		c.w.BulkString(f.name)
		c.w.BulkString(f.value)
	}
}

type configPair struct{ name, value string }

func cmdConfigSet(c *conn, args [][]byte) {
	if len(args)%2 != 0 {
		c.w.Error(errSyntax)
		return
	}
	pairs := make([][2]string, 0, len(args)/2-1)
	for i := 2; i < len(args); i += 2 {
		pairs = append(pairs, [2]string{string(args[i]), string(args[i+1])})
	}
	if err := c.srv.cfg.Set(pairs); err != nil {
		c.w.Error(err.Error())
		return
	}
	c.w.OK()
}

func cmdConfigRewrite(c *conn, _ [][]byte) {
	if c.srv.cfg.File() == "" {
		c.w.Error("ERR The server is running without a config file")
		return
	}
	if err := c.srv.cfg.Rewrite(); err != nil {
		c.srv.log.Error("rewrite config file", "file", c.srv.cfg.File(), "err", err)
		c.w.Error(errorText("ERR Rewriting config file: ", err))
		return
	}
	c.srv.log.Info("config file rewritten", "file", c.srv.cfg.File(), "client", c.addr)
	c.w.OK()
}

// errorText prefixes err unless it is a whole error reply already.
func errorText(prefix string, err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "ERR ") {
		return text
	}
	return prefix + text
}

func cmdConfigResetStat(c *conn, _ [][]byte) {
	s := c.srv
	s.stats.reset(time.Now())
	c.commands = 0
	s.table.each(func(e *entry) {
		e.rejected.Store(0)
		e.calls.Store(0)
		e.failed.Store(0)
		e.nanos.Store(0)
		if e.keyspace != nil {
			e.keyspace.Calls.Store(0)
			e.keyspace.Failed.Store(0)
			e.keyspace.Nanos.Store(0)
		}
	})
	if p := s.parts.Load(); p != nil {
		p.node.ResetStats()
		base := p.engine.Stats()
		s.engineBase.Store(&base)
	}
	c.w.OK()
}

// engineStats are the engine's, with the counters counted from the last CONFIG RESETSTAT on.
func (s *Server) engineStats(e *engine.Engine) engine.Stats {
	st := e.Stats()
	if base := s.engineBase.Load(); base != nil {
		st.Hits -= base.Hits
		st.Misses -= base.Misses
		st.ExpiredKeys -= base.ExpiredKeys
	}
	return st
}
