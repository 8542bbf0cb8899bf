package server

import (
	"context"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
)

// debugCommands is DEBUG; enable-debug-command says who may use it.
var debugCommands = map[string]handler{"debug": cmdDebug}

// maxDebugSleep bounds DEBUG SLEEP.
const maxDebugSleep = 24 * time.Hour

var debugHelp = help("DEBUG", []string{
	"DIGEST", "    Output a hex signature representing the current DB content.",
	"SLEEP <seconds>", "    Hold back all client commands for <seconds>. Decimals allowed.",
})

func cmdDebug(c *conn, args [][]byte) {
	switch sub := strings.ToLower(string(args[1])); {
	case sub == "sleep" && len(args) == 3:
		debugSleep(c, args[2])
	case sub == "digest" && len(args) == 2:
		debugDigest(c)
	case sub == "help" && len(args) == 2:
		debugHelp(c, args)
	default:
		c.w.Error("ERR unknown subcommand or wrong number of arguments for '" + shown(args[1], maxUnknownArgs) + "'. Try DEBUG HELP.")
	}
}

// debugSleep holds back every client, as Redis' sleeping main thread does; replication goes on. Like strtod, it takes what does not
// begin with a number for 0.
func debugSleep(c *conn, arg []byte) {
	seconds, err := strconv.ParseFloat(string(arg), 64)
	if err != nil || seconds <= 0 || math.IsNaN(seconds) {
		seconds = 0
	}
	d := time.Duration(min(seconds, maxDebugSleep.Seconds()) * float64(time.Second))
	end := time.Now().Add(d)
	if d > 0 {
		c.srv.pause.set(pauseDebug, pauseAll, end)
		_, _ = c.block(d, false, func(ctx context.Context) { <-ctx.Done() })
		c.srv.pause.set(pauseDebug, pauseNone, time.Time{})
	}
	c.w.OK()
}

func debugDigest(c *conn) {
	p := c.parts()
	if p == nil {
		c.w.Error(errLoading)
		return
	}
	sum, err := p.engine.Digest(c.ctx)
	if err != nil {
		c.w.Error("ERR compute digest: " + err.Error())
		return
	}
	c.w.Simple(hex.EncodeToString(sum[:]))
}
