package engine

import (
	"time"

	"replogd/engine/resp"
)

// done counts one execution for INFO commandstats and returns the time at its end. mark is where the reply begins.
func (c *Command) done(start time.Time, w *resp.Writer, mark int) time.Time {
	took := time.Since(start) // reads one clock; time.Now reads two
	c.Calls.Add(1)
	c.Nanos.Add(uint64(took))
	if reply := w.Since(mark); len(reply) > 0 && reply[0] == '-' {
		c.Failed.Add(1)
	}
	return start.Add(took)
}
