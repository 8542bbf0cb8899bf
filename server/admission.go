package server

import (
	"replogd/config"
	"replogd/engine/command"
)

// Refusals in the words of Redis 7.0.15.
const (
	errNoAuth     = "NOAUTH Authentication required."
	errLoading    = "LOADING Redis is loading the dataset in memory"
	errMasterDown = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
	errReadOnly   = "READONLY You can't write against a read only replica."
	errNoMulti    = "ERR Command not allowed inside a transaction"
	errDebug      = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a " +
		"local connection, otherwise you need to set this option in the configuration file, and then restart the server."
)

// admit decides whether a known command with the right number of arguments may run now; it returns the refusal, or "". The order
// of the checks is that of Redis' processCommand, measured on 7.0.15: a client sees the same error when several apply.
func (c *conn) admit(e *entry) string {
	cfg := c.srv.cfg.Current()
	if e.spec.Name == "debug" && !c.debugAllowed(cfg) {
		return errDebug
	}
	if !c.authenticated && cfg.RequirePass != "" && !e.has(command.NoAuth) {
		return errNoAuth
	}
	if c.tx.open && e.has(command.NoMulti) {
		return errNoMulti
	}
	p := c.parts()
	write := c.flagsOf(e)&command.Write != 0
	if p != nil && (write || e.spec.Name == "ping") {
		if err := p.backlog.Health(); err != nil {
			return misconf(err)
		}
	}
	replica := isReplica(p, cfg)
	if write {
		if !replica && p != nil {
			if refusal := p.node.WriteRefusal(); refusal != "" {
				return refusal
			}
		}
		if replica {
			return errReadOnly
		}
	}
	if refusal := c.subscriberRefusal(e); refusal != "" {
		return refusal
	}
	if replica && !cfg.ReplicaServeStaleData && !e.has(command.Stale) && (p == nil || !p.node.LinkUp()) {
		return errMasterDown
	}
	if p == nil && (e.keyspace != nil || !e.has(command.Loading)) {
		return errLoading
	}
	return ""
}

// isReplica reads the role: the node's, or the configured one while there is no node yet. A replica never takes writes of clients,
// whatever replica-read-only says: its log is its master's stream, byte by byte.
func isReplica(p *parts, cfg *config.Config) bool {
	if p == nil {
		return cfg.ReplicaOf != nil
	}
	_, _, ok := p.node.Master()
	return ok
}

func (c *conn) debugAllowed(cfg *config.Config) bool {
	switch cfg.EnableDebugCommand {
	case "yes":
		return true
	case "local":
		return c.local
	}
	return false
}

// misconf refuses writes, and PING, so that a supervisor notices, while the log cannot take them. The engine words it alike.
func misconf(err error) string {
	return "MISCONF Errors writing to the log: " + err.Error() + ". Commands that may modify the data set are disabled; reads go on."
}
