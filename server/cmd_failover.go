package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"replogd/config"
	"replogd/engine/resp"
	"replogd/replica"
)

// failoverCommands are the coordinated change of master.
var failoverCommands = map[string]handler{"failover": cmdFailover}

// cmdFailover is FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]. It answers when the failover has begun; how it goes on is in INFO
// (master_failover_state) and in the log.
func cmdFailover(c *conn, args [][]byte) {
	req, abort, refusal := parseFailover(args[1:])
	if refusal != "" {
		c.w.Error(refusal)
		return
	}
	var err error
	if node := c.parts().node; abort {
		err = node.AbortFailover()
	} else {
		err = node.Failover(req)
	}
	if err != nil {
		c.w.Error(errorText("ERR ", err))
		return
	}
	c.w.OK()
}

// parseFailover reads the options in the order and with the errors of Redis 7.0.15: each at most once, ABORT alone.
func parseFailover(args [][]byte) (req replica.FailoverRequest, abort bool, refusal string) {
	if len(args) == 1 && strings.EqualFold(string(args[0]), "abort") {
		return req, true, ""
	}
	timed := false
	for i := 0; i < len(args); i++ {
		more := len(args) - 1 - i
		switch word := strings.ToLower(string(args[i])); {
		case word == "timeout" && more >= 1 && !timed:
			ms, ok := resp.ParseInt(args[i+1])
			if !ok {
				return req, false, errNotInteger
			}
			if ms <= 0 {
				return req, false, "ERR FAILOVER timeout must be greater than 0"
			}
			req.Timeout, timed = min(time.Duration(ms), maxPause/time.Millisecond)*time.Millisecond, true
			i++
		case word == "to" && more >= 2 && req.Host == "":
			port, ok := resp.ParseInt(args[i+2])
			if !ok {
				return req, false, errNotInteger
			}
			req.Host, req.Port = string(args[i+1]), int(port)
			i += 2
		case word == "force" && !req.Force:
			req.Force = true
		default:
			return req, false, errSyntax
		}
	}
	return req, false, ""
}

// HoldWrites is CLIENT PAUSE WRITE without an end, for a failover: it returns when the writes that clients were in the middle of are done.
func (s *Server) HoldWrites(ctx context.Context) (resume func()) {
	s.pause.set(pauseFailover, pauseWrites, time.Now().Add(maxPause))
	s.waitForRuns(ctx)
	return func() { s.pause.set(pauseFailover, pauseNone, time.Time{}) }
}

// RoleChanged takes over a role that FAILOVER has given to this node: host is "" for a master's. CONFIG REWRITE makes it last.
func (s *Server) RoleChanged(host string, port int) {
	if host == "" {
		s.cfg.SetReplicaOf(nil)
		return
	}
	s.cfg.SetReplicaOf(&config.Addr{Host: host, Port: port})
	s.clients.each(func(c *conn) { c.unblock(errRoleChanged) })
}

// takeOver answers PSYNC ... FAILOVER with an error, or makes this node the master that the asking one wants.
func (c *conn) takeOver(id string) (ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), roleChangeTimeout)
	defer cancel()
	if err := c.parts().node.TakeOver(ctx, id); err != nil {
		var reply replica.ReplyError
		if !errors.As(err, &reply) {
			c.srv.log.Error("take over from the master", "client", c.addr, "err", err)
		}
		c.w.Error(errorText("ERR ", err))
		return false
	}
	return true
}
