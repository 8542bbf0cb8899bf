package server

import (
	"context"
	"strconv"
	"strings"
	"time"

	"replogd/engine/hll"
)

// serverCommands concern the process.
var serverCommands = map[string]handler{
	"time": cmdTime, "info": cmdInfo, "shutdown": cmdShutdown, "pfselftest": cmdPFSelfTest,
}

func cmdTime(c *conn, _ [][]byte) {
	now := time.Now()
	c.w.Array(2)
	c.w.BulkString(strconv.FormatInt(now.Unix(), 10))
	c.w.BulkString(strconv.Itoa(now.Nanosecond() / 1000))
}

// cmdPFSelfTest is PFSELFTEST.
func cmdPFSelfTest(c *conn, _ [][]byte) {
	if err := hll.SelfTest(); err != nil {
		c.w.Error("TESTFAILED " + err.Error())
		return
	}
	c.w.OK()
}

// shutdownOptions are what SHUTDOWN was given.
type shutdownOptions struct{ save, noSave, now, force, abort bool }

func parseShutdown(args [][]byte) (o shutdownOptions, ok bool) {
	for _, a := range args {
		switch strings.ToLower(string(a)) {
		case "save":
			o.save = true
		case "nosave":
			o.noSave = true
		case "now":
			o.now = true
		case "force":
			o.force = true
		case "abort":
			o.abort = true
		default:
			return o, false
		}
	}
	bothSaves, abortAndMore := o.save && o.noSave, o.abort && len(args) > 1
	return o, !bothSaves && !abortAndMore
}

// cmdShutdown asks the owner of the process to stop it, and waits: the connection closes when that happens. An answer comes only
// when the shutdown has failed or was aborted.
func cmdShutdown(c *conn, args [][]byte) {
	o, ok := parseShutdown(args[1:])
	if !ok {
		c.w.Error(errSyntax)
		return
	}
	if o.abort {
		if c.srv.abortShutdown() {
			c.w.OK()
		} else {
			c.w.Error("ERR No shutdown in progress.")
		}
		return
	}
	c.srv.log.Warn("shutdown requested", "client", c.addr)
	_, _ = c.block(0, false, func(ctx context.Context) {
		failed := c.srv.stop.request(ShutdownRequest{NoSave: o.noSave, Now: o.now, Force: o.force, Client: c.addr})
		select {
		case <-failed:
		case <-ctx.Done():
		}
	})
	if !c.closing {
		c.w.Error("ERR Errors trying to SHUTDOWN. Check logs.")
	}
}
