package server

import (
	"runtime"
	"time"
)

// Bounds of one connection. Those that Redis has as directives (proto-max-bulk-len, client-query-buffer-limit,
// client-output-buffer-limit, timeout, maxclients) come from the configuration.
const (
	// minReadBuffer is what an idle connection holds.
	minReadBuffer = 4 << 10
	// pipelineReadBuffer is what the buffer grows to when reads fill it, whatever the commands are.
	pipelineReadBuffer = 64 << 10
	// keepReadBuffer is the largest buffer that survives being emptied.
	keepReadBuffer = 1 << 20
	// readBufferGrowth bounds how far the buffer grows for an announced bulk string: to this many times the bytes at hand.
	readBufferGrowth = 4

	// maxRun and maxRunReplies shape runs of keyspace commands: a run doubles from minRun up to maxRun while its replies stay
	// small, and falls back to one command when they pass maxRunReplies, so that one batch cannot pile up many large values.
	minRun        = 16
	maxRun        = 128
	maxRunReplies = 1 << 20
	// maxKeptArgv is the number of argument slots a connection keeps between runs.
	maxKeptArgv = 4096

	// maxLoopInput and maxLoopReplies are the bytes of unfinished commands, and about the bytes of replies to those that a read has brought,
	// with which a loop still serves a connection; maxLoopArgs bounds the arguments of one command.
	maxLoopInput   = 64 << 10
	maxLoopReplies = 64 << 10
	maxLoopArgs    = 1024
	// calmRounds is how many rounds of ordinary commands a connection with a goroutine of its own has before it goes to a loop.
	calmRounds = 64
	// loopShare is how many processors there are for each loop.
	loopShare = 2

	// replyPortion is when accumulated replies are written although more commands are at hand.
	replyPortion = 256 << 10
	// writeChunk is how much one write to the socket holds; each has the whole writeTimeout.
	writeChunk = 1 << 20
	// writeTimeout closes a client that takes nothing for so long.
	writeTimeout = 60 * time.Second
	// writeDeadlineSlack is how much of writeTimeout may be used up before the deadline is set anew.
	writeDeadlineSlack = 10 * time.Second

	// lingerTime and lingerBytes bound what is read and thrown away after an error that closes the connection, so that the
	// peer gets to see the text instead of a reset.
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
	// maxLingering is how many refused connections may be lingering; others are closed at once.
	maxLingering = 64

	// unauthFrameTimeout is how long a client that still has to authenticate may leave a command unfinished.
	unauthFrameTimeout = 10 * time.Second
	// goneCheckAfter is how long a connection must have been waiting before its peer is looked at.
	goneCheckAfter = time.Second

	// maxErrorCodes bounds the different codes of INFO errorstats.
	maxErrorCodes = 128
	// maxErrorCodeLen is the longest code counted under its own name.
	maxErrorCodeLen = 32

	// maxUnknownArgs is how many bytes of a command and of its arguments an "unknown command" error repeats.
	maxUnknownArgs = 128

	// acceptBackoffMin and acceptBackoffMax bound the pause after a failed Accept.
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second

	// cronPeriod is how often rates are sampled, clientScanTicks how many of them lie between two looks at all clients.
	cronPeriod      = 100 * time.Millisecond
	clientScanTicks = 10
	// recentTicks is the window of INFO's client_recent_max_* (Redis: some seconds).
	recentTicks = 40
)

// loopCount is how many loops there are: enough to keep busy what the machine has besides them, for the clients of this machine, for compaction
// and for connections that need goroutines.
func loopCount() int { return max(1, runtime.GOMAXPROCS(0)/loopShare) }
