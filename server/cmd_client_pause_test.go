package server

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waitingIn counts the clients whose last command is name and that wait, as CLIENT LIST shows them.
func waitingIn(t *testing.T, c *client, name string) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(bulk(c.do("CLIENT", "LIST"))) {
		if strings.Contains(line, " flags=b ") && strings.Contains(line, " cmd="+name+" ") {
			n++
		}
	}
	return n
}

// bothServers runs the same specification against Redis and against replogd.
func bothServers(t *testing.T, spec func(t *testing.T, addr string)) {
	t.Run("redis", func(t *testing.T) { spec(t, oracle(t)) })
	t.Run("replogd", func(t *testing.T) { spec(t, start(t).addr()) })
}

func TestPauseHoldsWritesBackUntilUnpause(t *testing.T) {
	bothServers(t, func(t *testing.T, addr string) {
		operator, writer := dial(t, addr), dial(t, addr)
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "600000", "WRITE"))
		writer.send(frame("PING") + frame("SET", "k", "v") + frame("GET", "k"))
		require.Equal(t, "+PONG\r\n", writer.read())
		require.Eventually(t, func() bool { return waitingIn(t, operator, "set") == 1 }, patience, time.Millisecond)
		require.Equal(t, "1", operator.info("clients")["blocked_clients"])
		require.Equal(t, "$-1\r\n", operator.do("GET", "k"), "reads go on")
		require.Equal(t, "-ERR wrong number of arguments for 'set' command\r\n", operator.do("SET", "k"), "what cannot run is not held back")
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "0", "WRITE"))
		require.Equal(t, "$-1\r\n", operator.do("GET", "k"), "a pause is not made shorter by another")
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))
		require.Equal(t, "+OK\r\n", writer.read())
		require.Equal(t, "$1\r\nv\r\n", writer.read())
	})
}

func TestPauseOfAllEndsByItself(t *testing.T) {
	bothServers(t, func(t *testing.T, addr string) {
		const pause = 300 * time.Millisecond
		operator, other := dial(t, addr), dial(t, addr)
		began := time.Now()
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "300"))
		require.Equal(t, "+PONG\r\n", other.do("PING"))
		require.GreaterOrEqual(t, time.Since(began), pause-time.Millisecond) // Redis counts in whole milliseconds
		began = time.Now()
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "300"))
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"), "held back as everything is")
		require.GreaterOrEqual(t, time.Since(began), pause-time.Millisecond)
	})
}

func TestPausesAddUp(t *testing.T) {
	bothServers(t, func(t *testing.T, addr string) {
		operator := dial(t, addr)
		began := time.Now()
		operator.send(frame("CLIENT", "PAUSE", "300", "WRITE") + frame("CLIENT", "PAUSE", "1", "ALL") + frame("PING"))
		for _, reply := range []string{"+OK\r\n", "+OK\r\n", "+PONG\r\n"} {
			require.Equal(t, reply, operator.read())
		}
		require.GreaterOrEqual(t, time.Since(began), 299*time.Millisecond, "as long as the longest, as strong as the strongest")
	})
}

// The longest pause does not overflow into none, or into a panic.
func TestPauseForEver(t *testing.T) {
	r := start(t)
	operator, writer := r.dial(), r.dial()
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "9223372036854775807", "WRITE"))
	writer.send(frame("SET", "k", "v"))
	require.Eventually(t, func() bool { return waitingIn(t, operator, "set") == 1 }, patience, time.Millisecond)
	require.True(t, r.srv.WritesHeld())
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))
	require.Equal(t, "+OK\r\n", writer.read())
	require.False(t, r.srv.WritesHeld())
}

func TestWritesHeldEndsWithThePause(t *testing.T) {
	r := start(t)
	require.Equal(t, "+OK\r\n", r.dial().do("CLIENT", "PAUSE", "30", "WRITE"))
	require.Eventually(t, func() bool { return !r.srv.WritesHeld() }, patience, time.Millisecond)
}

// A write that waited meets the server as it is after the pause.
func TestHeldBackWriteIsAdmittedAnew(t *testing.T) {
	bothServers(t, func(t *testing.T, addr string) {
		operator, writer := dial(t, addr), dial(t, addr)
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "600000", "WRITE"))
		writer.send(frame("SET", "k", "v"))
		require.Eventually(t, func() bool { return waitingIn(t, operator, "set") == 1 }, patience, time.Millisecond)
		require.Equal(t, "+OK\r\n", operator.do("REPLICAOF", "127.0.0.1", "1"))
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))
		require.Equal(t, "-READONLY You can't write against a read only replica.\r\n", writer.read())
		require.Regexp(t, `cmdstat_set:.*,rejected_calls=1,`, bulk(operator.do("INFO", "commandstats")))
	})
}

// After the OK of CLIENT PAUSE the log stands still, however many writers there are: the point of a pause before a failover.
func TestNoWriteLandsAfterPauseHasAnswered(t *testing.T) {
	r := start(t)
	const writers, rounds = 4, 150
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer r.srv.pause.set(pauseClients, pauseNone, time.Time{}) // else a failure leaves the writers held back
	defer stop.Store(true)
	for i := range writers {
		c := r.dial()
		batch := strings.Repeat(frame("SET", "k"+strconv.Itoa(i), "v"), 20)
		wg.Go(func() {
			for !stop.Load() {
				if _, err := c.nc.Write([]byte(batch)); err != nil {
					t.Error(err)
					return
				}
				for range 20 {
					if reply, err := c.tryRead(); err != nil || reply != "+OK\r\n" {
						t.Error(reply, err)
						return
					}
				}
			}
		})
	}
	operator := r.dial()
	for range rounds {
		before := r.bl.End()
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "600000", "WRITE"))
		end := r.bl.End()
		for range 5 {
			require.Equal(t, "+PONG\r\n", operator.do("PING"))
		}
		require.Equal(t, end, r.bl.End())
		require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))
		require.Eventually(t, func() bool { return r.bl.End() > before }, patience, 100*time.Microsecond)
	}
}

// CLIENT PAUSE waits for commands that were admitted before it, and no longer than its own time.
func TestPauseWaitsForWhatIsBeingExecuted(t *testing.T) {
	r := start(t)
	busy, operator := r.dial(), r.dial()
	require.Equal(t, "+PONG\r\n", busy.do("PING"))
	admitted := r.srv.clients.all()[0]
	admitted.beginRun() // as its goroutine does before it executes
	operator.send(frame("CLIENT", "PAUSE", "600000", "WRITE"))
	require.Eventually(t, r.srv.WritesHeld, patience, time.Millisecond)
	require.Equal(t, "+OK\r\n", r.dial().do("CLIENT", "UNPAUSE"), "calling it off ends the wait")
	require.Equal(t, "+OK\r\n", operator.read())

	operator.send(frame("CLIENT", "PAUSE", "600000", "WRITE"))
	require.Eventually(t, r.srv.WritesHeld, patience, time.Millisecond)
	admitted.endRun()
	require.Equal(t, "+OK\r\n", operator.read())
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))

	admitted.beginRun()
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "50", "WRITE"), "its own time is up")
	admitted.endRun()
}

func TestClientUnblockEndsWait(t *testing.T) {
	bothServers(t, func(t *testing.T, addr string) {
		operator := dial(t, addr)
		for _, tc := range []struct{ form, reply string }{
			{"", ":0\r\n"}, {"TIMEOUT", ":0\r\n"}, {"error", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"},
		} {
			waiter := dial(t, addr)
			id := strings.TrimSpace(waiter.do("CLIENT", "ID")[1:])
			waiter.send(frame("WAIT", "1", "0"))
			require.Eventually(t, func() bool { return waitingIn(t, operator, "wait") == 1 }, patience, time.Millisecond)
			unblock := []string{"CLIENT", "UNBLOCK", id}
			if tc.form != "" {
				unblock = append(unblock, tc.form)
			}
			require.Equal(t, ":1\r\n", operator.do(unblock...))
			require.Equal(t, tc.reply, waiter.read())
			require.Equal(t, ":0\r\n", operator.do(unblock...), "it waits no longer")
			require.Equal(t, "+PONG\r\n", waiter.do("PING"), "the connection lives")
		}
	})
}

// A client that is held back by a pause is not waiting in a command: its time will come.
func TestClientUnblockLeavesThePausedAlone(t *testing.T) {
	r := start(t)
	operator, writer := r.dial(), r.dial()
	id := strings.TrimSpace(writer.do("CLIENT", "ID")[1:])
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "PAUSE", "600000", "WRITE"))
	writer.send(frame("SET", "k", "v"))
	r.blockedClients(1)
	require.Equal(t, ":0\r\n", operator.do("CLIENT", "UNBLOCK", id, "ERROR"))
	require.Equal(t, "+OK\r\n", operator.do("CLIENT", "UNPAUSE"))
	require.Equal(t, "+OK\r\n", writer.read())
}
